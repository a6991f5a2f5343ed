// "Did you mean ...?" for every name that somebody typed: an unknown one is refused, and the nearest known one is said.
import { closest, distance } from "fastest-levenshtein";

/** Nothing that is longer is near to a name of ours, and the comparison costs the product of both lengths. */
const MAX_LENGTH = 256;
/** Where nothing is near, so many names are told whole; more would bury the sentence. */
const MAX_TOLD = 20;

/**
 * ` Did you mean "x"?`; where nothing is near, the known names; the empty text where those are none, or too many.
 * `path` stands before a name: "listen" for "listen.port".
 */
export function nearestHint(name: string, known: readonly string[], path = ""): string {
  const candidate = nearest(name, known);
  if (candidate !== undefined) return ` Did you mean "${path === "" ? "" : `${path}.`}${candidate}"?`;
  return known.length === 0 || known.length > MAX_TOLD ? "" : ` Known here: ${known.join(", ")}.`;
}

function nearest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0 || name.length > MAX_LENGTH) return undefined;
  const candidate = closest(name, known);
  const near = distance(name.toLowerCase(), candidate.toLowerCase()) <= Math.max(2, Math.ceil(name.length / 2));
  return near ? candidate : undefined;
}
