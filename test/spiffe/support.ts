// Trust for tests: one trust domain with an enterprise root, two published authorities under it, and a sibling CA.
import { TrustDomain, type TrustSet } from "../../src/spiffe/index.ts";
import { createIntermediate, createRoot, type TestCertificate } from "../support/pki.ts";
import { trustSet } from "../support/trust-set.ts";

export const trustDomain = TrustDomain.parse("example.test");
export const root = createRoot();
export const authority = createIntermediate(root, { subject: "Authority 1", pathLength: 0 });
export const nextAuthority = createIntermediate(root, { subject: "Authority 2", pathLength: 0 });
/** Another CA of the enterprise, which has nothing to do with the trust domain. */
export const sibling = createIntermediate(root, { subject: "Sibling", pathLength: 0 });

export function trustOf(overrides: Partial<TrustSet> = {}): TrustSet {
  const authorities = [authority.certificate, nextAuthority.certificate];
  return trustSet({ trustDomain, anchors: [root.certificate], authorities }, overrides);
}

export function certificatesOf(...certificates: readonly TestCertificate[]) {
  return certificates.map(({ certificate }) => certificate);
}
