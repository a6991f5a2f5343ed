// The writer of certificates (RFC 5280 section 4.1). It puts together what it is given: the profile decides, the lint of
// the CA (a second reader that shares no code with this file) checks.
import { derBitStringHead, derExplicit, derInteger, derSequence, derSmallInteger, derTime } from "./der/writer.ts";
import { algorithmIdentifier } from "./signature-algorithm.ts";
import type { KnownSignatureAlgorithm } from "./types.ts";

export interface TbsCertificateFields {
  /** Unsigned big-endian magnitude, at most 20 octets when encoded. */
  readonly serial: Uint8Array;
  readonly signatureAlgorithm: KnownSignatureAlgorithm;
  /** Name, DER: copied byte for byte. */
  readonly issuer: Uint8Array;
  /** Unix milliseconds; cut to whole seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Name, DER: copied byte for byte. */
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo, DER: copied byte for byte. */
  readonly spki: Uint8Array;
  /** Each a complete Extension, in this order. */
  readonly extensions: readonly Uint8Array[];
}

const VERSION_3 = derExplicit(0, derSmallInteger(2));

/** The TBSCertificate, DER: the bytes to be signed. */
export function encodeTbsCertificate(fields: TbsCertificateFields): Uint8Array {
  const parts = [
    VERSION_3,
    derInteger(fields.serial),
    algorithmIdentifier(fields.signatureAlgorithm),
    fields.issuer,
    derSequence(derTime(fields.notBefore), derTime(fields.notAfter)),
    fields.subject,
    fields.spki,
  ];
  if (fields.extensions.length > 0) parts.push(derExplicit(3, derSequence(...fields.extensions)));
  return derSequence(...parts);
}

/** The certificate, DER, from the bytes that were signed. */
export function encodeCertificate(
  tbs: Uint8Array,
  signatureAlgorithmDer: Uint8Array,
  signature: Uint8Array,
): Uint8Array {
  return derSequence(tbs, signatureAlgorithmDer, derBitStringHead(signature.length), signature);
}
