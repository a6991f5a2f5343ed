// A trust domain's own bundle as it is published (SPIFFE Trust Domain and Bundle; rules B-1 to B-4, B-7): by the bundle endpoint and by
// `mesh-ca bundle export` alike. Equal content gives equal bytes, whoever writes it and by whatever way the anchors became known, so
// that the sequence changes exactly when the bytes do (B-2).
import type { Certificate } from "../x509/index.ts";
import { encodeBundle } from "./bundle.ts";
import type { TrustSet } from "./trust-set.ts";

/** The anchors of a trust set in an order that depends on nothing but themselves: by notBefore, then by hash. */
export function publishedAnchors({ anchors }: Pick<TrustSet, "anchors">): readonly Certificate[] {
  return [...anchors].sort((a, b) => a.notBefore - b.notBefore || (a.sha256 < b.sha256 ? -1 : 1));
}

/**
 * The trust domain's bundle as JSON text. What only our own verifiers know (published authorities, distrusted keys, revocations) has no
 * place in it.
 * @throws RangeError where an anchor has a key that no JWK can carry
 */
export function encodeTrustBundle(trust: TrustSet): string {
  return encodeBundle({
    x509Authorities: publishedAnchors(trust),
    sequence: trust.sequence,
    refreshHintSeconds: trust.refreshHintSeconds,
  });
}
