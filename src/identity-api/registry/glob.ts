// What a selector asks of an attribute's value: an exact text, or a glob in which `*` stands for any run of characters
// within one segment (never across "/"). Matched piece by piece from the left, without a regular expression and without
// backtracking: one pass over the value for each piece, both bounded in length.

/** Longest pattern, in UTF-16 code units. Together with MAX_ATTRIBUTE_LENGTH it bounds the work of one match. */
export const MAX_PATTERN_LENGTH = 512;

/** Longest attribute value that an attestor establishes or a rule looks at. */
export const MAX_ATTRIBUTE_LENGTH = 1024;

export type Pattern =
  | { readonly kind: "exact"; readonly text: string }
  /** For each segment the texts between its stars: `a*b/*` is [["a", "b"], ["", ""]]. */
  | { readonly kind: "glob"; readonly text: string; readonly segments: readonly (readonly string[])[] };

/** Reads a pattern. What is wrong with it goes to `refuse`, which throws. */
export function parsePattern(text: string, refuse: (sentence: string) => never): Pattern {
  if (text === "") refuse("an empty value would never match; leave the selector out or write what it must equal.");
  if (text.length > MAX_PATTERN_LENGTH) refuse(`the value is longer than ${MAX_PATTERN_LENGTH} characters.`);
  if (!text.includes("*")) return { kind: "exact", text };
  if (text.includes("**")) refuse('"**" is not supported: "*" stands for any characters within one segment.');
  const other = /[?[\]{}\\]/.exec(text)?.[0];
  if (other !== undefined) {
    refuse(`"${other}" has no meaning in a glob here: "*" is the only wildcard. Write one rule for each alternative.`);
  }
  return { kind: "glob", text, segments: text.split("/").map((segment) => segment.split("*")) };
}

/** Whether the whole value fits the pattern. */
export function matchesPattern(pattern: Pattern, value: string): boolean {
  if (pattern.kind === "exact") return pattern.text === value;
  if (value.length > MAX_ATTRIBUTE_LENGTH) return false;
  const segments = value.split("/");
  if (segments.length !== pattern.segments.length) return false;
  return pattern.segments.every((pieces, index) => matchesSegment(pieces, segments[index] ?? ""));
}

function matchesSegment(pieces: readonly string[], segment: string): boolean {
  const first = pieces[0] ?? "";
  if (pieces.length === 1) return segment === first;
  const last = pieces[pieces.length - 1] ?? "";
  if (segment.length < first.length + last.length) return false;
  if (!segment.startsWith(first) || !segment.endsWith(last)) return false;
  const end = segment.length - last.length;
  let from = first.length;
  // The leftmost place for each piece leaves the most room for the next one, so nothing ever has to be tried again.
  for (const piece of pieces.slice(1, -1)) {
    const at = segment.indexOf(piece, from);
    if (at === -1 || at + piece.length > end) return false;
    from = at + piece.length;
  }
  return true;
}
