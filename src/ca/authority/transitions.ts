// The history of authorities: every change of state with its time and cause, as stored beside the ledger entry that tells of it.
import { toHex } from "../../x509/index.ts";
import type { Queryable, SqlStatement } from "../store/index.ts";
import { parseState } from "./records.ts";
import type { AuthorityState } from "./state.ts";

export interface AuthorityTransition {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  /** Undefined: it came into being. */
  readonly from: AuthorityState | undefined;
  readonly to: AuthorityState;
  readonly cause: string;
  /** Unix milliseconds. */
  readonly at: number;
  /** The ledger entry. */
  readonly logIndex: bigint;
}

const SELECT_TRANSITIONS: SqlStatement = {
  name: "authority_transitions_select",
  text: "SELECT spki_sha256, from_state, to_state, cause, at, log_index FROM authority_transition ORDER BY id",
};

interface TransitionRow {
  readonly spki_sha256: Uint8Array;
  readonly from_state: string | null;
  readonly to_state: string;
  readonly cause: string;
  readonly at: number;
  readonly log_index: bigint;
}

/** Every transition of every authority, oldest first. */
export async function loadTransitions(database: Queryable): Promise<readonly AuthorityTransition[]> {
  return (await database.query<TransitionRow>(SELECT_TRANSITIONS)).map((row) => ({
    spkiSha256: toHex(row.spki_sha256),
    from: row.from_state === null ? undefined : parseState(row.from_state),
    to: parseState(row.to_state),
    cause: row.cause,
    at: row.at,
    logIndex: row.log_index,
  }));
}
