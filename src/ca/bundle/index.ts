export { type BundledAuthority, type BundleFields, buildTrustSet } from "./trust.ts";
