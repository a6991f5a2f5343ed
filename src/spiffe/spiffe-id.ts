// A SPIFFE ID (SPIFFE-ID, section 2; rules ID-1 to ID-6). Obtainable only by parsing: a SpiffeId that exists is valid.
// Read on every handshake, so it is one regular expression over a bounded text. It never normalises: what is not exactly
// in the grammar is refused, because two readers that repair differently disagree about who is speaking.
import { SpiffeError } from "./errors.ts";
import { MAX_TRUST_DOMAIN_BYTES, TrustDomain } from "./trust-domain.ts";

/** SPIFFE-ID 2.3: the longest SPIFFE ID, in bytes. */
export const MAX_SPIFFE_ID_BYTES = 2048;

const SCHEME = "spiffe://";
const PATH = /^(?:\/[a-zA-Z0-9._-]+)*$/;
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/;
const RESERVED = /^\/mesh-ca(?:\/|$)/;

/** A SPIFFE ID: `spiffe://example.test/ns/shop/sa/cart`. */
export class SpiffeId {
  readonly trustDomain: TrustDomain;
  /** `""`, or `/` and segments: `/ns/shop`. */
  readonly path: string;
  /** Whether the path is kept for mesh-ca itself (`/mesh-ca` and everything below): no rule ever yields such an ID. */
  readonly isReserved: boolean;
  readonly #text: string;

  private constructor(trustDomain: TrustDomain, path: string, text: string) {
    this.trustDomain = trustDomain;
    this.path = path;
    this.isReserved = RESERVED.test(path);
    this.#text = text;
  }

  /**
   * Reads a SPIFFE ID; the scheme must be lower case.
   * @throws SpiffeError MCA_SPIFFE_ID_INVALID with the broken rule in `details.rule`
   */
  static parse(text: string): SpiffeId {
    if (text.length > MAX_SPIFFE_ID_BYTES) throw tooLong();
    if (!text.startsWith(SCHEME)) {
      throw invalid("ID-1", "A SPIFFE ID begins with spiffe:// in lower case.");
    }
    const slash = text.indexOf("/", SCHEME.length);
    const authority = slash === -1 ? text.slice(SCHEME.length) : text.slice(SCHEME.length, slash);
    const path = slash === -1 ? "" : text.slice(slash);
    checkPath(path);
    return new SpiffeId(parseAuthority(authority), path, text);
  }

  /**
   * The ID of `path` (empty, or `/` and segments) in a trust domain.
   * @throws SpiffeError MCA_SPIFFE_ID_INVALID
   */
  static of(trustDomain: TrustDomain, path: string): SpiffeId {
    const text = trustDomain.id + path;
    if (text.length > MAX_SPIFFE_ID_BYTES) throw tooLong();
    checkPath(path);
    return new SpiffeId(trustDomain, path, text);
  }

  /** Exact, case-sensitive comparison (ID-6). */
  equals(other: SpiffeId): boolean {
    return this.#text === other.#text;
  }

  toString(): string {
    return this.#text;
  }

  toJSON(): string {
    return this.#text;
  }
}

function checkPath(path: string): void {
  if (path === "") return;
  if (!PATH.test(path)) {
    throw invalid(
      "ID-4",
      "The path of a SPIFFE ID is segments of letters, digits, dots, dashes and underscores, each after one slash: no percent sign, no empty segment, no slash at the end.",
    );
  }
  if (DOT_SEGMENT.test(path)) throw invalid("ID-4", "The path of a SPIFFE ID has no segment that is . or ..");
}

function parseAuthority(authority: string): TrustDomain {
  if (authority === "") throw invalid("ID-2", "The SPIFFE ID names no trust domain.");
  try {
    return TrustDomain.parse(authority);
  } catch (cause) {
    const rule = authority.length > MAX_TRUST_DOMAIN_BYTES ? "ID-5" : /[@:?#]/.test(authority) ? "ID-2" : "ID-3";
    throw invalid(
      rule,
      "The trust domain of the SPIFFE ID is not valid: lower-case letters, digits, dots, dashes and underscores, at most 255, without user, port, query or fragment.",
      cause,
    );
  }
}

function tooLong(): SpiffeError {
  return invalid("ID-5", `A SPIFFE ID is at most ${MAX_SPIFFE_ID_BYTES} bytes long.`);
}

function invalid(rule: string, sentence: string, cause?: unknown): SpiffeError {
  return new SpiffeError("MCA_SPIFFE_ID_INVALID", sentence, { cause, details: { rule } });
}
