// Which characters may stand where (RFC 9110 section 5.6.2, RFC 3986 appendix A), as closed tables over latin1. A character beyond
// U+00FF is in no table. Never a regular expression: these run over every byte that a stranger sends.

export const UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
export const SUB_DELIMS = "!$&'()*+,;=";

/** tchar without upper case: names are compared and written in lower case. */
const LOWER_TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";

/** A table that says 1 for each character of `characters`, else 0. */
export function characterTable(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let index = 0; index < characters.length; index += 1) table[characters.charCodeAt(index)] = 1;
  return table;
}

/** Characters of a method that we let through. */
export const METHOD_CHARACTERS = characterTable("ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
export const MAX_METHOD_CHARACTERS = 20;

/** Characters of a field name in lower case. */
export const NAME_CHARACTERS = characterTable(LOWER_TOKEN);

/** Characters of a field value: HTAB, SP, VCHAR, obs-text. */
export const VALUE_CHARACTERS = new Uint8Array(256).map((_, code) =>
  code === 0x09 || (code >= 0x20 && code !== 0x7f) ? 1 : 0,
);

/** Whether every character of `text` is in `table`. */
export function consistsOf(text: string, table: Uint8Array): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (table[text.charCodeAt(index)] !== 1) return false;
  }
  return true;
}
