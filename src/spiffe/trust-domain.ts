// A SPIFFE trust domain name (SPIFFE-ID, section 2.1; rules ID-2, ID-3, ID-5). Obtainable only by parsing.
import { SpiffeError } from "./errors.ts";

/** SPIFFE-ID 2.3: the longest trust domain name, in bytes. */
export const MAX_TRUST_DOMAIN_BYTES = 255;

const TRUST_DOMAIN = /^[a-z0-9._-]+$/;

/** A trust domain: `example.test`. Equal names mean the same trust domain; nothing is normalised. */
export class TrustDomain {
  /** The name: lower-case letters, digits, dots, dashes and underscores. */
  readonly name: string;
  /** The SPIFFE ID of the trust domain itself: `spiffe://example.test`, without a path. */
  readonly id: string;

  private constructor(name: string) {
    this.name = name;
    this.id = `spiffe://${name}`;
  }

  /**
   * Reads a trust domain name (not a SPIFFE ID).
   * @throws SpiffeError MCA_TRUST_DOMAIN_INVALID
   */
  static parse(text: string): TrustDomain {
    if (text.length === 0) {
      throw new SpiffeError("MCA_TRUST_DOMAIN_INVALID", "The trust domain is empty: give a name such as example.test.");
    }
    if (text.length > MAX_TRUST_DOMAIN_BYTES) {
      throw new SpiffeError(
        "MCA_TRUST_DOMAIN_INVALID",
        `The trust domain is longer than ${MAX_TRUST_DOMAIN_BYTES} bytes: choose a shorter name.`,
      );
    }
    if (!TRUST_DOMAIN.test(text)) {
      throw new SpiffeError(
        "MCA_TRUST_DOMAIN_INVALID",
        "A trust domain holds only lower-case letters, digits, dots, dashes and underscores: no scheme, port, upper case or percent sign.",
        { details: { rule: "ID-3" } },
      );
    }
    return new TrustDomain(text);
  }

  /** Whether both are the same trust domain: exact comparison (ID-6). */
  equals(other: TrustDomain): boolean {
    return this.name === other.name;
  }

  toString(): string {
    return this.name;
  }

  toJSON(): string {
    return this.name;
  }
}
