export type { Lineage, LineageState, LineageStep } from "./lineage.ts";
export type { FreezeReason, Lineages, PresentedCertificate, RecordOf } from "./lineages.ts";
