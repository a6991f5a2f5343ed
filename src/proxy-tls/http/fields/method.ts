// Methods (RFC 9110 section 9).
import { badRequest, RefusedError } from "../refusal.ts";

/** Tunnels, echoes of what was sent, and the preface of HTTP/2: refused everywhere. */
const REFUSED: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "TRACK", "PRI"]);

const MAX_CHARACTERS = 20;
const DASH = 0x2d;

/**
 * 1 to 20 of A to Z and `-`, and none of those that are refused.
 * @throws RefusedError 400 or 405
 */
export function checkMethod(method: string): void {
  if (method === "GET" || method === "POST") return;
  if (method.length < 1 || method.length > MAX_CHARACTERS) throw new RefusedError(badRequest("method"));
  for (let index = 0; index < method.length; index += 1) {
    const code = method.charCodeAt(index);
    if (code !== DASH && !(code >= 0x41 && code <= 0x5a)) throw new RefusedError(badRequest("method"));
  }
  if (REFUSED.has(method)) {
    throw new RefusedError({ status: 405, code: "MCA_PROXY_METHOD_REFUSED", reason: "method-refused" });
  }
}

/** Whether a body has no meaning with this method: it would hide a second request from whoever expects none. */
export function meansNoBody(method: string): boolean {
  return method === "GET" || method === "HEAD" || method === "OPTIONS";
}
