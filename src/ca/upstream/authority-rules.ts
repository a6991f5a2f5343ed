// What our authority's own certificate must be, beyond what any CA of a path must be (spec/spiffe.md ).
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
      rule: "it is for the key that we hold",
      found: `the key ${found}`,
      expected: `the key ${terms.spkiSha256}`,
    };
  }
  if (basicConstraints?.ca !== true) {
    yield { rule: "X-4", found: "no CA", expected: "basicConstraints with cA=true" };
  } else if (!basicConstraints.critical) {
    yield { rule: "RFC 5280 4.2.1.9", found: "basicConstraints that are not critical", expected: "critical ones" };
  }
  if (keyUsage?.critical !== true) {
    const what = keyUsage === undefined ? "no key usage" : "a key usage that is not critical";
    yield { rule: "X-5", found: what, expected: "a critical key usage" };
  }
  for (const usage of ["keyCertSign", "cRLSign"] as const) {
    if (keyUsage?.usages.has(usage) !== true) {
      const usages = [...(keyUsage?.usages ?? [])].join(", ") || "none";
      yield { rule: "X-8", found: `the key usages ${usages}`, expected: usage };
    }
  }
  if (isEmptyName(certificate.subject)) {
    yield { rule: "RFC 5280 4.1.2.6", found: "an empty subject", expected: "a name" };
  }
  if (certificate.subjectKeyId === undefined || certificate.subjectKeyId.length === 0) {
    yield { rule: "X-14", found: "no subject key identifier", expected: "one" };
  }
  yield* spiffeIdRules(certificate, terms.trustDomain);
}

/** Enterprise CAs need no SPIFFE ID; one that is there is ours, without a path. */
function* spiffeIdRules(certificate: Certificate, trustDomain: TrustDomain): Generator<BrokenRule> {
  const uris = (certificate.subjectAltName?.names ?? []).flatMap((name) => (name.kind === "uri" ? [name.value] : []));
  if (uris.length > 1) yield { rule: "X-1", found: `${uris.length} URI names`, expected: "one at most" };
  for (const uri of uris) {
    if (/^spiffe:/i.test(uri) && uri !== trustDomain.id) {
      yield {
        rule: "X-10",
        found: `the SPIFFE ID ${JSON.stringify(uri)}`,
        expected: `${trustDomain.id}, without a path`,
      };
    }
  }
}
