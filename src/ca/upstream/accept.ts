// What an upstream answered is believed only after this (spec/enterprise-pki.md, "Before any upstream answer is accepted").
// Every refusal names the certificate, the rule, what was found and what was expected.
import { checkAuthorityCertificate, type TrustDomain } from "../../spiffe/index.ts";
import {
  bytesEqual,
  type Certificate,
  isEmptyName,
  nameToString,
  oid,
  parseCertificate,
  validatePath,
  verifySignature,
} from "../../x509/index.ts";
import { UpstreamError } from "./errors.ts";
import type { Finding } from "./finding.ts";
import type { DnsGrant } from "./name-permissions.ts";
import type { UpstreamAnswer } from "./upstream.ts";

/** What the answer must fit. */
export interface AcceptanceTerms {
  /** SHA-256 of the SubjectPublicKeyInfo of the key that we hold, lower-case hex. */
  readonly spkiSha256: string;
  readonly trustDomain: TrustDomain;
  /** Unix milliseconds. */
  readonly now: number;
  /** DNS names that rules may grant: name constraints must permit them all. */
  readonly dnsGrants: readonly DnsGrant[];
  /** Throws, with the arithmetic, where an authority whose path ends then (Unix milliseconds) could not be rotated. */
  checkLifetime?(endsAt: number): void;
}

/** An authority certificate that may be used, with its path in order. */
export interface AcceptedAuthority {
  readonly certificate: Certificate;
  /** Nearest first, without the anchor. */
  readonly intermediates: readonly Certificate[];
  readonly anchor: Certificate;
}

export type Judgement =
  | {
      readonly kind: "accepted";
      readonly authority: AcceptedAuthority;
      /** None of them an error. */
      readonly warnings: readonly Finding[];
    }
  /** Everything that is wrong, and the warnings. */
  | { readonly kind: "refused"; readonly findings: readonly Finding[] };

/** Judges an upstream's answer by every rule, so that nobody has to come back for the next one. */
export function judgeUpstreamAnswer(answer: UpstreamAnswer, terms: AcceptanceTerms): Judgement {
  return { kind: "accepted", authority: acceptUpstreamAnswer(answer, terms), warnings: [] };
}

/**
 * Checks an upstream's answer.
 * @throws UpstreamError MCA_UPSTREAM_CERTIFICATE_REFUSED
 */
export function acceptUpstreamAnswer(answer: UpstreamAnswer, terms: AcceptanceTerms): AcceptedAuthority {
  try {
    const certificate = parseCertificate(answer.certificate);
    const anchor = parseCertificate(answer.anchor);
    const intermediates = answer.intermediates.map((der) => parseCertificate(der));
    requireOurKey(certificate, terms.spkiSha256);
    requireSigningCertificate(certificate, terms.trustDomain);
    return { certificate, intermediates: orderPath(certificate, intermediates, anchor, terms.now), anchor };
  } catch (error) {
    if (error instanceof UpstreamError) throw error;
    throw new UpstreamError(
      "MCA_UPSTREAM_CERTIFICATE_REFUSED",
      `The certificate that the upstream gave for our authority is not acceptable: ${error instanceof Error ? error.message : "unknown reason"}`,
      { cause: error },
    );
  }
}

function requireOurKey(certificate: Certificate, spkiSha256: string): void {
  const found = certificate.publicKey.spkiSha256;
  if (found !== spkiSha256) throw refused(certificate, "it is for the key that we hold", found, spkiSha256);
}

function requireSigningCertificate(certificate: Certificate, trustDomain: TrustDomain): void {
  const { basicConstraints, keyUsage, extendedKeyUsage } = certificate;
  if (basicConstraints?.ca !== true) throw refused(certificate, "X-4", "no CA", "basicConstraints with cA=true");
  if (!basicConstraints.critical) throw refused(certificate, "RFC 5280 4.2.1.9", "not critical", "critical");
  if (keyUsage?.critical !== true) throw refused(certificate, "X-5", "no critical key usage", "a critical key usage");
  for (const usage of ["keyCertSign", "cRLSign"] as const) {
    if (!keyUsage.usages.has(usage)) throw refused(certificate, "X-8", `a key usage without ${usage}`, usage);
  }
  if (isEmptyName(certificate.subject)) throw refused(certificate, "RFC 5280 4.1.2.6", "an empty subject", "a name");
  if (certificate.subjectKeyId === undefined) throw refused(certificate, "X-14", "no subject key identifier", "one");
  const purposes = extendedKeyUsage?.purposes;
  for (const purpose of [oid.serverAuth, oid.clientAuth]) {
    if (purposes !== undefined && !purposes.includes(purpose)) {
      throw refused(certificate, "X-9", "an extended key usage that forbids our leaves", "serverAuth and clientAuth");
    }
  }
  checkAuthorityCertificate(certificate, trustDomain);
}

/** Validates the path (RFC 5280 6.1: signatures, SHA-2, key strength, path lengths, constraints) and puts it in order. */
function orderPath(
  certificate: Certificate,
  intermediates: readonly Certificate[],
  anchor: Certificate,
  now: number,
): readonly Certificate[] {
  if (bytesEqual(certificate.der, anchor.der)) {
    if (intermediates.length > 0) {
      throw refused(certificate, "chain", "intermediates of a self-signed authority", "none");
    }
    if (now < certificate.notBefore || now > certificate.notAfter) {
      throw refused(certificate, "validity", "a certificate that is not valid now", "one that is");
    }
    verifySignature(certificate.publicKey, certificate.signatureAlgorithm, certificate.tbs, certificate.signature);
    return [];
  }
  const { path } = validatePath({
    chain: [certificate, ...intermediates],
    anchors: [anchor],
    time: now,
    target: "ca",
    purposes: ["serverAuth", "clientAuth"],
  });
  return path.slice(1, -1);
}

function refused(certificate: Certificate, rule: string, found: string, expected: string): UpstreamError {
  const name = nameToString(certificate.subject);
  return new UpstreamError(
    "MCA_UPSTREAM_CERTIFICATE_REFUSED",
    `The certificate "${name}" is not acceptable (${rule}): found ${found}; expected ${expected}.`,
    { details: { certificate: name, rule, found, expected } },
  );
}
