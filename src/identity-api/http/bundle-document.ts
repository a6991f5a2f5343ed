// The trust bundle as an HTTP document: bytes, entity tag and how long it may be kept. Made once for each change of trust.
import { createHash } from "node:crypto";
import { encodeTrustBundle, type TrustSet } from "../../spiffe/index.ts";

export interface BundleDocument {
  /** JSON, UTF-8. */
  readonly body: Buffer;
  /** A strong entity tag with its quotes: SHA-256 of the body, so that replicas give the same one. */
  readonly etag: string;
  /** As long as the refresh hint says: who asks through a cache still asks again in time (rule B-3). */
  readonly cacheControl: string;
}

export class BundleDocuments {
  #trust: TrustSet | undefined;
  #document: BundleDocument | undefined;

  /** The document of a trust set; the same one as long as it is the same object. */
  of(trust: TrustSet): BundleDocument {
    if (this.#document === undefined || this.#trust !== trust) {
      this.#document = documentOf(trust);
      this.#trust = trust;
    }
    return this.#document;
  }
}

/**
 * Whether an If-None-Match names this entity tag (RFC 9110 13.1.2: weak comparison).
 * @param header the header's value; undefined where there is none
 */
export function isKnownToClient(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  // Our tags hold no comma, so that a tag which does is another's.
  return header.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}

function documentOf(trust: TrustSet): BundleDocument {
  const body = Buffer.from(encodeTrustBundle(trust), "utf8");
  return {
    body,
    etag: `"${createHash("sha256").update(body).digest("base64url")}"`,
    cacheControl: `public, max-age=${trust.refreshHintSeconds}`,
  };
}
