// What a file is that is not a readable certificate, for the sentence that says so. Nothing is decided by it but one thing:
// what looks like a private key is refused before anybody reads on. It works on the outermost tags only.
import { DerReader, oid, parseCsr, tag, X509Error } from "../../x509/index.ts";

/** What DER octets are, by their outermost structure. */
export type DerKind =
  | "certificate"
  | "pkcs7"
  | "other-cms"
  | "csr"
  | "crl"
  | "public-key"
  | "private-key"
  | "pkcs12"
  | "unknown";

const PKCS12_VERSION = 3;
/** id-signedData and its siblings, PKCS#7 and CMS. */
const CMS_TYPES = "1.2.840.113549.1.7.";
const SEQUENCE: number = tag.sequence;

/** Recognises one DER (or BER) element. Never throws. */
export function derKind(bytes: Uint8Array): DerKind {
  try {
    return recognise(bytes);
  } catch (error) {
    if (error instanceof X509Error) return "unknown";
    throw error;
  }
}

function recognise(bytes: Uint8Array): DerKind {
  const first = outermost(bytes);
  if (first === undefined) return "unknown";
  switch (first.nextTag) {
    case tag.oid: {
      const type = first.oid("a type");
      return type === oid.signedData ? "pkcs7" : type.startsWith(CMS_TYPES) ? "other-cms" : "unknown";
    }
    case tag.integer: {
      // PKCS#12 is version 3; PKCS#1, SEC 1 and PKCS#8 keys are versions 0 to 2.
      return first.smallInteger("a version") === PKCS12_VERSION ? "pkcs12" : "private-key";
    }
    case tag.sequence:
      return recogniseSigned(bytes, first);
    default:
      return "unknown";
  }
}

/** What follows the header of the outermost SEQUENCE, of whatever length: a key that was cut off is still a key. */
function outermost(bytes: Uint8Array): DerReader | undefined {
  if (bytes[0] !== SEQUENCE) return undefined;
  const length = bytes[1] ?? 0;
  return new DerReader(bytes, length > 0x80 ? 2 + (length & 0x7f) : 2);
}

/** A signed structure (certificate, request, CRL), a public key, or an encrypted private key: SEQUENCE first. */
function recogniseSigned(bytes: Uint8Array, outer: DerReader): DerKind {
  const inner = outer.enter(tag.sequence, "the first element");
  if (inner.nextTag === tag.oid) return outer.nextTag === tag.octetString ? "private-key" : "public-key";
  if (inner.nextTag === tag.explicit(0)) return "certificate";
  if (isCsr(bytes)) return "csr";
  if (inner.nextTag === tag.integer) inner.unsigned("a version or a serial number");
  inner.element(tag.sequence, "an algorithm or a name");
  inner.element(tag.sequence, "a name");
  // A certificate of version 1 has its validity here, a CRL the time of its making.
  return inner.nextTag === tag.sequence ? "certificate" : "crl";
}

function isCsr(bytes: Uint8Array): boolean {
  try {
    parseCsr(bytes, { maxBytes: bytes.length });
    return true;
  } catch {
    return false;
  }
}

/** What somebody can do about a file that is no certificate. `name` is shown already. */
export const KIND_SENTENCES: Readonly<Record<Exclude<DerKind, "certificate" | "pkcs7" | "private-key">, string>> = {
  "other-cms":
    "is a CMS message that carries no certificates (encrypted or plain data). Ask for the certificates as PEM, DER or PKCS#7",
  csr: "is a certificate request (PKCS#10), not a certificate. Import what the CA answered to it",
  crl: "is a revocation list (CRL), not a certificate. Leave it out",
  "public-key": "is a bare public key, not a certificate. Import the certificate that the CA issued",
  pkcs12:
    "is a PKCS#12 file, which may hold a private key. Take the certificates out where the file belongs, and import those: openssl pkcs12 -in FILE -nokeys -out certificates.pem",
  unknown: "is neither a certificate nor a PKCS#7 bundle that can be read. Ask for PEM, DER or PKCS#7",
};

/** A word about text that holds no PEM block. */
export function textSentence(text: string): string {
  const start = text.trimStart().slice(0, 200).toLowerCase();
  if (start === "") return "is empty";
  if (/^<(!doctype|html|head|body|\?xml)/.test(start)) {
    return "is a web page, not a certificate: perhaps the log-in page of the CA instead of the download";
  }
  if (/^[{[]\s*["{[]/.test(start)) {
    return "is JSON, not a certificate. Take the PEM text out of it, for example: jq -r '.data.certificate, .data.issuing_ca'";
  }
  if (/^mii[a-z0-9+/\s]+=*\s*$/.test(start)) {
    return "is base64 without BEGIN and END lines. Decode it first: base64 -d FILE > certificate.der";
  }
  return "contains neither a PEM block (a line that begins with -----BEGIN) nor DER. Ask for PEM, DER or PKCS#7";
}
