// Trust from a file: a trust file of mesh-ca, a SPIFFE bundle, or anchors in PEM. What a file says is the trust of exactly one trust
// domain, the one that the configuration names (X-12, B-10).
import {
  DEFAULT_REFRESH_HINT_SECONDS,
  parseBundle,
  parseTrustFile,
  type TrustDomain,
  type TrustSet,
} from "../../spiffe/index.ts";
import { type Certificate, decodePem, parseCertificate } from "../../x509/index.ts";
import { ProxyError } from "../errors.ts";

/** A trust file alone has this member; a SPIFFE bundle never has. */
const TRUST_FILE = /^\s*\{[^{[]*"trustDomain"\s*:/;

/**
 * Reads anchors of `trustDomain` in whatever form they are. A SPIFFE bundle without keys trusts nobody, as its standard says (B-1).
 * @throws SpiffeError MCA_BUNDLE_INVALID, MCA_TRUST_FILE_INVALID; X509Error; ProxyError MCA_PROXY_FEDERATION_FILE
 */
export function parseFederationFile(text: string, trustDomain: TrustDomain, path: string): TrustSet {
  if (!/^\s*\{/.test(text)) return anchorsOnly(trustDomain, parseAnchors(text, path));
  if (!TRUST_FILE.test(text)) {
    const bundle = parseBundle(text, trustDomain);
    return {
      ...anchorsOnly(trustDomain, bundle.x509Authorities),
      sequence: bundle.sequence ?? 0n,
      refreshHintSeconds: bundle.refreshHintSeconds,
    };
  }
  const trust = parseTrustFile(text);
  if (trust.trustDomain.equals(trustDomain)) return trust;
  throw new ProxyError(
    "MCA_PROXY_FEDERATION_FILE",
    `${path} is the trust of ${trust.trustDomain}, not of ${trustDomain}. Check which file stands under which name.`,
  );
}

/** @throws X509Error, ProxyError MCA_PROXY_FEDERATION_FILE unless the text holds CA certificates and nothing but certificates */
export function parseAnchors(text: string, path: string): Certificate[] {
  const anchors = decodePem(text).map(({ label, der }) => {
    if (label !== "CERTIFICATE") throw unusable(path, `it holds a ${label}, and anchors are certificates`);
    return parseCertificate(der);
  });
  if (anchors.some(({ basicConstraints }) => basicConstraints?.ca !== true)) {
    throw unusable(path, "one of its certificates is not a CA");
  }
  return [...new Map(anchors.map((anchor) => [anchor.sha256, anchor])).values()];
}

/** Anchors are all that is known: rule X-16 is off. */
export function anchorsOnly(trustDomain: TrustDomain, anchors: readonly Certificate[]): TrustSet {
  return {
    trustDomain,
    anchors,
    authorities: undefined,
    intermediates: [],
    distrustedSpkis: new Set(),
    revocations: [],
    sequence: 0n,
    revision: 0n,
    refreshHintSeconds: DEFAULT_REFRESH_HINT_SECONDS,
  };
}

function unusable(path: string, found: string): ProxyError {
  return new ProxyError(
    "MCA_PROXY_FEDERATION_FILE",
    `${path} cannot be used: ${found}. Put the trust domain's root certificates there.`,
  );
}
