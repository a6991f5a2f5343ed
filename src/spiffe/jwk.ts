// Public keys as JSON Web Keys (RFC 7517, RFC 7518, RFC 8037) for bundles: exactly the parameters that a key needs, and none
// that the SPIFFE standards do not define (rule B-7).
import { createPublicKey, type JsonWebKey } from "node:crypto";
import { decodeBase64Url } from "./base64.ts";
import type { JsonObject } from "./json.ts";

/** The parameters of the key types that we know, in the order in which they are written. */
const PARAMETERS: ReadonlyMap<string, readonly string[]> = new Map([
  ["EC", ["crv", "x", "y"]],
  ["RSA", ["n", "e"]],
  ["OKP", ["crv", "x"]],
]);

/** Parameters that only private keys have. */
const PRIVATE = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/** A public key as JWK members in order, `kty` first. */
export type PublicJwk = ReadonlyMap<string, string>;

/** Whether a JWK's `kty` is one that we can read. Others are ignored (rule B-6). */
export function isKnownKeyType(jwk: JsonObject): boolean {
  const kty = jwk.get("kty");
  return typeof kty === "string" && PARAMETERS.has(kty);
}

/** Whether somebody has published a private key. */
export function hasPrivateMembers(jwk: JsonObject): boolean {
  return PRIVATE.some((name) => jwk.has(name));
}

/**
 * The JWK of a public key.
 * @param spki SubjectPublicKeyInfo, DER
 * @throws RangeError for a key type that a JWK of ours cannot carry
 */
export function publicJwk(spki: Uint8Array): PublicJwk {
  const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  const jwk: Record<string, unknown> = { ...key.export({ format: "jwk" }) };
  const kty = String(jwk["kty"]);
  const parameters = PARAMETERS.get(kty);
  if (parameters === undefined) throw new RangeError(`no JWK for a key of type ${key.asymmetricKeyType}`);
  return new Map([["kty", kty], ...parameters.map((name): [string, string] => [name, String(jwk[name])])]);
}

/** Whether a JWK has exactly the key parameters of `expected`. */
export function isSameKey(jwk: JsonObject, expected: PublicJwk): boolean {
  for (const [name, value] of expected) {
    if (jwk.get(name) !== value) return false;
  }
  return true;
}

/**
 * The SubjectPublicKeyInfo (DER) of a JWK.
 * @throws Error when the parameters are missing, not base64url, or no key
 */
export function spkiOfJwk(jwk: JsonObject): Uint8Array {
  const kty = jwk.get("kty");
  const parameters = typeof kty === "string" ? PARAMETERS.get(kty) : undefined;
  if (typeof kty !== "string" || parameters === undefined) throw new RangeError("unknown kty");
  const key: JsonWebKey = { kty };
  for (const name of parameters) {
    const value = jwk.get(name);
    if (typeof value !== "string") throw new RangeError(`no ${name}`);
    if (name !== "crv" && decodeBase64Url(value) === undefined) throw new RangeError(`${name} is not base64url`);
    key[name] = value;
  }
  return new Uint8Array(createPublicKey({ key, format: "jwk" }).export({ format: "der", type: "spki" }));
}
