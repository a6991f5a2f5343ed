// Which paths a policy means. They are read by the code that reads the paths of requests (http/fields/path.ts), and compared decoded.
import { parsePath, STRICT_PATH } from "../../http/fields/path.ts";
import { RefusedError } from "../../http/refusal.ts";
import { isBelow, SegmentGlob } from "./glob.ts";
import type { Matcher, Refuse } from "./matcher.ts";

class PathMatcher implements Matcher<string> {
  readonly #exact: ReadonlySet<string>;
  readonly #bases: readonly string[];
  readonly #globs: readonly SegmentGlob[];

  constructor(exact: ReadonlySet<string>, bases: readonly string[], globs: readonly SegmentGlob[]) {
    this.#exact = exact;
    this.#bases = bases;
    this.#globs = globs;
  }

  matches(path: string): boolean {
    if (this.#exact.size > 0 && this.#exact.has(path)) return true;
    for (const base of this.#bases) if (isBelow(path, base)) return true;
    for (const glob of this.#globs) if (glob.matches(path)) return true;
    return false;
  }
}

/** Reads the values of `paths`: exact, `*` within a segment, a final `/**`. */
export function parsePaths(values: readonly string[], refuse: Refuse): Matcher<string> {
  const exact = new Set<string>();
  const bases: string[] = [];
  const globs: SegmentGlob[] = [];
  values.forEach((value, index) => {
    const path = parsePattern(value, (sentence) => refuse(index, sentence));
    const below = path.endsWith("/**");
    const base = below ? path.slice(0, -3) : path;
    if (base.includes("**"))
      refuse(index, "** stands only at the end, as /**; * stands for characters of one segment.");
    if (base.includes("*")) globs.push(new SegmentGlob(base, "/", below));
    else if (below) bases.push(base);
    else exact.add(base);
  });
  return new PathMatcher(exact, bases, globs);
}

/** The decoded pattern. Its stars are those that were written: an encoded one is refused. */
function parsePattern(text: string, refuse: (sentence: string) => never): string {
  if (!text.startsWith("/")) return refuse("A path begins with /.");
  if (text.includes("?")) return refuse("Policies look at the path only: leave ? and the query out.");
  if (/%2a/i.test(text)) return refuse("%2A cannot be matched: * is a wildcard.");
  try {
    return parsePath(text, STRICT_PATH);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return refuse(`No request can have this path (${error.refusal.reason}). Write it as it is decoded and normalised.`);
  }
}
