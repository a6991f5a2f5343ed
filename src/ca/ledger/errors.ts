// What can keep an intent out of the ledger. Nothing is issued then.
import { MeshCaError } from "../../runtime/index.ts";

export type LedgerErrorCode =
  /** The ledger cannot commit now; nothing was issued. */
  | "MCA_LEDGER_UNAVAILABLE"
  /** Too many intents wait; nothing was issued. */
  | "MCA_LEDGER_OVERLOADED"
  /** The entry would be longer than 65,535 bytes. */
  | "MCA_ENTRY_TOO_LARGE"
  /** The entry holds what no entry may hold, or lacks what its kind asks for. */
  | "MCA_ENTRY_INVALID"
  /** The serial number is taken. Draw another. */
  | "MCA_SERIAL_COLLISION"
  /** The rule was changed or deleted since it was evaluated. Evaluate again. */
  | "MCA_RULE_CHANGED"
  /** The authority was retired, tainted or revoked since the certificate was drawn up. Draw it up under the present one. */
  | "MCA_AUTHORITY_NOT_ACTIVE"
  | "MCA_LINEAGE_UNKNOWN"
  /** Two holders of one lineage: a key was stolen, or a machine was cloned. */
  | "MCA_LINEAGE_FROZEN"
  | "MCA_TOKEN_UNKNOWN"
  | "MCA_TOKEN_EXPIRED"
  | "MCA_TOKEN_VOIDED"
  | "MCA_TOKEN_REDEEMED"
  | "MCA_QUOTA_EXCEEDED"
  /** The stored log is not what it was: refuse to add to it. */
  | "MCA_LEDGER_CORRUPT"
  | "MCA_NOT_FOUND"
  | "MCA_QUERY_INVALID";

export class LedgerError extends MeshCaError<LedgerErrorCode> {}
