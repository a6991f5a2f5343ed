// What the readers of this room return. All bytes are DER or raw contents, all times Unix milliseconds (UTC). The arrays
// are views of one private copy of the input: nobody may write to them.

/** Algorithms of subject public keys that we can name; everything else is kept by its OID. */
export type PublicKeyAlgorithm =
  | { readonly kind: "ec" /** "P-256", "P-384", "P-521", or the OID of another curve. */; readonly curve: string }
  | { readonly kind: "rsa"; readonly modulusBits: number; readonly exponent: bigint }
  | { readonly kind: "ed25519" }
  | { readonly kind: "other"; readonly oid: string };

/** SubjectPublicKeyInfo, RFC 5280 section 4.1.2.7. */
export interface PublicKeyInfo {
  /** The whole SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** SHA-256 of `spki`, lower-case hex: the name by which keys are pinned, published and distrusted. */
  readonly spkiSha256: string;
  /** The key itself: the contents of the BIT STRING. */
  readonly keyBits: Uint8Array;
  readonly algorithm: PublicKeyAlgorithm;
}

/** Signature algorithms that we verify and sign with. Nothing with SHA-1 is among them. */
export type KnownSignatureAlgorithm =
  | "ecdsa-sha256"
  | "ecdsa-sha384"
  | "ecdsa-sha512"
  | "rsa-sha256"
  | "rsa-sha384"
  | "rsa-sha512"
  | "rsa-pss-sha256"
  | "rsa-pss-sha384"
  | "rsa-pss-sha512"
  | "ed25519";

/** An AlgorithmIdentifier of a signature. */
export interface SignatureAlgorithm {
  readonly oid: string;
  /** "other": read, but never accepted by a verifier. */
  readonly name: KnownSignatureAlgorithm | "other";
  /** The whole AlgorithmIdentifier, DER. */
  readonly der: Uint8Array;
}

/** Bits of the key usage extension, RFC 5280 section 4.2.1.3. */
export type KeyUsage =
  | "digitalSignature"
  | "contentCommitment"
  | "keyEncipherment"
  | "dataEncipherment"
  | "keyAgreement"
  | "keyCertSign"
  | "cRLSign"
  | "encipherOnly"
  | "decipherOnly";

/** GeneralName, RFC 5280 section 4.2.1.6. */
export type GeneralName =
  | { readonly kind: "dns" | "uri" | "email" /** ASCII, exactly as encoded. */; readonly value: string }
  | { readonly kind: "ip" /** 4 or 16 octets. */; readonly bytes: Uint8Array }
  | { readonly kind: "directory" /** The Name, DER. */; readonly der: Uint8Array }
  | { readonly kind: "other" /** Context tag number. */; readonly tag: number; readonly der: Uint8Array };

/** The base of a GeneralSubtree, RFC 5280 section 4.2.1.10. */
export type SubtreeBase =
  | { readonly kind: "dns" | "uri" | "email"; readonly value: string }
  | { readonly kind: "ip"; readonly address: Uint8Array; readonly mask: Uint8Array }
  | { readonly kind: "directory"; readonly der: Uint8Array }
  | { readonly kind: "other"; readonly tag: number; readonly der: Uint8Array };

export interface NameConstraints {
  readonly critical: boolean;
  readonly permitted: readonly SubtreeBase[];
  readonly excluded: readonly SubtreeBase[];
}

/** What the certificate policy extensions say, RFC 5280 sections 4.2.1.4, 4.2.1.5, 4.2.1.11 and 4.2.1.14. */
export interface PolicyExtensions {
  /** OIDs of certificatePolicies; undefined: no such extension. */
  readonly policies?: readonly string[] | undefined;
  /** True when policyMappings is present. */
  readonly mappings: boolean;
  readonly requireExplicitPolicy?: number | undefined;
  readonly inhibitPolicyMapping?: number | undefined;
  readonly inhibitAnyPolicy?: number | undefined;
}

/** Basic constraints, RFC 5280 section 4.2.1.9. */
export interface BasicConstraints {
  readonly critical: boolean;
  readonly ca: boolean;
  /** Only where `ca` is true. */
  readonly pathLength?: number | undefined;
}

export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  /** The contents of extnValue. */
  readonly value: Uint8Array;
}

/** An X.509 v3 certificate, RFC 5280 section 4.1. Obtainable only from `parseCertificate`. */
export interface Certificate {
  readonly der: Uint8Array;
  /** The TBSCertificate, DER: the bytes that are signed. */
  readonly tbs: Uint8Array;
  /** Magnitude of the serial number, without leading zero octets. */
  readonly serial: Uint8Array;
  /** `serial` in lower-case hex. */
  readonly serialHex: string;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  /** The issuer's Name, DER. */
  readonly issuer: Uint8Array;
  /** The subject's Name, DER. */
  readonly subject: Uint8Array;
  /** Unix milliseconds; the certificate is valid from this moment ... */
  readonly notBefore: number;
  /** ... until this one (RFC 5280 section 4.1.2.5: both inclusive). */
  readonly notAfter: number;
  readonly publicKey: PublicKeyInfo;
  /** SHA-256 of `der`, lower-case hex. */
  readonly sha256: string;
  readonly extensions: readonly Extension[];
  readonly basicConstraints?: BasicConstraints | undefined;
  readonly keyUsage?: { readonly critical: boolean; readonly usages: ReadonlySet<KeyUsage> } | undefined;
  /** Purposes are OIDs. */
  readonly extendedKeyUsage?: { readonly critical: boolean; readonly purposes: readonly string[] } | undefined;
  readonly subjectAltName?: { readonly critical: boolean; readonly names: readonly GeneralName[] } | undefined;
  readonly subjectKeyId?: Uint8Array | undefined;
  /** The key identifier of the authority key identifier. */
  readonly authorityKeyId?: Uint8Array | undefined;
  /** Its issuer (Name, DER) and serial number (magnitude), where it has them. */
  readonly authorityCertificate?:
    | { readonly issuer: Uint8Array | undefined; readonly serial: Uint8Array | undefined }
    | undefined;
  readonly nameConstraints?: NameConstraints | undefined;
  readonly policy?: PolicyExtensions | undefined;
  /** OIDs of critical extensions that the path validator does not process. */
  readonly unknownCritical: readonly string[];
}

/** A PKCS#10 certification request, RFC 2986. Obtainable only from `parseCsr`. */
export interface Csr {
  readonly der: Uint8Array;
  /** The CertificationRequestInfo, DER: the bytes that are signed. */
  readonly info: Uint8Array;
  /** The subject's Name, DER. */
  readonly subject: Uint8Array;
  readonly publicKey: PublicKeyInfo;
  /** The subject alternative names of the extensionRequest attribute; empty if there are none. */
  readonly requestedNames: readonly GeneralName[];
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}
