// The upstream "self-signed": the authority is its own root. For laptops, tests, and meshes with a root of their own.
// The certificate keeps: CA, keyCertSign and cRLSign, the SPIFFE ID of the trust domain without a
// path, and a subject that no other key has (X-14: a name plus the key id; Go tries every root with the same subject).
import {
  algorithmIdentifier,
  authorityKeyIdExtension,
  basicConstraintsExtension,
  encodeCertificate,
  encodeName,
  encodeTbsCertificate,
  keyIdentifier,
  keyUsageExtension,
  subjectAltNameExtension,
  subjectKeyIdExtension,
  toHex,
} from "../../x509/index.ts";
import type { OnlineUpstream, UpstreamAnswer, UpstreamRequest } from "./upstream.ts";

/** X.520: a common name or organization has at most 64 characters. */
const MAX_NAME_CHARACTERS = 64;

/** Makes authorities that are their own trust anchors. */
export const selfSignedUpstream: OnlineUpstream = {
  kind: "self-signed",
  answersAtOnce: true,

  async certify(request: UpstreamRequest): Promise<UpstreamAnswer> {
    const keyId = keyIdentifier(request.publicKey);
    const subject = authorityName(request.trustDomain.name, keyId);
    const now = Math.floor(request.now / 1000) * 1000;
    const serial = new Uint8Array(17);
    serial[0] = request.replica;
    serial.set(request.random.bytes(16), 1);
    const tbs = encodeTbsCertificate({
      serial,
      signatureAlgorithm: request.algorithm,
      issuer: subject,
      notBefore: now - request.clockSkewSeconds * 1000,
      notAfter: now + request.lifetimeSeconds * 1000,
      subject,
      spki: request.publicKey.spki,
      extensions: [
        // It signs leaves only: no certificate authority below it.
        basicConstraintsExtension({ ca: true, pathLength: 0, critical: true }),
        keyUsageExtension(["keyCertSign", "cRLSign"]),
        subjectAltNameExtension([{ kind: "uri", value: request.trustDomain.id }], false),
        subjectKeyIdExtension(keyId),
        authorityKeyIdExtension(keyId),
      ],
    });
    const signature = await request.recordThenSign({ kind: "certificate", bytes: tbs });
    const certificate = encodeCertificate(tbs, algorithmIdentifier(request.algorithm), signature);
    return { certificate, intermediates: [], anchor: certificate };
  },
};

/** The subject of an authority: its trust domain for people, and a common name with the key id, which makes it unique. */
export function authorityName(trustDomain: string, keyId: Uint8Array): Uint8Array {
  return encodeName({
    organization: trustDomain.slice(0, MAX_NAME_CHARACTERS),
    commonName: `mesh-ca authority ${toHex(keyId)}`,
  });
}
