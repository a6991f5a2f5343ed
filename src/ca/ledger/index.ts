export type { LineageStep } from "../lineage/index.ts";
export * from "./audit/index.ts";
export type { AdministrativeEntry, JsonValue } from "./entry.ts";
export { LedgerError, type LedgerErrorCode } from "./errors.ts";
export { initialiseLedger, type TrustDomainRecord, trustDomainOf } from "./initialise.ts";
export { type CommitResult, type CommittedIntent, Intent, type IntentFields, type OutcomeReport } from "./intent.ts";
export { Ledger, type LedgerHealth, type LedgerOptions, type LedgerTransaction, type Quota } from "./ledger.ts";
