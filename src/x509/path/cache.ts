// Remembers the issuers of paths that were accepted, so that a handshake under a known issuer checks one signature.
// What is remembered is only "the key K signed the certificate C", which neither time nor trust can change: names, validity,
// constraints and anchors are judged again at each call. Strangers cannot fill the cache: nothing enters it before a path
// ends at an anchor.
import type { Certificate } from "../types.ts";

/** Made by `createPathCache`; give the same one to each call of `validatePath`. */
export interface PathCache {
  /** Issuers remembered. */
  readonly size: number;
}

interface Entry {
  /** The first object read from these bytes: it holds the key in the form that verifies fastest. */
  readonly certificate: Certificate;
  /** SHA-256 of the SubjectPublicKeyInfo that signed it. */
  readonly signedBy: string;
}

export class IssuerCache implements PathCache {
  readonly #entries = new Map<string, Entry>();
  readonly #maxEntries: number;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The remembered object for the same bytes, else the certificate itself. */
  canonical(certificate: Certificate): Certificate {
    return this.#entries.get(certificate.sha256)?.certificate ?? certificate;
  }

  /** Whether `issuer`'s key is known to have signed `certificate`. */
  isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
    return this.#entries.get(certificate.sha256)?.signedBy === issuer.publicKey.spkiSha256;
  }

  /** Remembers the issuers of an accepted path (leaf first, anchor last); the oldest make room. */
  remember(path: readonly Certificate[]): void {
    for (let i = 1; i < path.length - 1; i++) {
      const certificate = path[i];
      const issuer = path[i + 1];
      if (certificate === undefined || issuer === undefined || this.#entries.has(certificate.sha256)) continue;
      const oldest = this.#entries.size >= this.#maxEntries ? this.#entries.keys().next().value : undefined;
      if (oldest !== undefined) this.#entries.delete(oldest);
      this.#entries.set(certificate.sha256, { certificate, signedBy: issuer.publicKey.spkiSha256 });
    }
  }
}

/** A cache for `validatePath`. `maxEntries`: issuers to remember (default 1,024; about 2 kB each). */
export function createPathCache(maxEntries = 1024): PathCache {
  return new IssuerCache(maxEntries);
}
