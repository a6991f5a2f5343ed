// What a field's name and value may be made of (RFC 9110 sections 5.1, 5.5 and 5.6.2, with names in lower case as RFC 9113 section 8.2.1 wants
// them), for every codec of ours: closed tables over octets, or over latin1, which is the same. A character beyond U+00FF is in no table. Never a
// regular expression: these run over every byte that a stranger sends.

/** A table that says 1 for each character of `characters`, else 0. */
export function characterTable(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let index = 0; index < characters.length; index += 1) table[characters.charCodeAt(index)] = 1;
  return table;
}

export const LOWER_LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** Characters of a field name in lower case: tchar without upper case. */
export const NAME_CHARACTERS = characterTable(`!#$%&'*+-.^_\`|~0123456789${LOWER_LETTERS}`);

/** Characters of a field value: HTAB, SP, VCHAR, obs-text. */
export const VALUE_CHARACTERS = new Uint8Array(256).map((_, code) =>
  code === 0x09 || (code >= 0x20 && code !== 0x7f) ? 1 : 0,
);
