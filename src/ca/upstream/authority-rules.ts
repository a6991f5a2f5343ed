// What our authority's own certificate must be, beyond what any CA of a path must be (spec/spiffe.md ). Rules have the
// names of the path validator's, which people who run a CA understand.
import type { TrustDomain } from "../../spiffe/index.ts";
import { type Certificate, isEmptyName } from "../../x509/index.ts";

/** A broken rule of one certificate. */
export interface BrokenRule {
  readonly rule: string;
  readonly found: string;
  readonly expected: string;
}

/** Every rule that the certificate of an authority breaks. */
export function* authorityRules(
  certificate: Certificate,
  terms: { readonly spkiSha256: string; readonly trustDomain: TrustDomain },
): Generator<BrokenRule> {
  const { basicConstraints, keyUsage } = certificate;
  const found = certificate.publicKey.spkiSha256;
  if (found !== terms.spkiSha256) {
    yield {
      rule: "key",
      found: `a certificate for the key ${found}`,
      expected: `the key that was asked for: ${terms.spkiSha256}`,
    };
  }
  // X-4, RFC 5280 section 4.2.1.9
  if (basicConstraints?.ca !== true) {
    const what = basicConstraints === undefined ? "no basicConstraints" : "basicConstraints CA:FALSE";
    yield {
      rule: "basic-constraints",
      found: `${what}: this is no CA`,
      expected: "basicConstraints CA:TRUE, critical",
    };
  } else if (!basicConstraints.critical) {
    yield { rule: "basic-constraints", found: "basicConstraints that are not critical", expected: "critical ones" };
  }
  yield* keyUsageRules(keyUsage);
  // RFC 5280 section 4.1.2.6
  if (isEmptyName(certificate.subject)) yield { rule: "subject", found: "an empty subject", expected: "a name" };
  //
  if (certificate.subjectKeyId === undefined || certificate.subjectKeyId.length === 0) {
    yield { rule: "subject-key-identifier", found: "no subject key identifier", expected: "one" };
  }
  yield* spiffeIdRules(certificate, terms.trustDomain);
}

/** */
function* keyUsageRules(keyUsage: Certificate["keyUsage"]): Generator<BrokenRule> {
  if (keyUsage === undefined) {
    yield { rule: "key-usage", found: "no key usage", expected: "a critical one with keyCertSign and cRLSign" };
    return;
  }
  if (!keyUsage.critical) {
    yield { rule: "key-usage", found: "a key usage that is not critical", expected: "a critical one" };
  }
  const missing = (["keyCertSign", "cRLSign"] as const).filter((usage) => !keyUsage.usages.has(usage));
  if (missing.length === 0) return;
  const found = `the key usages ${[...keyUsage.usages].join(", ") || "(none)"}, without ${missing.join(" and ")}`;
  yield { rule: "key-usage", found, expected: "keyCertSign and cRLSign among them" };
}

/** Enterprise CAs need no SPIFFE ID; one that is there is ours, without a path. */
function* spiffeIdRules(certificate: Certificate, trustDomain: TrustDomain): Generator<BrokenRule> {
  const uris = (certificate.subjectAltName?.names ?? []).flatMap((name) => (name.kind === "uri" ? [name.value] : []));
  if (uris.length > 1) yield { rule: "spiffe-id", found: `${uris.length} URI names`, expected: "one at most" };
  for (const uri of uris) {
    if (/^spiffe:/i.test(uri) && uri !== trustDomain.id) {
      yield {
        rule: "spiffe-id",
        found: `the SPIFFE ID ${JSON.stringify(uri)}`,
        expected: `${trustDomain.id}, without a path`,
      };
    }
  }
}
