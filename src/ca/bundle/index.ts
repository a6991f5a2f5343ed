export { buildTrustSet } from "./trust.ts";
