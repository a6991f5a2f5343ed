// The forms in which people bring certificates: PEM, with text around it, DER, PKCS#7 (RFC 2315: a SignedData without signers), and what
// they bring by mistake: a PKCS#12 file (RFC 7292, without a MAC), a private key, a request.
import {
  derContext,
  derExplicit,
  derOctetString,
  derOid,
  derSequence,
  derSet,
  derSmallInteger,
  encodePem,
} from "../src/x509/index.ts";
import { chainPem, type TestCertificate } from "../test/support/pki.ts";
import { WARNING } from "./keys.ts";

const OID = {
  data: "1.2.840.113549.1.7.1",
  signedData: "1.2.840.113549.1.7.2",
  keyBag: "1.2.840.113549.1.12.10.1.1",
  certBag: "1.2.840.113549.1.12.10.1.3",
  x509Certificate: "1.2.840.113549.1.9.22.1",
} as const;

const text = (content: string): Uint8Array => new TextEncoder().encode(content);

/** Text under a line that says that this is a sample. */
export const sampleText = (content: string): Uint8Array => text(`# ${WARNING}\n${content}`);

/** PEM blocks one after the other,. */
export function pem(...certificates: readonly TestCertificate[]): Uint8Array {
  return sampleText(chainPem(...certificates));
}

/** PEM as mail programs and Windows leave it: a word before each certificate, CR LF at the line ends. */
export function pemWithText(...certificates: readonly TestCertificate[]): Uint8Array {
  const blocks = certificates.map(
    ({ pem: block, certificate }, i) => `Certificate ${i + 1}, serial ${certificate.serialHex}:\n\n${block}\n`,
  );
  return text(`${WARNING}\n\n${blocks.join("")}Kind regards,\nthe PKI team\n`.replaceAll("\n", "\r\n"));
}

/** A "degenerate" SignedData: certificates and nothing else. */
export function pkcs7(...certificates: readonly TestCertificate[]): Uint8Array {
  const signedData = derSequence(
    derSmallInteger(1),
    derSet(),
    derSequence(derOid(OID.data)),
    derContext(0, Buffer.concat(certificates.map(({ der }) => der)), true),
    derSet(),
  );
  return derSequence(derOid(OID.signedData), derExplicit(0, signedData));
}

/** The same in PEM. */
export function pkcs7Pem(...certificates: readonly TestCertificate[]): Uint8Array {
  return sampleText(encodePem("PKCS7", pkcs7(...certificates)));
}

/** A PKCS#12 file with a certificate and its private key, which nobody should send. */
export function pkcs12(certificate: TestCertificate): Uint8Array {
  const key = certificate.key.export({ type: "pkcs8", format: "der" });
  const keyBag = derSequence(derOid(OID.keyBag), derExplicit(0, key));
  const x509 = derSequence(derOid(OID.x509Certificate), derExplicit(0, derOctetString(certificate.der)));
  const certBag = derSequence(derOid(OID.certBag), derExplicit(0, x509));
  const safe = contentInfo(derSequence(keyBag, certBag));
  return derSequence(derSmallInteger(3), contentInfo(derSequence(safe)));
}

function contentInfo(content: Uint8Array): Uint8Array {
  return derSequence(derOid(OID.data), derExplicit(0, derOctetString(content)));
}

/** Certificates with the private key of the first one among them. */
export function pemWithKey(first: TestCertificate, ...others: readonly TestCertificate[]): Uint8Array {
  return sampleText(`${first.pem}${first.keyPem}${chainPem(...others)}`);
}
