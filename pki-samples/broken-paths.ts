// Samples whose path breaks exactly one rule of "Before any upstream answer is accepted" (enterprise PKI), at the authority or at the
// issuing CA above it, and is good in every other way.
import { sign } from "node:crypto";
import { derContext, derNull, derOid, derSequence, encodeExtension, oid } from "../src/x509/index.ts";
import {
  type ForeignAlgorithm,
  generalNameDer,
  nameConstraintsExtension,
  type TestCertificate,
} from "../test/support/pki.ts";
import { type Certifier, SAMPLES_NOW, type SampleCertificateOptions } from "./certify.ts";
import { type Enterprise, issuingName, MESH_NAME, MESH_SUBJECT, named } from "./enterprise.ts";
import { pem } from "./packaging.ts";
import type { OpenSslExpectation, Sample } from "./sample.ts";

/** A path with one fault. */
interface BrokenPath {
  readonly name: string;
  readonly purpose: string;
  /** The rule, as findings name it, and which certificate they name. */
  readonly rule: string;
  readonly at?: "issuing";
  readonly openssl: OpenSslExpectation;
  /** What is different about the authority. */
  readonly authority?: Partial<SampleCertificateOptions>;
  /** What is different about the issuing CA, which is one of its own then. */
  readonly issuing?: Partial<SampleCertificateOptions>;
  readonly under?: "rsa";
}

const EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4";
const SAMPLE_POLICY = "1.3.6.1.4.1.32473.1";
const SAMPLE_EXTENSION = "1.3.6.1.4.1.32473.2";
const HOUR_MS = 3_600_000;

/** RSA with SHA-1: src/x509 does not write it. */
const sha1WithRsa: ForeignAlgorithm = {
  der: derSequence(derOid("1.2.840.113549.1.1.5"), derNull()),
  sign: (key, tbs) => new Uint8Array(sign("sha1", tbs, key)),
};

/** requireExplicitPolicy [0] with 0 certificates to go: from here on every certificate must assert a policy. */
const requireExplicitPolicy = encodeExtension(
  oid.policyConstraints,
  true,
  derSequence(derContext(0, Uint8Array.of(0), false)),
);
const samplePolicy = encodeExtension(oid.certificatePolicies, false, derSequence(derSequence(derOid(SAMPLE_POLICY))));
const { uri, dns } = generalNameDer;
const permitted = (...names: readonly Uint8Array[]): Uint8Array => nameConstraintsExtension({ permitted: names });
const excluded = (...names: readonly Uint8Array[]): Uint8Array => nameConstraintsExtension({ excluded: names });

