// A SPIFFE bundle as JWK Set (SPIFFE Trust Domain and Bundle, section 4; X509-SVID section 6; JWT-SVID section 6; rules B-1 to
// B-8). The document does not say whose bundle it is: whoever reads it must know. Two bundles are never merged (B-10).
import { type Certificate, parseCertificate } from "../x509/index.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { SpiffeError } from "./errors.ts";
import { type JsonInput, type JsonObject, type JsonValue, parseJson, writeJson } from "./json.ts";
import { hasPrivateMembers, isKnownKeyType, isSameKey, publicJwk, spkiOfJwk } from "./jwk.ts";
import type { TrustDomain } from "./trust-domain.ts";
import { DEFAULT_REFRESH_HINT_SECONDS } from "./trust-set.ts";

/** The longest bundle that is read. */
const MAX_CHARS = 4 * 1024 * 1024;
const MAX_REFRESH_HINT_SECONDS = 2n ** 31n - 1n;

/** A key that signs JWT-SVIDs or WIT-SVIDs. */
export interface BundleKey {
  readonly keyId: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
}

/** What one trust domain publishes. No authorities: everything was revoked, and no SVID of it is trusted (B-1). */
export interface Bundle {
  readonly trustDomain: TrustDomain;
  readonly x509Authorities: readonly Certificate[];
  readonly jwtAuthorities: readonly BundleKey[];
  readonly witAuthorities: readonly BundleKey[];
  /** `spiffe_sequence`, of any size; undefined where the publisher gives none. */
  readonly sequence: bigint | undefined;
  /** How often to ask again; 300 where the publisher does not say (B-3). */
  readonly refreshHintSeconds: number;
}

/** What is written: the keys, and optionally when to ask again. */
export interface BundleContent {
  readonly x509Authorities: readonly Certificate[];
  readonly jwtAuthorities?: readonly BundleKey[];
  readonly witAuthorities?: readonly BundleKey[];
  readonly sequence?: bigint | undefined;
  readonly refreshHintSeconds?: number | undefined;
}

/**
 * Writes a bundle as JSON text (UTF-8 without byte order mark when encoded).
 * @throws SpiffeError MCA_BUNDLE_INVALID when two keys share a key id or one has none
 */
export function encodeBundle(content: BundleContent): string {
  return `${writeJson(bundleJson(content))}\n`;
}

/** The members of a bundle, for a document that holds several. */
export function bundleJson(content: BundleContent): { readonly [name: string]: JsonInput | undefined } {
  const { x509Authorities, jwtAuthorities = [], witAuthorities = [] } = content;
  requireUniqueKeyIds([...jwtAuthorities, ...witAuthorities]);
  return {
    keys: [
      ...x509Authorities.map((certificate) => ({
        ...keyMembers(certificate.publicKey.spki, "x509-svid"),
        x5c: [encodeBase64(certificate.der)],
      })),
      ...jwtAuthorities.map((key) => ({ ...keyMembers(key.spki, "jwt-svid"), kid: key.keyId })),
      ...witAuthorities.map((key) => ({ ...keyMembers(key.spki, "wit-svid"), kid: key.keyId })),
    ],
    spiffe_sequence: content.sequence,
    spiffe_refresh_hint: content.refreshHintSeconds,
  };
}

/**
 * Reads the bundle of a trust domain. Keys of unknown type or use, and X.509 entries without a certificate, are left out (B-6);
 * anything else that is wrong refuses the whole bundle.
 * @throws SpiffeError MCA_BUNDLE_INVALID
 */
export function parseBundle(text: string, trustDomain: TrustDomain): Bundle {
  return bundleOf(parseBundleJson(text), trustDomain);
}

/** Reads JSON text as an object. @throws SpiffeError MCA_BUNDLE_INVALID */
export function parseBundleJson(text: string): JsonObject {
  let value: JsonValue;
  try {
    value = parseJson(text, MAX_CHARS);
  } catch (cause) {
    throw invalid("B-1", `it is not JSON: ${cause instanceof Error ? cause.message : "unreadable"}`, cause);
  }
  if (!(value instanceof Map)) throw invalid("B-1", "it is not a JSON object");
  return value;
}

