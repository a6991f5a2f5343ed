// Two foreign readers of one certificate: OpenSSL (through node:crypto) and @peculiar/x509. Neither shares code with the
// writer, the lint or the reader of this project. OpenSSL shows neither key usage bits nor critical flags, so those come
// from @peculiar/x509 alone.
import { X509Certificate as OpenSslCertificate } from "node:crypto";
import "reflect-metadata";
import { Crypto } from "@peculiar/webcrypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsagesExtension,
  X509Certificate as PeculiarCertificate,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
} from "@peculiar/x509";

/** The WebCrypto that @peculiar/x509 verifies with: its makers' own, so that no default of this runtime has a say. */
const crypto = new Crypto();

/** What a reader sees of a leaf, in one form so that readers can be compared. */
export interface Reading {
  /** Lower-case hex without leading zeros. */
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** SubjectPublicKeyInfo, lower-case hex. */
  readonly spki: string;
  readonly isCa: boolean;
}

/** What only @peculiar/x509 shows. */
export interface PeculiarReading extends Reading {
  readonly keyUsage: { readonly critical: boolean; readonly flags: number } | undefined;
  readonly sanCritical: boolean;
  readonly basicConstraintsCritical: boolean;
  readonly purposes: readonly string[];
  readonly subjectEmpty: boolean;
  readonly subjectKeyId: string | undefined;
  readonly authorityKeyId: string | undefined;
}

function withoutLeadingZeros(hex: string): string {
  return hex.toLowerCase().replace(/^(?:00)+/, "");
}

/** Reads with OpenSSL, and verifies the signature under `issuerDer` with it. @throws Error when OpenSSL refuses. */
export function readWithOpenSsl(der: Uint8Array, issuerDer: Uint8Array): Reading {
  const certificate = new OpenSslCertificate(der);
  const issuer = new OpenSslCertificate(issuerDer);
  if (!certificate.checkIssued(issuer)) throw new Error("OpenSSL: the certificate does not name its issuer");
  if (!certificate.verify(issuer.publicKey))
    throw new Error("OpenSSL: the signature does not verify under the authority");
  const names = (certificate.subjectAltName ?? "").split(", ");
  const withPrefix = (prefix: string): string[] =>
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  return {
    serial: withoutLeadingZeros(certificate.serialNumber),
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    uris: withPrefix("URI:"),
    dnsNames: withPrefix("DNS:"),
    spki: certificate.publicKey.export({ type: "spki", format: "der" }).toString("hex"),
    isCa: certificate.ca,
  };
}

/** Reads with @peculiar/x509. @throws Error when it refuses. */
export function readWithPeculiar(der: Uint8Array): PeculiarReading {
  const certificate = new PeculiarCertificate(Uint8Array.from(der));
  const san = certificate.getExtension(SubjectAlternativeNameExtension);
  const constraints = certificate.getExtension(BasicConstraintsExtension);
  const usage = certificate.getExtension(KeyUsagesExtension);
  const names = san?.names.toJSON() ?? [];
  const ofType = (type: string): string[] => names.filter((name) => name.type === type).map((name) => name.value);
  return {
    serial: withoutLeadingZeros(certificate.serialNumber),
    notBefore: certificate.notBefore.getTime(),
    notAfter: certificate.notAfter.getTime(),
    uris: ofType("url"),
    dnsNames: ofType("dns"),
    spki: Buffer.from(certificate.publicKey.rawData).toString("hex"),
    isCa: constraints?.ca ?? false,
    keyUsage: usage === null ? undefined : { critical: usage.critical, flags: usage.usages },
    sanCritical: san?.critical ?? false,
    basicConstraintsCritical: constraints?.critical ?? false,
    purposes: (certificate.getExtension(ExtendedKeyUsageExtension)?.usages ?? []).map(String),
    subjectEmpty: certificate.subject === "",
    subjectKeyId: certificate.getExtension(SubjectKeyIdentifierExtension)?.keyId,
    authorityKeyId: certificate.getExtension(AuthorityKeyIdentifierExtension)?.keyId,
  };
}

/** Verifies the signature under `issuerDer` with @peculiar/x509. @throws Error when it does not hold */
export async function verifyWithPeculiar(der: Uint8Array, issuerDer: Uint8Array): Promise<void> {
  const issuer = new PeculiarCertificate(Uint8Array.from(issuerDer));
  const certificate = new PeculiarCertificate(Uint8Array.from(der));
  const holds = await certificate.verify({ publicKey: issuer.publicKey, signatureOnly: true }, crypto);
  if (!holds) throw new Error("@peculiar/x509: the signature does not verify under the authority");
}
