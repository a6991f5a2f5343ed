// A request for an authority's certificate, with a key of its own, for tests of upstreams. It keeps what was recorded.
import { PrivateKeyHandle } from "../../../src/ca/keys/private-key-handle.ts";
import type { RecordedSigning, UpstreamRequest } from "../../../src/ca/upstream/index.ts";
import { systemRandom } from "../../../src/runtime/index.ts";
import { parseSubjectPublicKeyInfo } from "../../../src/x509/index.ts";
import { freshKey, type TestKeyKind } from "../../support/pki.ts";
import { NOW, TRUST_DOMAIN } from "../issuance/materials.ts";

export interface TestRequest {
  readonly request: UpstreamRequest;
  readonly signer: PrivateKeyHandle;
  /** In the order of recording; "signed" after each that the authority's key signed. */
  readonly recorded: (RecordedSigning | "signed")[];
}

export function makeRequest(changes: Partial<UpstreamRequest> = {}, kind: TestKeyKind = "ec-p256"): TestRequest {
  const signer = new PrivateKeyHandle(freshKey(kind));
  const recorded: (RecordedSigning | "signed")[] = [];
  const request: UpstreamRequest = {
    trustDomain: TRUST_DOMAIN,
    replica: 1,
    publicKey: parseSubjectPublicKeyInfo(signer.spki),
    algorithm: signer.algorithm,
    now: NOW,
    lifetimeSeconds: 604_800,
    clockSkewSeconds: 60,
    random: systemRandom,
    async recordThenSign(signing) {
      recorded.push(signing);
      const signature = await signer.sign(signing.bytes);
      recorded.push("signed");
      return signature;
    },
    async record(signing) {
      recorded.push(signing);
    },
    ...changes,
  };
  return { request, signer, recorded };
}
