export type { Lineage, LineageState, LineageStep } from "./lineage.ts";
export type { Lineages } from "./lineages.ts";
