// Authorities as stored: what is known of each, and the reader of their rows. It writes nothing: that is journal.ts, in a ledger
// transaction, together with the entry that tells of the change.
import { type Certificate, parseCertificate, toHex } from "../../x509/index.ts";
import type { Queryable, SqlStatement } from "../store/index.ts";
import { AUTHORITY_STATES, type AuthorityState } from "./state.ts";

/** A stored authority. */
export interface AuthorityRecord {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  readonly replica: number;
  readonly state: AuthorityState;
  readonly upstream: string;
  /** Undefined until the upstream has answered. */
  readonly issued:
    | {
        readonly certificate: Certificate;
        readonly intermediates: readonly Certificate[];
        readonly anchor: Certificate;
        readonly selfSigned: boolean;
      }
    | undefined;
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** When it came into its present state, Unix milliseconds. */
  readonly since: number;
  /** When it became prepared, Unix milliseconds. */
  readonly preparedAt: number | undefined;
  /** When it stopped signing, Unix milliseconds. */
  readonly retiredAt: number | undefined;
  /** When it was tainted, Unix milliseconds; also of one that is revoked or removed by now. */
  readonly taintedAt: number | undefined;
  /** PKCS#10, DER, where people sign it. */
  readonly csr: Uint8Array | undefined;
  /** Why it was made. */
  readonly cause: string;
  /** It is to sign as soon as every client knows it. */
  readonly activateWhenPropagated: boolean;
  /** Of a tainted one: the spread of the renewals under it. */
  readonly renewSpreadSeconds: number | undefined;
  /** Of one whose chain the upstream revoked: which certificate, and who says so. */
  readonly upstreamRevocation: string | undefined;
  /** When the destruction of its private key was recorded, Unix milliseconds. */
  readonly keyDestroyedAt: number | undefined;
}

/** The certificates of an authority: those that its leaves are verified by. */
export type IssuedAuthority = NonNullable<AuthorityRecord["issued"]>;

/** What WatchTrust tells, as stored. */
export interface TrustState {
  readonly revision: bigint;
  readonly sequence: bigint;
  /** Lower-case hex. */
  readonly distrustedSpkis: readonly string[];
  /** SHA-256 of upstream roots that an operator took out of the bundle. Lower-case hex. */
  readonly prunedAnchors: readonly string[];
  /** As the bundle tells it; undefined until a server has published its setting. */
  readonly refreshHintSeconds: number | undefined;
}

const SELECT_AUTHORITIES: SqlStatement = {
  name: "authority_select",
  text: `SELECT a.spki_sha256, a.replica, a.state, a.upstream, a.certificate, a.intermediates, a.anchor, a.created_at,
      max(t.at) FILTER (WHERE t.to_state = a.state) AS since,
      max(t.at) FILTER (WHERE t.to_state = 'prepared') AS prepared_at,
      max(t.at) FILTER (WHERE t.to_state = 'retired') AS retired_at,
      max(t.at) FILTER (WHERE t.to_state = 'tainted') AS tainted_at,
      max(t.cause) FILTER (WHERE t.to_state = 'requested') AS cause,
      a.csr, a.activate_when_propagated, a.renew_spread_seconds, a.upstream_revocation, a.key_destroyed_at
    FROM authority a LEFT JOIN authority_transition t USING (spki_sha256)
    GROUP BY a.spki_sha256 ORDER BY a.created_at, min(t.id)`,
};

const SELECT_TRUST_STATE: SqlStatement = {
  name: "trust_state_select",
  text: "SELECT revision, bundle_sequence, distrusted_spkis, pruned_anchors, refresh_hint_seconds FROM trust_state",
};

interface AuthorityRow {
  readonly spki_sha256: Uint8Array;
  readonly replica: number;
  readonly state: string;
  readonly upstream: string;
  readonly certificate: Uint8Array | null;
  readonly intermediates: readonly Uint8Array[];
  readonly anchor: Uint8Array | null;
  readonly created_at: number;
  readonly since: number | null;
  readonly prepared_at: number | null;
  readonly retired_at: number | null;
  readonly tainted_at: number | null;
  readonly cause: string | null;
  readonly csr: Uint8Array | null;
  readonly activate_when_propagated: boolean;
  readonly renew_spread_seconds: number | null;
  readonly upstream_revocation: string | null;
  readonly key_destroyed_at: number | null;
}

interface TrustStateRow {
  readonly revision: bigint;
  readonly bundle_sequence: bigint;
  readonly distrusted_spkis: readonly Uint8Array[];
  readonly pruned_anchors: readonly Uint8Array[];
  readonly refresh_hint_seconds: number | null;
}

/** When the path from an authority to its anchor ends: at the earliest notAfter in it. Unix milliseconds. */
export function endOfPath(issued: {
  readonly certificate: Certificate;
  readonly intermediates: readonly Certificate[];
  readonly anchor: Certificate;
}): number {
  return Math.min(...[issued.certificate, ...issued.intermediates, issued.anchor].map(({ notAfter }) => notAfter));
}

/** Every authority that was ever requested, oldest first. Throws X509Error for a stored certificate that cannot be read. */
export async function loadAuthorities(database: Queryable): Promise<readonly AuthorityRecord[]> {
  return (await database.query<AuthorityRow>(SELECT_AUTHORITIES)).map(parseRow);
}

/** The trust state; undefined in a database that was never initialised. */
export async function loadTrustState(database: Queryable): Promise<TrustState | undefined> {
  const [row] = await database.query<TrustStateRow>(SELECT_TRUST_STATE);
  if (row === undefined) return undefined;
  return {
    revision: row.revision,
    sequence: row.bundle_sequence,
    distrustedSpkis: row.distrusted_spkis.map(toHex),
    prunedAnchors: row.pruned_anchors.map(toHex),
    refreshHintSeconds: row.refresh_hint_seconds ?? undefined,
  };
}

function parseRow(row: AuthorityRow): AuthorityRecord {
  const certificate = row.certificate === null ? undefined : parseCertificate(row.certificate);
  const anchor = row.anchor === null ? undefined : parseCertificate(row.anchor);
  return {
    spkiSha256: toHex(row.spki_sha256),
    replica: row.replica,
    state: parseState(row.state),
    upstream: row.upstream,
    issued:
      certificate === undefined || anchor === undefined
        ? undefined
        : {
            certificate,
            anchor,
            intermediates: row.intermediates.map((der) => parseCertificate(der)),
            selfSigned: certificate.sha256 === anchor.sha256,
          },
    createdAt: row.created_at,
    since: row.since ?? row.created_at,
    preparedAt: row.prepared_at ?? undefined,
    retiredAt: row.retired_at ?? undefined,
    taintedAt: row.tainted_at ?? undefined,
    csr: row.csr ?? undefined,
    cause: row.cause ?? "",
    activateWhenPropagated: row.activate_when_propagated,
    renewSpreadSeconds: row.renew_spread_seconds ?? undefined,
    upstreamRevocation: row.upstream_revocation ?? undefined,
    keyDestroyedAt: row.key_destroyed_at ?? undefined,
  };
}

/** Reads a stored state. A state that this version does not know is an error, never a guess. */
export function parseState(text: string): AuthorityState {
  const state = AUTHORITY_STATES.find((each) => each === text);
  if (state === undefined) throw new TypeError(`unknown state of an authority: ${text}`);
  return state;
}
