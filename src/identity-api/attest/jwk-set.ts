// A JSON Web Key Set (RFC 7517) of an issuer of tokens. Only public signature keys of types that we verify with are taken; everything
// else is skipped, as RFC 7517 section 5 asks. Symmetric keys and private members are never looked at.
import { KeyObject } from "node:crypto";
import type { JWK } from "jose";
import { type JsonObject, type JsonValue, parseJson } from "../../spiffe/index.ts";
import { AttestError } from "./errors.ts";
import { keyProblem, keyTypeOf } from "./jwt-algorithms.ts";

/** Longest document, in characters. */
export const MAX_JWKS_CHARS = 524_288;
const MAX_KEYS = 100;
/** Public members by key type. */
const MEMBERS: ReadonlyMap<string, readonly string[]> = new Map([
  ["RSA", ["n", "e"]],
  ["EC", ["crv", "x", "y"]],
  ["OKP", ["crv", "x"]],
]);

/** One public key of the set. */
export class IssuerKey {
  readonly keyId: string | undefined;
  readonly #jwk: JWK;
  /** The algorithm that the issuer restricts the key to, if any. */
  readonly #algorithm: string | undefined;
  readonly #imported = new Map<string, Promise<KeyObject>>();

  constructor(keyId: string | undefined, algorithm: string | undefined, jwk: JWK) {
    this.keyId = keyId;
    this.#algorithm = algorithm;
    this.#jwk = jwk;
  }

  /** Whether type and restrictions of the key allow the algorithm. */
  fits(algorithm: string): boolean {
    const type = keyTypeOf(algorithm);
    if (type === undefined || type.kty !== this.#jwk.kty) return false;
    if (this.#algorithm !== undefined && this.#algorithm !== algorithm) return false;
    return type.kty === "RSA" || type.crv === this.#jwk.crv;
  }

  /** The key for an algorithm that fits. @throws AttestError MCA_JWT_KEY_UNKNOWN for a key that cannot be used */
  publicKey(algorithm: string): Promise<KeyObject> {
    let imported = this.#imported.get(algorithm);
    if (imported === undefined) {
      imported = importPublic(this.#jwk, algorithm);
      this.#imported.set(algorithm, imported);
    }
    return imported;
  }
}

/** Reads a key set. @throws AttestError MCA_JWKS_UNAVAILABLE when it is none, or has no key that can be used */
export function parseJwkSet(text: string, where: string): readonly IssuerKey[] {
  let value: JsonValue;
  try {
    value = parseJson(text, MAX_JWKS_CHARS);
  } catch (cause) {
    throw unusable(where, "is not valid JSON", cause);
  }
  const keys = value instanceof Map ? value.get("keys") : undefined;
  if (!Array.isArray(keys)) throw unusable(where, 'is no JSON Web Key Set: it has no list "keys"');
  if (keys.length > MAX_KEYS) throw unusable(where, `has more than ${MAX_KEYS} keys`);
  const usable = keys.flatMap((key: JsonValue) => (key instanceof Map ? (parseKey(key) ?? []) : []));
  if (usable.length === 0) throw unusable(where, "has no public key that signs with an algorithm we accept");
  return usable;
}

function parseKey(key: JsonObject): IssuerKey | undefined {
  const kty = key.get("kty");
  const members = typeof kty === "string" ? MEMBERS.get(kty) : undefined;
  if (typeof kty !== "string" || members === undefined) return undefined;
  if (key.has("use") && key.get("use") !== "sig") return undefined;
  const operations = key.get("key_ops");
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) return undefined;
  for (const name of ["kid", "alg"]) if (key.has(name) && typeof key.get(name) !== "string") return undefined;
  const values = new Map<string, string>();
  for (const member of members) {
    const value = key.get(member);
    if (typeof value !== "string") return undefined;
    values.set(member, value);
  }
  const jwk: JWK = { kty, ...Object.fromEntries(values) };
  return new IssuerKey(textOf(key, "kid"), textOf(key, "alg"), jwk);
}

async function importPublic(jwk: JWK, algorithm: string): Promise<KeyObject> {
  let key: KeyObject;
  try {
    // Imported when the first token comes: jose takes 14 MB, and most servers never see a JWT.
    const { importJWK } = await import("jose");
    const imported = await importJWK(jwk, algorithm);
    if (imported instanceof Uint8Array) throw new TypeError("a symmetric key came out of a public one");
    key = KeyObject.from(imported);
  } catch (cause) {
    throw new AttestError("MCA_JWT_KEY_UNKNOWN", "The issuer's key for this token cannot be read.", { cause });
  }
  const problem = keyProblem(algorithm, key);
  if (problem !== undefined) {
    throw new AttestError("MCA_JWT_KEY_UNKNOWN", `The issuer's key for this token cannot be used: ${problem}.`);
  }
  return key;
}

function textOf(key: JsonObject, member: string): string | undefined {
  const value = key.get(member);
  return typeof value === "string" ? value : undefined;
}

function unusable(where: string, why: string, cause?: unknown): AttestError {
  return new AttestError(
    "MCA_JWKS_UNAVAILABLE",
    `The issuer's keys cannot be used: ${where} ${why}.`,
    cause === undefined ? {} : { cause },
  );
}
