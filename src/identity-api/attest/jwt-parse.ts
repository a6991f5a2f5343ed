// The compact form of a JWT (RFC 7515 section 7.1, RFC 7519), read strictly and bounded: exact base64url, UTF-8, one JSON object without a
// name twice in header and claims. Nothing is verified here, and nothing that this returns may be believed before it is.
import { type JsonObject, parseJson } from "../../spiffe/index.ts";
import { AttestError } from "./errors.ts";

/** Longest token, in characters. Kubernetes tokens have about 1,200. */
export const MAX_JWT_CHARS = 16_384;

export interface UnverifiedJwt {
  readonly algorithm: string;
  readonly keyId: string | undefined;
  readonly claims: JsonObject;
  /** What was signed: header and claims as sent. */
  readonly signingInput: Uint8Array;
  readonly signature: Uint8Array;
}

/** Takes a JWT apart. @throws AttestError MCA_JWT_MALFORMED, MCA_JWT_TOO_LARGE, MCA_JWT_ALGORITHM (no `alg`) */
export function parseJwt(text: string): UnverifiedJwt {
  if (text.length > MAX_JWT_CHARS) {
    throw new AttestError("MCA_JWT_TOO_LARGE", `The token is longer than ${MAX_JWT_CHARS} characters.`);
  }
  const [header64, claims64, signature64, ...more] = text.split(".");
  if (header64 === undefined || claims64 === undefined || signature64 === undefined || more.length > 0) {
    throw malformed("it is not three parts with dots between them");
  }
  const header = parsePart(header64, "header");
  const claims = parsePart(claims64, "claims");
  checkHeader(header);
  const algorithm = header.get("alg");
  if (typeof algorithm !== "string")
    throw new AttestError("MCA_JWT_ALGORITHM", "The token's header names no algorithm.");
  const keyId = header.get("kid");
  if (keyId !== undefined && typeof keyId !== "string") throw malformed("its kid is not a text");
  return {
    algorithm,
    keyId,
    claims,
    signingInput: Buffer.from(`${header64}.${claims64}`, "latin1"),
    signature: decode(signature64, "signature"),
  };
}

/** Header parameters that would change what is verified, and how, are refused; keys in the header are never looked at. */
function checkHeader(header: JsonObject): void {
  // RFC 7515 4.1.11: whoever does not understand a critical parameter must refuse. We understand none.
  for (const name of ["crit", "b64", "enc", "zip"]) {
    if (header.has(name)) throw malformed(`its header has "${name}", which is not supported`);
  }
  const type = header.get("typ");
  if (type === undefined) return;
  // RFC 8725 3.11: tokens made for another purpose (logout, introspection, DPoP proofs) are no evidence.
  if (typeof type !== "string" || !["jwt", "at+jwt", "application/at+jwt"].includes(type.toLowerCase())) {
    throw malformed("its typ is neither JWT nor at+jwt");
  }
}

function parsePart(text: string, what: string): JsonObject {
  const bytes = decode(text, what);
  let value: unknown;
  try {
    value = parseJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes), MAX_JWT_CHARS);
  } catch {
    // The cause would repeat part of the token.
    throw malformed(`its ${what} are not valid JSON in UTF-8, or hold a name twice`);
  }
  if (!(value instanceof Map)) throw malformed(`its ${what} are not a JSON object`);
  return value;
}

function decode(text: string, what: string): Uint8Array {
  const bytes = Buffer.from(text, "base64url");
  // Node skips what it does not know; only the exact encoding is the same text again.
  if (text === "" || bytes.toString("base64url") !== text) throw malformed(`its ${what} are not base64url`);
  return bytes;
}

function malformed(found: string): AttestError {
  return new AttestError("MCA_JWT_MALFORMED", `The token cannot be read: ${found}.`);
}
