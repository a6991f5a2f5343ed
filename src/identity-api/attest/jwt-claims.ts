// What the registered claims of a JWT must say (RFC 7519 section 4.1, RFC 8725 section 3). Times are judged by our clock: the end exactly, the
// beginning with a little leeway, because an issuer's clock may be ahead of ours.
import type { JsonObject, JsonValue } from "../../spiffe/index.ts";
import { attributeValueProblem } from "./attributes.ts";
import { AttestError, type AttestErrorCode } from "./errors.ts";

/** How far `nbf` and `iat` may lie in the future. */
const LEEWAY_SECONDS = 60;
/** OpenID Connect Core 2: `sub` has at most 255 characters. */
const MAX_SUBJECT = 255;
/** RFC 3339's last second: anything later is no date. */
const MAX_SECONDS = 253_402_300_799;

export interface ClaimExpectations {
  readonly issuer: string;
  readonly audience: string;
  readonly maxAgeSeconds: number;
}

/** Whom the token is from and for. Cheap, so it is judged before any key is looked for. @throws AttestError MCA_JWT_ISSUER, MCA_JWT_AUDIENCE */
export function checkIssuerAndAudience(claims: JsonObject, expected: ClaimExpectations): void {
  if (claims.get("iss") !== expected.issuer) {
    throw refused("MCA_JWT_ISSUER", "The token is not of the issuer that this attestor knows.");
  }
  const audience = claims.get("aud");
  const audiences = Array.isArray(audience) ? audience : [audience];
  if (!audiences.includes(expected.audience)) {
    throw refused(
      "MCA_JWT_AUDIENCE",
      `The token is not meant for this server: ask the issuer for the audience "${expected.audience}".`,
    );
  }
}

/** The times. `now` in Unix milliseconds. @throws AttestError MCA_JWT_NO_EXPIRY, MCA_JWT_EXPIRED, MCA_JWT_NOT_YET_VALID, MCA_JWT_TOO_OLD */
export function checkTimes(claims: JsonObject, expected: ClaimExpectations, now: number): void {
  const seconds = now / 1000;
  const expiry = numericDate(claims, "exp");
  if (expiry === undefined)
    throw refused("MCA_JWT_NO_EXPIRY", "The token never expires (no exp); such tokens are not accepted.");
  if (seconds >= expiry) throw refused("MCA_JWT_EXPIRED", "The token has expired. Get a fresh one.");
  const notBefore = numericDate(claims, "nbf");
  const issuedAt = numericDate(claims, "iat");
  if (issuedAt === undefined) {
    throw refused(
      "MCA_JWT_TOO_OLD",
      "The token does not say when it was issued (no iat), so its age cannot be judged.",
    );
  }
  if (Math.max(notBefore ?? issuedAt, issuedAt) > seconds + LEEWAY_SECONDS) {
    throw refused(
      "MCA_JWT_NOT_YET_VALID",
      "The token is from the future. Compare the issuer's clock with the server's.",
    );
  }
  if (seconds - issuedAt > expected.maxAgeSeconds) {
    throw refused(
      "MCA_JWT_TOO_OLD",
      `The token was issued more than ${expected.maxAgeSeconds} s ago. Get a fresh one.`,
    );
  }
}

/** The subject. @throws AttestError MCA_JWT_MALFORMED */
export function subjectOf(claims: JsonObject): string {
  const subject = claims.get("sub");
  if (typeof subject !== "string" || subject.length > MAX_SUBJECT) {
    throw refused("MCA_JWT_MALFORMED", `The token has no sub of 1 to ${MAX_SUBJECT} characters.`);
  }
  const problem = attributeValueProblem(subject);
  if (problem !== undefined) throw refused("MCA_JWT_MALFORMED", `The token's sub ${problem}.`);
  return subject;
}

function numericDate(claims: JsonObject, name: string): number | undefined {
  if (!claims.has(name)) return undefined;
  const value: JsonValue | undefined = claims.get(name);
  const seconds = typeof value === "bigint" ? Number(value) : value;
  if (typeof seconds !== "number" || !(seconds >= 0 && seconds <= MAX_SECONDS)) {
    throw refused("MCA_JWT_MALFORMED", `The token's ${name} is not a date in seconds since 1970.`);
  }
  return seconds;
}

function refused(code: AttestErrorCode, sentence: string): AttestError {
  return new AttestError(code, sentence);
}
