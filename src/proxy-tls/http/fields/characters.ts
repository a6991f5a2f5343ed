// Which characters may stand where (RFC 9110 section 5.6.2, RFC 3986 appendix A), as closed tables over latin1. What fields are made of is said
// where HTTP/2 reads them, so that what one version lets in is what the other writes.
import { characterTable } from "../../../http2/index.ts";

export { characterTable, NAME_CHARACTERS, VALUE_CHARACTERS } from "../../../http2/index.ts";

export const UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
export const SUB_DELIMS = "!$&'()*+,;=";

/** Characters of a method that we let through. */
export const METHOD_CHARACTERS = characterTable("ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
export const MAX_METHOD_CHARACTERS = 20;

/** Whether every character of `text` is in `table`. */
export function consistsOf(text: string, table: Uint8Array): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (table[text.charCodeAt(index)] !== 1) return false;
  }
  return true;
}