/** Reads a bundle that was parsed as JSON already. @throws SpiffeError MCA_BUNDLE_INVALID */
export function bundleOf(members: JsonObject, trustDomain: TrustDomain): Bundle {
  const keys = members.get("keys");
  if (!Array.isArray(keys)) throw invalid("B-1", "it has no list `keys`");
  const x509 = new Map<string, Certificate>();
  const jwtAuthorities: BundleKey[] = [];
  const witAuthorities: BundleKey[] = [];
  for (const key of keys) {
    if (!(key instanceof Map)) throw invalid("B-1", "an entry of `keys` is not an object");
    readKey(key, x509, jwtAuthorities, witAuthorities);
  }
  requireUniqueKeyIds([...jwtAuthorities, ...witAuthorities]);
  const hint = parseInteger(members.get("spiffe_refresh_hint"), "B-3", "spiffe_refresh_hint");
  if (hint !== undefined && hint > MAX_REFRESH_HINT_SECONDS) throw invalid("B-3", "spiffe_refresh_hint is too large");
  return {
    trustDomain,
    x509Authorities: [...x509.values()],
    jwtAuthorities,
    witAuthorities,
    sequence: parseInteger(members.get("spiffe_sequence"), "B-2", "spiffe_sequence"),
    refreshHintSeconds: hint === undefined ? DEFAULT_REFRESH_HINT_SECONDS : Number(hint),
  };
}

function readKey(jwk: JsonObject, x509: Map<string, Certificate>, jwt: BundleKey[], wit: BundleKey[]): void {
  const use = jwk.get("use");
  if (!isKnownKeyType(jwk) || (use !== "x509-svid" && use !== "jwt-svid" && use !== "wit-svid")) return;
  if (hasPrivateMembers(jwk)) {
    throw invalid("B-7", "it publishes a private key: whoever runs that trust domain must replace the key at once");
  }
  if (use === "x509-svid") {
    const certificate = readAuthority(jwk);
    if (certificate !== undefined) x509.set(certificate.sha256, certificate);
  } else {
    (use === "jwt-svid" ? jwt : wit).push(readSigningKey(jwk));
  }
}

function readAuthority(jwk: JsonObject): Certificate | undefined {
  const chain = jwk.get("x5c");
  if (chain === undefined) return undefined;
  if (!Array.isArray(chain)) throw invalid("B-4", "an x5c is not a list");
  const [first] = chain;
  if (first === undefined) return undefined;
  const der = typeof first === "string" ? decodeBase64(first) : undefined;
  if (der === undefined) throw invalid("B-4", "an x5c does not hold base64");
  const certificate = parse("B-4", "a certificate in x5c cannot be read", () => parseCertificate(der));
  if (certificate.basicConstraints?.ca !== true) throw invalid("B-4", "a certificate in x5c is not a CA");
  const expected = parse("B-4", "a certificate in x5c has a key of an unknown kind", () =>
    publicJwk(certificate.publicKey.spki),
  );
  if (!isSameKey(jwk, expected)) throw invalid("B-4", "a JWK's parameters are not those of the key in its x5c");
  return certificate;
}

function readSigningKey(jwk: JsonObject): BundleKey {
  const keyId = jwk.get("kid");
  if (typeof keyId !== "string" || keyId === "") throw invalid("B-5", "a signing key has no kid");
  return { keyId, spki: parse("B-5", `the key ${JSON.stringify(keyId)} cannot be read`, () => spkiOfJwk(jwk)) };
}

function requireUniqueKeyIds(keys: readonly BundleKey[]): void {
  const seen = new Set<string>();
  for (const { keyId } of keys) {
    if (keyId === "") throw invalid("B-5", "a signing key has no kid");
    if (seen.has(keyId)) throw invalid("B-5", `the kid ${JSON.stringify(keyId)} stands twice`);
    seen.add(keyId);
  }
}

function keyMembers(spki: Uint8Array, use: string): Record<string, JsonInput> {
  const [kty, ...parameters] = publicJwk(spki);
  return Object.fromEntries([...(kty === undefined ? [] : [kty]), ["use", use], ...parameters]);
}

function parseInteger(value: JsonValue | undefined, rule: string, name: string): bigint | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "bigint" || value < 0n) throw invalid(rule, `${name} is not an integer of 0 or more`);
  return value;
}

function parse<T>(rule: string, found: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw invalid(rule, `${found}: ${cause instanceof Error ? cause.message : "unreadable"}`, cause);
  }
}

function invalid(rule: string, found: string, cause?: unknown): SpiffeError {
  return new SpiffeError(
    "MCA_BUNDLE_INVALID",
    `The bundle cannot be used (rule ${rule}): ${found}. Fetch it again from the trust domain's own endpoint.`,
    { cause, details: { rule, found } },
  );
}
