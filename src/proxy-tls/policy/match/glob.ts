// Patterns of paths and hosts: `*` stands for any run of characters, none included, within one segment (label), and a final `/**` for
// everything below. Matched piece by piece from the left: no regular expression, no backtracking, nothing allocated.

type Segment = string | readonly string[];

/** A compiled pattern with at least one star in it. */
export class SegmentGlob {
  readonly #separator: string;
  /** A text is literal; a list holds the texts between stars. */
  readonly #segments: readonly Segment[];
  readonly #below: boolean;

  /**
   * @param pattern without the final `/**`
   * @param separator "/" or "."
   * @param below whether more segments may follow
   */
  constructor(pattern: string, separator: "/" | ".", below: boolean) {
    this.#separator = separator;
    this.#segments = pattern.split(separator).map((segment) => (segment.includes("*") ? segment.split("*") : segment));
    this.#below = below;
  }

  /** Whether the whole text fits. Behind the end of the text `start` is beyond `end`, which fits no segment. */
  matches(text: string): boolean {
    let start = 0;
    for (const segment of this.#segments) {
      const separator = text.indexOf(this.#separator, start);
      const end = separator === -1 ? text.length : separator;
      if (!matchesSegment(segment, text, start, end)) return false;
      start = end + 1;
    }
    return this.#below || start > text.length;
  }
}

function matchesSegment(segment: Segment, text: string, start: number, end: number): boolean {
  if (typeof segment === "string") return end - start === segment.length && text.startsWith(segment, start);
  const lastIndex = segment.length - 1;
  const first = segment[0] ?? "";
  const last = segment[lastIndex] ?? "";
  const limit = end - last.length;
  let from = start + first.length;
  if (from > limit || !text.startsWith(first, start) || !text.startsWith(last, limit)) return false;
  // The leftmost place for each piece leaves the most room for the next one, so that nothing has to be tried again.
  for (let index = 1; index < lastIndex; index++) {
    const piece = segment[index] ?? "";
    const at = text.indexOf(piece, from);
    if (at === -1 || at + piece.length > limit) return false;
    from = at + piece.length;
  }
  return true;
}

/** Whether `text` is `base`, or below it: on a boundary of segments, never a mere beginning. */
export function isBelow(text: string, base: string): boolean {
  return text.startsWith(base) && (text.length === base.length || text.charCodeAt(base.length) === 0x2f);
}
