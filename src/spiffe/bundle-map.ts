// Several bundles in one document, each under its trust domain's name (SPIFFE Bundle Map; rules B-9, B-10). They stay apart:
// the result is a map, and nothing here joins two bundles.
import { type Bundle, bundleJson, bundleOf, parseBundleJson } from "./bundle.ts";
import { SpiffeError } from "./errors.ts";
import { type JsonInput, writeJson } from "./json.ts";
import { TrustDomain } from "./trust-domain.ts";
import { DEFAULT_REFRESH_HINT_SECONDS } from "./trust-set.ts";

/**
 * Writes bundles by trust domain, without their refresh hints (B-9).
 * @throws SpiffeError MCA_BUNDLE_INVALID when a trust domain stands twice
 */
export function encodeBundleMap(bundles: readonly Bundle[]): string {
  const domains = new Map<string, JsonInput>();
  for (const bundle of bundles) {
    const { name } = bundle.trustDomain;
    if (domains.has(name)) throw invalid(`the trust domain ${name} stands twice`);
    domains.set(name, bundleJson({ ...bundle, refreshHintSeconds: undefined }));
  }
  return `${writeJson({ trust_domains: domains })}\n`;
}

/**
 * Reads bundles by trust domain name. Inner refresh hints are ignored (B-9).
 * @throws SpiffeError MCA_BUNDLE_INVALID, also when a name stands twice
 */
export function parseBundleMap(text: string): ReadonlyMap<string, Bundle> {
  const domains = parseBundleJson(text).get("trust_domains");
  if (!(domains instanceof Map)) throw invalid("it has no object `trust_domains`");
  const bundles = new Map<string, Bundle>();
  for (const [name, members] of domains) {
    if (!(members instanceof Map)) throw invalid(`the entry ${JSON.stringify(name)} is not an object`);
    const bundle = bundleOf(members, trustDomainOf(name));
    bundles.set(name, { ...bundle, refreshHintSeconds: DEFAULT_REFRESH_HINT_SECONDS });
  }
  return bundles;
}

function trustDomainOf(name: string): TrustDomain {
  try {
    return TrustDomain.parse(name);
  } catch (cause) {
    throw invalid(`${JSON.stringify(name)} is not a trust domain name`, cause);
  }
}

function invalid(found: string, cause?: unknown): SpiffeError {
  return new SpiffeError("MCA_BUNDLE_INVALID", `The bundle map cannot be used (rule B-9): ${found}.`, {
    cause,
    details: { rule: "B-9", found },
  });
}
