export { getIssuance, type IssuanceKey, type IssuanceRecord, type RecordedOutcome } from "./get-issuance.ts";
export { listIssuances } from "./list-issuances.ts";
export type { IssuanceFilter, IssuancePage, IssuanceQuery, IssuanceRow } from "./query.ts";
export { HAS_OUTCOME } from "./row.ts";
