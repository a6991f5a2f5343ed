// Via (RFC 9110 section 7.6.3): the chain of proxies that a request went through. Ours carries an id that no other proxy has, because two
// proxies in a row are usual and one proxy twice is a loop.
import { createHash } from "node:crypto";
import { characterTable } from "./characters.ts";

const ID_HEX_DIGITS = 16;
/** What an id is made of. */
const ID_CHARACTERS = characterTable("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");

/**
 * Our id in Via: `mesh-ca-0123456789abcdef`.
 * @param name the configured name
 * @param listener the listener's name: a request may go out by one and come in by another
 * @param instance what no other proxy has, and every worker of this one: SHA-256 of our certificate
 */
export function viaId(name: string, listener: string, instance: string): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([listener, instance]))
    .digest("hex");
  return `${name}-${hash.slice(0, ID_HEX_DIGITS)}`;
}

/** Whether a Via field names `id`, as a whole word. */
export function viaNames(value: string, id: string): boolean {
  for (let at = value.indexOf(id); at !== -1; at = value.indexOf(id, at + 1)) {
    if (!isIdCharacter(value, at - 1) && !isIdCharacter(value, at + id.length)) return true;
  }
  return false;
}

function isIdCharacter(text: string, index: number): boolean {
  return ID_CHARACTERS[text.charCodeAt(index)] === 1;
}
