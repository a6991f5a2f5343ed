export type { Lineage, LineageState, LineageStep } from "./lineage.ts";
export type { FreezeReason, Lineages } from "./lineages.ts";
