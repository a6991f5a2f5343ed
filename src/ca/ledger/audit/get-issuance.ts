// One issuance whole: its row, its entry byte for byte, how it ended, and the certificate rebuilt from the recorded
// TBSCertificate and the recorded signature. Nothing here signs: what the record does not hold cannot be shown.
import { encodeCertificate, fromHex, signatureAlgorithmOfTbs } from "../../../x509/index.ts";
import type { Queryable } from "../../store/index.ts";
import { LedgerError } from "../errors.ts";
import type { IssuanceRow } from "./query.ts";
import { ISSUANCE_COLUMNS, type IssuanceRecordRow, OUTCOME_RUN, toIssuanceRow } from "./row.ts";

/** How an issuance ended. `none`: recorded, but the signature was never reported (a crash between commit and sign). */
export type RecordedOutcome =
  | { readonly kind: "signed"; readonly signature: Uint8Array; readonly outcomeIndex: bigint }
  | { readonly kind: "failed"; readonly outcomeIndex: bigint }
  | { readonly kind: "none" };

export interface IssuanceRecord {
  readonly row: IssuanceRow;
  /** The entry's bytes, canonical JSON (RFC 8785). */
  readonly entry: Uint8Array;
  /** SHA-256(0x00 || entry), RFC 9162 section 2.1.1. */
  readonly leafHash: Uint8Array;
  /** The recorded TBSCertificate, DER. */
  readonly tbs: Uint8Array;
  readonly outcome: RecordedOutcome;
  /** The certificate, DER, where the outcome is `signed`. */
  readonly certificate: Uint8Array | undefined;
}

/** Lower-case hex for a serial. */
export type IssuanceKey = { readonly logIndex: bigint } | { readonly serial: string };

const COLUMNS = `${ISSUANCE_COLUMNS}, e.bytes AS entry, e.leaf_hash, o.result, o.outcome_index, oe.bytes AS outcome_entry`;
const JOINS = `
  FROM issuance i
  JOIN ledger_entry e ON e.log_index = i.log_index
  LEFT JOIN LATERAL (${OUTCOME_RUN}) o ON o.last >= i.log_index
  LEFT JOIN ledger_entry oe ON oe.log_index = o.outcome_index`;
const BY_INDEX = { name: "issuance_by_index", text: `SELECT ${COLUMNS} ${JOINS} WHERE i.log_index = $1` };
const BY_SERIAL = {
  name: "issuance_by_serial",
  text: `SELECT ${COLUMNS} ${JOINS} WHERE i.log_index = (SELECT s.log_index FROM serial s WHERE s.serial = $1)`,
};

interface FullRow extends IssuanceRecordRow {
  readonly entry: Uint8Array;
  readonly leaf_hash: Uint8Array;
  readonly result: "signed" | "failed" | null;
  readonly outcome_index: bigint | null;
  readonly outcome_entry: Uint8Array | null;
}

/**
 * Reads one issuance by log index or serial.
 * @throws LedgerError MCA_NOT_FOUND when nothing was issued there; MCA_LEDGER_CORRUPT when the record contradicts itself.
 */
export async function getIssuance(database: Queryable, key: IssuanceKey): Promise<IssuanceRecord> {
  const rows =
    "logIndex" in key
      ? await database.query<FullRow>(BY_INDEX, [key.logIndex])
      : await database.query<FullRow>(BY_SERIAL, [fromHex(key.serial)]);
  const row = rows[0];
  if (row === undefined) {
    const what = "logIndex" in key ? `log index ${key.logIndex}` : `serial ${key.serial}`;
    throw new LedgerError(
      "MCA_NOT_FOUND",
      `No issuance is recorded under ${what}. \`npx mesh-ca audit list\` shows what is.`,
    );
  }
  const tbs = parseRecordedTbs(row.entry, row.log_index);
  const outcome = outcomeOf(row);
  return {
    row: toIssuanceRow(row),
    entry: row.entry,
    leafHash: row.leaf_hash,
    tbs,
    outcome,
    certificate: outcome.kind === "signed" ? rebuild(tbs, outcome.signature, row.log_index) : undefined,
  };
}

function rebuild(tbs: Uint8Array, signature: Uint8Array, logIndex: bigint): Uint8Array {
  try {
    return encodeCertificate(tbs, signatureAlgorithmOfTbs(tbs), signature);
  } catch (cause) {
    throw corrupt(logIndex, "its TBSCertificate cannot be read", cause);
  }
}

function outcomeOf(row: FullRow): RecordedOutcome {
  if (row.result === null || row.outcome_index === null || row.outcome_entry === null) return { kind: "none" };
  const outcomeIndex = row.outcome_index;
  if (row.result === "failed") return { kind: "failed", outcomeIndex };
  const signature = parseRecordedSignature(row.outcome_entry, row.log_index);
  return { kind: "signed", signature, outcomeIndex };
}

function corrupt(logIndex: bigint, what: string, cause?: unknown): LedgerError {
  return new LedgerError(
    "MCA_LEDGER_CORRUPT",
    `The ledger contradicts itself at log index ${logIndex}: ${what}. Stop issuing, keep the database as it is, and compare it with a backup.`,
    { cause },
  );
}

function parseJsonObject(bytes: Uint8Array, logIndex: bigint): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw corrupt(logIndex, "an entry is not an object");
  // Checked to be an object with string keys just above.
  return value as Readonly<Record<string, unknown>>;
}

function parseRecordedTbs(entry: Uint8Array, logIndex: bigint): Uint8Array {
  const tbs = parseJsonObject(entry, logIndex)["tbs"];
  if (typeof tbs !== "string") throw corrupt(logIndex, "its entry holds no TBSCertificate");
  return Uint8Array.from(Buffer.from(tbs, "base64"));
}

function parseRecordedSignature(outcomeEntry: Uint8Array, logIndex: bigint): Uint8Array {
  const outcomes = parseJsonObject(outcomeEntry, logIndex)["outcomes"];
  const list: readonly unknown[] = Array.isArray(outcomes) ? outcomes : [];
  for (const item of list) {
    if (typeof item !== "object" || item === null || !("index" in item) || !("signature" in item)) continue;
    if (item.index === logIndex.toString() && typeof item.signature === "string") {
      return Uint8Array.from(Buffer.from(item.signature, "base64"));
    }
  }
  throw corrupt(logIndex, "its outcome's entry does not hold its signature");
}
