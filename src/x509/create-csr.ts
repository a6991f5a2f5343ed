// The writer of certification requests (PKCS#10, RFC 2986): `createCsr` for the SDK, and the two halves around a signature
// that somebody else makes, for `mesh-ca authority csr`.
import type { KeyObject } from "node:crypto";
import { derBitString, derContext, derOid, derSequence, derSet, derSmallInteger } from "./der/writer.ts";
import { subjectAltNameExtension } from "./encode-extensions.ts";
import { encodeName } from "./name.ts";
import { oid } from "./oids.ts";
import { defaultSignatureAlgorithm, publicKeyOf, signBytes } from "./sign.ts";
import { algorithmIdentifier } from "./signature-algorithm.ts";
import type { GeneralName } from "./types.ts";

export interface CsrFields {
  /** Common name of the subject; the subject is empty if absent. */
  readonly subject?: string | undefined;
  readonly uriSans?: readonly string[] | undefined;
  readonly dnsSans?: readonly string[] | undefined;
  /** The private key that the request is for; it signs the request. P-256, P-384, P-521, RSA or Ed25519. */
  readonly key: KeyObject;
}

/** A signed certification request, DER. */
export function createCsr(fields: CsrFields): Uint8Array {
  const publicKey = publicKeyOf(fields.key);
  const algorithm = defaultSignatureAlgorithm(publicKey);
  const names: GeneralName[] = [
    ...(fields.uriSans ?? []).map((value) => ({ kind: "uri", value }) as const),
    ...(fields.dnsSans ?? []).map((value) => ({ kind: "dns", value }) as const),
  ];
  const info = encodeCertificationRequestInfo({
    subject: encodeName(fields.subject === undefined ? {} : { commonName: fields.subject }),
    spki: publicKey.spki,
    extensions: names.length > 0 ? [subjectAltNameExtension(names, fields.subject === undefined)] : [],
  });
  return encodeCertificationRequest(info, algorithmIdentifier(algorithm), signBytes(fields.key, algorithm, info));
}

/** A CertificationRequestInfo, DER: the bytes to be signed. `extensions` go into one extensionRequest attribute (RFC 2985). */
export function encodeCertificationRequestInfo(fields: {
  /** Name, DER. */
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** Each a complete Extension. */
  readonly extensions: readonly Uint8Array[];
}): Uint8Array {
  const attributes =
    fields.extensions.length === 0
      ? new Uint8Array()
      : derSequence(derOid(oid.extensionRequest), derSet(derSequence(...fields.extensions)));
  return derSequence(derSmallInteger(0), fields.subject, fields.spki, derContext(0, attributes, true));
}

/** The request, DER, from the bytes that were signed. */
export function encodeCertificationRequest(
  info: Uint8Array,
  signatureAlgorithmDer: Uint8Array,
  signature: Uint8Array,
): Uint8Array {
  return derSequence(info, signatureAlgorithmDer, derBitString(signature));
}
