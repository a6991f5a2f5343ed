// Methods (RFC 9110 section 9).
import { badRequest, RefusedError } from "../refusal.ts";
import { consistsOf, MAX_METHOD_CHARACTERS, METHOD_CHARACTERS } from "./characters.ts";

/** Tunnels, echoes of what was sent, and the preface of HTTP/2: refused everywhere. */
const REFUSED: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "TRACK", "PRI"]);

/** Whether a method is 1 to 20 of A to Z and `-`. */
export function isMethod(text: string): boolean {
  return text.length >= 1 && text.length <= MAX_METHOD_CHARACTERS && consistsOf(text, METHOD_CHARACTERS);
}

/**
 * Checks a method, and that it is none of those that are refused.
 * @throws RefusedError 400 or 405
 */
export function checkMethod(method: string): void {
  if (!isMethod(method)) throw new RefusedError(badRequest("method"));
  if (REFUSED.has(method)) {
    throw new RefusedError({ status: 405, code: "MCA_PROXY_METHOD_REFUSED", reason: "method-refused" });
  }
}

/** Whether a body has no meaning with this method: it would hide a second request from whoever expects none. */
export function meansNoBody(method: string): boolean {
  return method === "GET" || method === "HEAD" || method === "OPTIONS";
}
