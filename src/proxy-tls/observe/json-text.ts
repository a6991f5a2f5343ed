// Text of outsiders as a JSON string that can do no harm: printable ASCII stays, everything else becomes \uXXXX. So no line break forges
// a line, no control or right-to-left mark steers a terminal, and a string's length is its number of bytes.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;
const LAST_PRINTABLE = 0x7e;

/**
 * `text` as a JSON string with its quotes. What parses it gets the same UTF-16 units back, halves of pairs included.
 * @param limit characters of the result between the quotes; the rest of `text` is cut off, never within an escape
 */
export function jsonText(text: string, limit: number): string {
  const { length } = text;
  if (length > limit) return escaped(text, limit);
  for (let index = 0; index < length; index += 1) {
    if (!isPlain(text.charCodeAt(index))) return escaped(text, limit);
  }
  return `"${text}"`;
}

function isPlain(unit: number): boolean {
  return unit >= FIRST_PRINTABLE && unit <= LAST_PRINTABLE && unit !== QUOTE && unit !== BACKSLASH;
}

function escaped(text: string, limit: number): string {
  let result = '"';
  let from = 0;
  let room = limit;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    const plain = isPlain(unit);
    const replacement = plain ? "" : escapeOf(unit);
    const needed = plain ? 1 : replacement.length;
    if (needed > room) return `${result}${text.slice(from, index)}"`;
    room -= needed;
    if (plain) continue;
    result += text.slice(from, index) + replacement;
    from = index + 1;
  }
  return `${result}${text.slice(from)}"`;
}

function escapeOf(unit: number): string {
  if (unit === QUOTE) return '\\"';
  if (unit === BACKSLASH) return "\\\\";
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}
