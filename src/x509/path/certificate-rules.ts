// The rules that one certificate of a path must keep by itself, whatever the rest of the path is: validity, algorithms,
// key strength, critical extensions, and being a CA (or not). RFC 5280 sections 6.1.3 (a)(2) and 6.1.4 (k), (n), (o).

import type { PathError } from "../errors.ts";
import { isEmptyName } from "../name.ts";
import type { Certificate, PublicKeyInfo } from "../types.ts";
import { extensionErrors } from "./extension-rules.ts";
import { broken, throwFirst } from "./finding.ts";
import { isOnCurve } from "./on-curve.ts";

const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;
/** What Go verifies with; a larger one makes verifying slow, and no CA has one. */
const MAX_RSA_EXPONENT = 0x7fff_ffffn;
const CURVES: ReadonlySet<string> = new Set(["P-256", "P-384", "P-521"]);

// To say "SHA-1" where that is the reason; nothing is decided by these names.
const REFUSED_ALGORITHMS = new Map<string, string>([
  ["1.2.840.113549.1.1.4", "RSA with MD5"],
  ["1.2.840.113549.1.1.5", "RSA with SHA-1"],
  ["1.2.840.10045.4.1", "ECDSA with SHA-1"],
  ["1.2.840.10040.4.3", "DSA with SHA-1"],
  ["1.2.840.113549.1.1.10", "RSASSA-PSS with parameters other than one SHA-2 hash and a salt of its length"],
]);

const iso = (unixMs: number): string => new Date(unixMs).toISOString();

/** What every certificate of a path must keep, the anchor too. @throws PathError */
export function checkAnyCertificate(certificate: Certificate, time: number): void {
  throwFirst(anyCertificateErrors(certificate, time));
}

/** All that checkAnyCertificate refuses a certificate for. */
export function* anyCertificateErrors(certificate: Certificate, time: number): Generator<PathError> {
  if (time < certificate.notBefore) {
    yield broken("not-yet-valid", certificate, `notBefore ${iso(certificate.notBefore)}`, `a time before ${iso(time)}`);
  }
  if (time > certificate.notAfter) {
    yield broken("expired", certificate, `notAfter ${iso(certificate.notAfter)}`, `a time after ${iso(time)}`);
  }
  const { oid, name } = certificate.signatureAlgorithm;
  if (name === "other") {
    const found = REFUSED_ALGORITHMS.get(oid) ?? oid;
    yield broken("signature-algorithm", certificate, found, "ECDSA, RSA or RSASSA-PSS with SHA-2, or Ed25519");
  }
  if (isEmptyName(certificate.issuer)) yield broken("issuer-name", certificate, "an empty issuer", "an issuer's name");
  for (const unknown of certificate.unknownCritical) {
    yield broken("unknown-critical-extension", certificate, unknown, "no critical extension that is not understood");
  }
  yield* extensionErrors(certificate);
  const weakness = weaknessOf(certificate.publicKey);
  if (weakness !== undefined) {
    yield broken("key-strength", certificate, weakness, "P-256, P-384, P-521, Ed25519 or RSA of 2048 to 8192 bits");
  }
}

/** Why a key must not be relied on, or undefined. */
function weaknessOf({ algorithm }: PublicKeyInfo): string | undefined {
  switch (algorithm.kind) {
    case "ed25519":
      return undefined;
    case "ec":
      return CURVES.has(algorithm.curve) ? undefined : `the curve ${algorithm.curve}`;
    case "rsa": {
      const { modulusBits, exponent } = algorithm;
      if (modulusBits < MIN_RSA_BITS || modulusBits > MAX_RSA_BITS) return `RSA of ${modulusBits} bits`;
      return exponent >= 3n && exponent <= MAX_RSA_EXPONENT && exponent % 2n === 1n
        ? undefined
        : `the RSA exponent ${exponent}`;
    }
    case "other":
      return `a key of the algorithm ${algorithm.oid}`;
  }
}

/** What a certificate must keep whose key verifies other certificates. @throws PathError */
export function checkIssuingCertificate(certificate: Certificate): void {
  throwFirst(issuingCertificateErrors(certificate));
}

/** All that checkIssuingCertificate refuses a certificate for. */
export function* issuingCertificateErrors(certificate: Certificate): Generator<PathError> {
  if (certificate.basicConstraints?.ca !== true) {
    const found = certificate.basicConstraints === undefined ? "no basic constraints" : "cA FALSE";
    yield broken("basic-constraints", certificate, found, "a CA certificate (basic constraints with cA TRUE)");
  }
  if (certificate.keyUsage !== undefined && !certificate.keyUsage.usages.has("keyCertSign")) {
    yield broken("key-usage", certificate, [...certificate.keyUsage.usages].join(", "), "keyCertSign");
  }
  if (isEmptyName(certificate.subject)) {
    yield broken("issuer-name", certificate, "an empty subject", "a CA certificate with a subject");
  }
}

/** What the first certificate of a path must keep where it shall identify an end entity. */
export function checkEndEntityCertificate(certificate: Certificate, purposes: boolean): void {
  if (certificate.basicConstraints?.ca === true) {
    throw broken("basic-constraints", certificate, "a CA certificate", "an end-entity certificate");
  }
  // Whoever verifies with a key finds out by itself; the key of the first certificate nobody has used yet.
  if (!isOnCurve(certificate.publicKey)) {
    throw broken("key-strength", certificate, "a point that is not on its curve", "an elliptic curve key");
  }
  const usages = certificate.keyUsage?.usages;
  if (usages?.has("keyCertSign") === true) {
    throw broken("key-usage", certificate, "keyCertSign", "an end-entity certificate that signs no certificates");
  }
  if (purposes && usages !== undefined && !usages.has("digitalSignature")) {
    throw broken("key-usage", certificate, [...usages].join(", "), "digitalSignature, which TLS 1.3 needs");
  }
  if (certificate.nameConstraints !== undefined) {
    throw broken("name-constraints", certificate, "name constraints", "name constraints in CA certificates only");
  }
}
