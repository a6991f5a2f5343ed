// The upstream "offline": people carry a certification request (PKCS#10, RFC 2986) to a CA that they keep elsewhere, and bring
// back what it signed. The request asks for what we need, for CAs that copy extensions; what counts is what comes back.
// It is recorded before it is signed (invariant 1).
import {
  algorithmIdentifier,
  basicConstraintsExtension,
  encodeCertificationRequest,
  encodeCertificationRequestInfo,
  keyIdentifier,
  keyUsageExtension,
  subjectKeyIdExtension,
} from "../../x509/index.ts";
import { authorityName } from "./authority-template.ts";
import type { OfflineUpstream, UpstreamRequest } from "./upstream.ts";

/** Makes requests and waits for `authority import`. */
export function offlineUpstream(): OfflineUpstream {
  return { kind: "offline", answersAtOnce: false, request };
}

async function request(of: UpstreamRequest): Promise<{ readonly csr: Uint8Array }> {
  const keyId = keyIdentifier(of.publicKey);
  const info = encodeCertificationRequestInfo({
    subject: authorityName(of.trustDomain, keyId),
    spki: of.publicKey.spki,
    extensions: [
      basicConstraintsExtension({ ca: true, pathLength: 0, critical: true }),
      keyUsageExtension(["keyCertSign", "cRLSign"]),
      subjectKeyIdExtension(keyId),
    ],
  });
  const signature = await of.recordThenSign({ kind: "csr", bytes: info });
  return { csr: encodeCertificationRequest(info, algorithmIdentifier(of.algorithm), signature) };
}
