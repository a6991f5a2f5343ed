// The certificate authority. Knows no transport.
export * from "./authority/index.ts";
export * from "./bundle/index.ts";
export * from "./issuance/index.ts";
export * from "./keys/index.ts";
export * from "./ledger/index.ts";
export * from "./lineage/index.ts";
export * from "./store/index.ts";
export * from "./upstream/index.ts";
export * from "./upstream-watch/index.ts";
