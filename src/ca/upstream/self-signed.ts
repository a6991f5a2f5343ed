// The upstream "self-signed": the authority is its own root. For laptops, tests, and meshes with a root of their own.
import { algorithmIdentifier, encodeCertificate, encodeTbsCertificate, keyIdentifier } from "../../x509/index.ts";
import { authorityExtensions, authorityName, authoritySerial } from "./authority-template.ts";
import type { OnlineUpstream, UpstreamAnswer, UpstreamRequest } from "./upstream.ts";

/** Makes authorities that are their own trust anchors. */
export const selfSignedUpstream: OnlineUpstream = {
  kind: "self-signed",
  answersAtOnce: true,

  async certify(request: UpstreamRequest): Promise<UpstreamAnswer> {
    const keyId = keyIdentifier(request.publicKey);
    const subject = authorityName(request.trustDomain, keyId);
    const now = Math.floor(request.now / 1000) * 1000;
    const tbs = encodeTbsCertificate({
      serial: authoritySerial(request),
      signatureAlgorithm: request.algorithm,
      issuer: subject,
      notBefore: now - request.clockSkewSeconds * 1000,
      notAfter: now + request.lifetimeSeconds * 1000,
      subject,
      spki: request.publicKey.spki,
      extensions: authorityExtensions(request.trustDomain, keyId, keyId),
    });
    const signature = await request.recordThenSign({ kind: "certificate", bytes: tbs });
    const certificate = encodeCertificate(tbs, algorithmIdentifier(request.algorithm), signature);
    return { certificate, intermediates: [], anchor: certificate };
  },
};
