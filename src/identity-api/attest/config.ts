// The attestors' configuration as this folder reads it: the shape of ../config/attestors.ts, with the optional keys optional.

/** `kind: join-token`. */
export interface JoinTokenConfig {
  readonly kind: "join-token";
}

/** `kind: jwt`. Exactly one of jwksFile, jwksUrl and discovery. */
export interface JwtConfig {
  readonly kind: "jwt";
  readonly preset?: "kubernetes" | null;
  /** Compared exactly with `iss`. */
  readonly issuer: string;
  /** Our own name; must be a member of `aud`. */
  readonly audience: string;
  readonly jwksFile?: string | null;
  readonly jwksUrl?: string | null;
  readonly discovery?: boolean;
  /** PEM file with the CA certificates for jwksUrl and discovery. Null: those of the system. */
  readonly caFile?: string | null;
  /** Null: 600, with the preset kubernetes 3,700. */
  readonly maxAgeSeconds?: number | null;
  /** Empty: all that we know (algorithms.ts). */
  readonly algorithms?: readonly string[];
  /** Attribute name to claim: names separated by dots, `\.` for a dot within a name. */
  readonly claims?: Readonly<Record<string, string>>;
}

/** `kind: x509`. */
export interface X509Config {
  readonly kind: "x509";
  /** PEM file with the trust anchors. */
  readonly caFile: string;
  /** Longest accepted chain, anchor included; 2 to 8. */
  readonly maxPathLength?: number;
}

/** One attestor instance. */
export type AttestorConfig = JoinTokenConfig | JwtConfig | X509Config;
