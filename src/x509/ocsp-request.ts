// OCSP requests for one certificate (RFC 6960 section 4.1), unsigned. The certificate is named by SHA-1 hashes, which is what responders
// in the field know (RFC 5019 section 2.1.1): the hashes only name a key and a name, and signatures with SHA-1 stay refused.
import { hash } from "node:crypto";
import { derExplicit, derInteger, derNull, derOctetString, derOid, derSequence } from "./der/writer.ts";
import { encodeExtension } from "./encode-extensions.ts";
import { oid } from "./oids.ts";
import type { Certificate } from "./types.ts";

/** The hashes that a CertID may be made with. */
export type CertIdHash = "sha1" | "sha256";

/** The hashes of CertID (section 4.1.1): of the issuer's name as the certificate has it, and of the issuer's key bits. */
export function certIdHashes(
  algorithm: CertIdHash,
  certificate: Certificate,
  issuer: Certificate,
): { readonly name: Uint8Array; readonly key: Uint8Array } {
  const name = new Uint8Array(hash(algorithm, certificate.issuer, "buffer"));
  return { name, key: keyHash(algorithm, issuer) };
}

/** Of the contents of the subjectPublicKey BIT STRING. */
export function keyHash(algorithm: CertIdHash, certificate: Certificate): Uint8Array {
  return new Uint8Array(hash(algorithm, certificate.publicKey.keyBits, "buffer"));
}

/**
 * A request, DER.
 * @param nonce RFC 9654: 1 to 128 octets, 32 by its advice; the answer repeats it, or the responder does not know nonces
 */
export function createOcspRequest(question: {
  readonly certificate: Certificate;
  readonly issuer: Certificate;
  readonly nonce?: Uint8Array;
}): Uint8Array {
  const { certificate, issuer, nonce } = question;
  const { name, key } = certIdHashes("sha1", certificate, issuer);
  const certId = derSequence(
    derSequence(derOid(oid.sha1), derNull()),
    derOctetString(name),
    derOctetString(key),
    derInteger(certificate.serial),
  );
  const requests = derSequence(derSequence(certId));
  const extensions =
    nonce === undefined
      ? []
      : [derExplicit(2, derSequence(encodeExtension(oid.ocspNonce, false, derOctetString(nonce))))];
  return derSequence(derSequence(requests, ...extensions));
}
