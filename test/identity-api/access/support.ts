// Callers for tests of access.
import type { Caller } from "../../../src/identity-api/access/index.ts";
import { AttestError, type PeerVerdict } from "../../../src/identity-api/attest/index.ts";
import type { Role } from "../../../src/identity-api/registry/index.ts";
import { TrustDomain, type TrustSet, X509SvidVerifier } from "../../../src/spiffe/index.ts";
import { createLeaf, createRoot } from "../../support/pki.ts";

const root = createRoot();
export const leaf = createLeaf(root, { spiffeId: "spiffe://example.test/admin" });
const trust: TrustSet = {
  trustDomain: TrustDomain.parse("example.test"),
  anchors: [root.certificate],
  authorities: [root.certificate],
  intermediates: [],
  distrustedSpkis: new Set(),
  revocations: [],
  sequence: 1n,
  revision: 1n,
  refreshHintSeconds: 300,
};
const svid = new X509SvidVerifier(trust).verify([leaf.certificate], Date.now());

export const anonymous: Caller = { verdict: { kind: "anonymous" }, roles: new Set(), development: false };

export const verdicts: Readonly<Record<PeerVerdict["kind"], PeerVerdict>> = {
  anonymous: { kind: "anonymous" },
  local: { kind: "local" },
  svid: { kind: "svid", svid },
  "expired-svid": { kind: "expired-svid", svid, expiredAt: leaf.certificate.notAfter },
  enterprise: {
    kind: "enterprise",
    attestor: "corp",
    path: { path: [leaf.certificate, root.certificate] },
    attributes: new Map([["corp.commonName", "db1"]]),
    requester: "x509:corp:01",
  },
  refused: { kind: "refused", error: new AttestError("MCA_PEER_REFUSED", "This certificate is not accepted.") },
};

export function caller(kind: PeerVerdict["kind"], roles: readonly Role[] = [], rest: Partial<Caller> = {}): Caller {
  return { verdict: verdicts[kind], roles: new Set(roles), development: false, ...rest };
}
