// The host that a request names: uri-host [ ":" port ] (RFC 9110 section 7.2, RFC 3986 section 3.2.2), for Host, :authority and the
// hosts of policies alike. One spelling for each host comes out, and that one is authorized and sent. Stricter than the RFC where
// spellings hide: no percent-encoding, no sub-delims (`,` and `;` separate, `*` is a pattern's), no empty label, no empty port.
import { badRequest, RefusedError } from "../refusal.ts";
import { characterTable, consistsOf } from "./characters.ts";

/** RFC 1035 section 2.3.4. */
const MAX_HOST_CHARACTERS = 253;
const COLON = 0x3a;
const DOT = 0x2e;
const STAR = 0x2a;
const REFUSED = 0;
const PLAIN = 1;
const UPPER = 2;

/** What a character of a name is. */
const NAME_TABLE = new Uint8Array(256);
for (const character of "abcdefghijklmnopqrstuvwxyz0123456789-._~") NAME_TABLE[character.charCodeAt(0)] = PLAIN;
for (const character of "ABCDEFGHIJKLMNOPQRSTUVWXYZ") NAME_TABLE[character.charCodeAt(0)] = UPPER;

/** What may stand in an IPv6 address: checked first, because URL takes much more. */
const ADDRESS_TABLE = characterTable("0123456789abcdefABCDEF:.");

/**
 * Reads a host: lower case, without the default port and without one trailing dot; IPv6 addresses as RFC 5952 has them, in hexadecimal.
 * What it returns, it reads as itself.
 * @param defaultPort the port that is left out: 443 over TLS, 80 in plaintext
 * @throws RefusedError 400 `bad-host`
 */
export function parseHost(text: string, defaultPort: number): string {
  return parse(text, defaultPort, false);
}

/**
 * Reads the host of a policy: as parseHost, but `*` may stand in a label.
 * @throws RefusedError 400 `bad-host`
 */
export function parseHostPattern(text: string, defaultPort: number): string {
  return parse(text, defaultPort, true);
}

/** Where the colon before the port of a host that was read is; -1: there is no port. */
export function portColon(authority: string): number {
  const colon = authority.lastIndexOf(":");
  return colon > authority.lastIndexOf("]") ? colon : -1;
}

function parse(text: string, defaultPort: number, stars: boolean): string {
  if (text.startsWith("[")) return parseAddress(text, defaultPort);
  let previous = DOT;
  let upper = false;
  let end = 0;
  for (; end < text.length; end += 1) {
    const code = text.charCodeAt(end);
    if (code === COLON) break;
    const kind = NAME_TABLE[code] ?? REFUSED;
    if (kind === REFUSED && !(stars && code === STAR)) throw badHost();
    if (code === DOT && previous === DOT) throw badHost();
    if (kind === UPPER) upper = true;
    previous = code;
  }
  const port = end === text.length ? "" : parsePort(text, end + 1, defaultPort);
  const nameEnd = previous === DOT ? end - 1 : end;
  if (nameEnd <= 0 || nameEnd > MAX_HOST_CHARACTERS) throw badHost();
  const name = nameEnd === text.length ? text : text.slice(0, nameEnd);
  return (upper ? name.toLowerCase() : name) + port;
}

/** "[" IPv6address "]" [ ":" port ]; neither IPvFuture nor a zone. */
function parseAddress(text: string, defaultPort: number): string {
  const close = text.indexOf("]");
  const address = text.slice(1, close);
  const url = close > 2 && consistsOf(address, ADDRESS_TABLE) ? URL.parse(`http://[${address}]/`) : null;
  if (url === null) throw badHost();
  if (close === text.length - 1) return url.hostname;
  if (text.charCodeAt(close + 1) !== COLON) throw badHost();
  return url.hostname + parsePort(text, close + 2, defaultPort);
}

/** `:` and the port, or "" for the default one: 1 to 65535, without a zero in front. */
function parsePort(text: string, start: number, defaultPort: number): string {
  if (start === text.length || text.charCodeAt(start) === 0x30) throw badHost();
  let port = 0;
  for (let index = start; index < text.length; index += 1) {
    const digit = text.charCodeAt(index) - 0x30;
    if (!(digit >= 0 && digit <= 9)) throw badHost();
    port = port * 10 + digit;
  }
  if (port > 65_535) throw badHost();
  return port === defaultPort ? "" : text.slice(start - 1);
}

function badHost(): RefusedError {
  return new RefusedError(badRequest("bad-host"));
}
