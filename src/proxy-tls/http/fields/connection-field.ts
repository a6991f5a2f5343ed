// The field Connection: a list of tokens (RFC 9110 section 7.6.1). It may say how the connection goes on and have fields removed that
// belong to it; it may not have fields removed that the next one decides by.
import { type HttpRefusal, RefusedError } from "../refusal.ts";
import { consistsOf, NAME_CHARACTERS } from "./characters.ts";
import type { FieldRoles } from "./roles.ts";

const SP = 0x20;
const HTAB = 0x09;

/** What the Connection fields of one head say. */
export class ConnectionField {
  close = false;
  /** Names of fields to be removed; undefined: none. */
  nominated: Set<string> | undefined;

  /**
   * Takes one field line.
   * @throws RefusedError
   */
  read(value: string, roles: FieldRoles, refusal: (reason: string) => HttpRefusal): void {
    if (value === "close") this.close = true;
    else if (value !== "keep-alive") forEachElement(value.toLowerCase(), (token) => this.#take(token, roles, refusal));
  }

  #take(token: string, roles: FieldRoles, refusal: (reason: string) => HttpRefusal): void {
    if (!consistsOf(token, NAME_CHARACTERS)) throw new RefusedError(refusal("connection-token"));
    if (token === "close") this.close = true;
    else if (roles.nominates(token)) {
      this.nominated ??= new Set();
      this.nominated.add(token);
    }
  }
}

/** Calls `take` with each element of a comma-separated list, without the white space around it; empty ones are left out (section 5.6.1). */
export function forEachElement(value: string, take: (element: string) => void): void {
  for (let start = 0; start <= value.length; ) {
    const comma = value.indexOf(",", start);
    const end = comma === -1 ? value.length : comma;
    let from = start;
    let to = end;
    while (from < to && isSpace(value.charCodeAt(from))) from += 1;
    while (to > from && isSpace(value.charCodeAt(to - 1))) to -= 1;
    if (from < to) take(value.slice(from, to));
    start = end + 1;
  }
}

function isSpace(code: number): boolean {
  return code === SP || code === HTAB;
}
