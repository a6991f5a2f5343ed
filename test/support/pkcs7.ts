// PKCS#7 envelopes of certificates for tests: certs-only, in DER as openssl and Windows write them, and in BER with indefinite
// lengths as Bouncy Castle (EJBCA) does.
import { derContext, derExplicit, derOid, derSequence, derSet, derSmallInteger } from "../../src/x509/index.ts";

const SIGNED_DATA = "1.2.840.113549.1.7.2";
const DATA = "1.2.840.113549.1.7.1";

interface Envelope {
  /** Each DER. */
  readonly certificates: readonly Uint8Array[];
  readonly crls?: readonly Uint8Array[];
  readonly type?: string;
}

const crlsOf = ({ crls = [] }: Envelope): Uint8Array[] =>
  crls.length === 0 ? [] : [derContext(1, Buffer.concat(crls), true)];

/** DER. */
export function pkcs7(envelope: Envelope): Uint8Array {
  const signedData = derSequence(
    derSmallInteger(1),
    derSet(),
    derSequence(derOid(DATA)),
    derContext(0, Buffer.concat(envelope.certificates), true),
    ...crlsOf(envelope),
    derSet(),
  );
  return derSequence(derOid(envelope.type ?? SIGNED_DATA), derExplicit(0, signedData));
}

/** The same, every level above the certificates of indefinite length. */
export function pkcs7Ber(envelope: Envelope): Uint8Array {
  const indefinite = (tag: number, ...parts: readonly Uint8Array[]): Uint8Array =>
    Buffer.concat([Uint8Array.of(tag, 0x80), ...parts, Uint8Array.of(0, 0)]);
  const signedData = indefinite(
    0x30,
    derSmallInteger(1),
    derSet(),
    indefinite(0x30, derOid(DATA)),
    indefinite(0xa0, ...envelope.certificates),
    ...crlsOf(envelope),
    derSet(),
  );
  return indefinite(0x30, derOid(envelope.type ?? SIGNED_DATA), indefinite(0xa0, signedData));
}