const PATHS: readonly BrokenPath[] = [
  {
    name: "not-ca",
    purpose: "the certificate is not one of a CA: cA is FALSE",
    rule: "basic-constraints",
    authority: { ca: false },
    openssl: 79,
  },
  {
    name: "basic-constraints-not-critical",
    purpose: "basicConstraints are there, but not critical",
    rule: "basic-constraints",
    authority: { basicConstraints: "not-critical" },
    openssl: 89,
  },
  {
    name: "no-key-cert-sign",
    purpose: "the key usage lacks keyCertSign",
    rule: "key-usage",
    authority: { keyUsage: ["cRLSign"] },
    openssl: 79,
  },
  {
    name: "no-crl-sign",
    purpose: "the key usage lacks cRLSign",
    rule: "key-usage",
    authority: { keyUsage: ["keyCertSign"] },
    openssl: "ok",
  },
  {
    name: "no-subject-key-id",
    purpose: "there is no subject key identifier",
    rule: "subject-key-identifier",
    authority: { subjectKeyId: null },
    openssl: 86,
  },
  {
    name: "path-length-zero-above",
    purpose: "the issuing CA may have no CA below it (path length 0)",
    rule: "path-length",
    issuing: { pathLength: 0 },
    openssl: 25,
  },
  {
    name: "uri-constraint-excludes",
    purpose: "the issuing CA's name constraints exclude URIs of the trust domain",
    rule: "name-constraints",
    at: "issuing",
    issuing: { nameConstraints: excluded(uri("example.test")) },
    openssl: 48,
  },
  {
    name: "uri-constraint-other",
    purpose: "the issuing CA may sign for another trust domain alone",
    rule: "name-constraints",
    at: "issuing",
    issuing: { nameConstraints: permitted(uri("other.test")) },
    openssl: 47,
  },
  {
    name: "dns-constraint-other",
    purpose: "the issuing CA may sign for the DNS names of one rule alone, and another rule grants more",
    rule: "name-constraints",
    at: "issuing",
    issuing: { nameConstraints: permitted(dns("svc.example.test")) },
    openssl: 47,
  },
  {
    name: "dns-constraint-excludes",
    purpose: "one DNS name that a rule grants is excluded",
    rule: "name-constraints",
    at: "issuing",
    issuing: { nameConstraints: excluded(dns("ca.example.test")) },
    openssl: 48,
  },
  {
    name: "policy-constraints",
    purpose: "the issuing CA demands a certificate policy, and the authority has none",
    rule: "certificate-policies",
    issuing: { extraExtensions: [samplePolicy, requireExplicitPolicy] },
    openssl: 43,
  },
  {
    name: "policy-constraints-for-leaves",
    purpose:
      "the authority has the policy that the issuing CA demands, but our leaves, which have none, would break it",
    rule: "certificate-policies",
    authority: { extraExtensions: [samplePolicy] },
    issuing: { extraExtensions: [samplePolicy, requireExplicitPolicy] },
    openssl: 43,
  },
  {
    name: "sha1-signature",
    purpose: "signed with SHA-1",
    rule: "signature-algorithm",
    authority: { signatureAlgorithm: sha1WithRsa },
    under: "rsa",
    openssl: 68,
  },
  {
    name: "rsa-1024-issuer",
    purpose: "the issuing CA has an RSA key of 1024 bits",
    rule: "key-strength",
    at: "issuing",
    issuing: { key: "issuing-rsa-1024" },
    openssl: 67,
  },
  {
    name: "expired",
    purpose: "ended in June 2026",
    rule: "expired",
    authority: { notAfter: Date.UTC(2026, 5, 1) },
    openssl: 10,
  },
  {
    name: "not-yet-valid",
    purpose: "begins in 2050",
    rule: "not-yet-valid",
    authority: { notBefore: Date.UTC(2050, 0, 1) },
    openssl: 9,
  },
  {
    name: "too-short",
    purpose: "ends two hours after the moment of judging: too soon for a rotation",
    rule: "lifetime",
    authority: { notAfter: SAMPLES_NOW + 2 * HOUR_MS },
    openssl: "ok",
  },
  {
    name: "other-key",
    purpose: "for another key than the one that was asked for",
    rule: "key",
    authority: { key: "mesh-other" },
    openssl: "ok",
  },
  {
    name: "eku-server-only",
    purpose: "its extended key usage permits servers alone",
    rule: "extended-key-usage",
    authority: { extendedKeyUsage: [oid.serverAuth] },
    openssl: 26,
  },
  {
    name: "eku-email-only",
    purpose: "the issuing CA's extended key usage permits mail alone",
    rule: "extended-key-usage",
    at: "issuing",
    issuing: { extendedKeyUsage: [EMAIL_PROTECTION] },
    openssl: 26,
  },
  {
    name: "unknown-critical-extension",
    purpose: "a critical extension that nobody knows",
    rule: "unknown-critical-extension",
    authority: { extraExtensions: [encodeExtension(SAMPLE_EXTENSION, true, derNull())] },
    openssl: 34,
  },
  {
    name: "other-trust-domain",
    purpose: "it carries the SPIFFE ID of another trust domain",
    rule: "spiffe-id",
    authority: { spiffeId: "spiffe://other.test" },
    openssl: "ok",
  },
];

/** Each starts from a P-256 authority under a P-256 issuing CA under the RSA root. */
export function brokenPaths(certifier: Certifier, enterprise: Enterprise): readonly Sample[] {
  return PATHS.map((broken) => {
    const { name, purpose, rule, openssl } = broken;
    const path = pathOf(broken, certifier, enterprise);
    return {
      name,
      purpose,
      files: [{ path: `broken/${name}.pem`, bytes: pem(...path) }],
      expected: { kind: "refused", rule, certificate: broken.at === "issuing" ? issuingName(name) : MESH_NAME },
      openssl: { verdict: openssl, path },
    };
  });
}

function pathOf(broken: BrokenPath, certifier: Certifier, enterprise: Enterprise): readonly TestCertificate[] {
  const { rootR1, issuingEc, issuingRsa, policy } = enterprise;
  const authority = (issuer: TestCertificate): TestCertificate =>
    certifier.ca(issuer, { key: "mesh", subject: MESH_SUBJECT, ...broken.authority });
  if (broken.under === "rsa") return [authority(issuingRsa), issuingRsa, policy, rootR1];
  const issuing =
    broken.issuing === undefined
      ? issuingEc
      : certifier.ca(rootR1, { key: "issuing-ec", subject: named(issuingName(broken.name)), ...broken.issuing });
  return [authority(issuing), issuing, rootR1];
}
