// "Did you mean ...?" for every name that somebody typed: an unknown one is refused, and the nearest known one is said.
import { closest } from "fastest-levenshtein";

/** ` Did you mean "x"?`, or the empty text where there is nothing to suggest. */
export function nearestHint(name: string, known: readonly string[]): string {
  // A typed name may be long; nothing beyond this length is near to a name of ours.
  if (known.length === 0 || name.length > 256) return "";
  return ` Did you mean "${closest(name, known)}"?`;
}
