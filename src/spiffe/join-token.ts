import type { TrustDomain } from "./trust-domain.ts";

export interface JoinTokenFields {
  readonly trustDomain: TrustDomain;
  /** `host:port` of the server's gRPC listener. */
  readonly server: string;
  /** Lower-case hex of the SPKI SHA-256 of each prepared and active authority. */
  readonly pins: readonly string[];
  /** 32 random bytes. */
  readonly secret: Uint8Array;
}

/** A join token. Printing or serialising it never shows the secret; only `encode` does. */
export class JoinToken {
  readonly trustDomain: TrustDomain;
  readonly server: string;
  readonly pins: readonly string[];
  /** SHA-256 of the secret's bytes: what the server stores and looks up. */
  readonly secretSha256: Uint8Array;

  private constructor(fields: JoinTokenFields) {
    this.trustDomain = fields.trustDomain;
    this.server = fields.server;
    this.pins = fields.pins;
    this.secretSha256 = fields.secret;
  }
  /** Makes a token. @throws SpiffeError MCA_TOKEN_MALFORMED */
  static of(fields: JoinTokenFields): JoinToken {
    return new JoinToken(fields);
  }
  /** Reads the text `mcajt1....`. @throws SpiffeError MCA_TOKEN_MALFORMED */
  static parse(_text: string): JoinToken {
    throw new TypeError("being written");
  }
  /** The text that is handed to the workload: contains the secret. */
  encode(): string {
    throw new TypeError("being written");
  }
}
