// Which SPIFFE IDs a policy means. IDs are compared as whole texts or on segment boundaries, never as substrings: a SpiffeId that
// exists is valid, so that equal texts are equal IDs (ID-6).
import { SpiffeError, SpiffeId, TrustDomain } from "../../../spiffe/index.ts";
import { isBelow } from "./glob.ts";
import type { Matcher, Refuse } from "./matcher.ts";

class IdMatcher implements Matcher<string> {
  readonly #exact: ReadonlySet<string>;
  readonly #bases: readonly string[];

  constructor(exact: ReadonlySet<string>, bases: readonly string[]) {
    this.#exact = exact;
    this.#bases = bases;
  }

  matches(id: string): boolean {
    if (this.#exact.has(id)) return true;
    for (const base of this.#bases) if (isBelow(id, base)) return true;
    return false;
  }
}

/** Reads the values of `ids`: exact IDs, `spiffe://td/*`, `spiffe://td/path/**`. */
export function parseIds(values: readonly string[], refuse: Refuse): Matcher<string> {
  const exact = new Set<string>();
  const bases: string[] = [];
  values.forEach((value, index) => {
    try {
      if (value.endsWith("/**")) bases.push(baseOf(value.slice(0, -3)));
      else if (value.endsWith("/*")) bases.push(trustDomainOf(value.slice(0, -2)));
      else exact.add(exactId(value));
    } catch (error) {
      if (!(error instanceof SpiffeError || error instanceof PatternError)) throw error;
      refuse(index, error.message);
    }
  });
  return new IdMatcher(exact, bases);
}

/** What is wrong with a pattern, on its way to `refuse`. */
class PatternError extends Error {}

function exactId(text: string): string {
  if (text.includes("*")) throw new PatternError("A SPIFFE ID takes no * but a final /* (trust domain) or /**.");
  const id = SpiffeId.parse(text);
  if (id.path === "") {
    throw new PatternError(`It names a trust domain, and no caller. Write ${text}/* for everybody in it.`);
  }
  return id.toString();
}

function baseOf(text: string): string {
  if (text.includes("*")) throw new PatternError("A SPIFFE ID takes no * but a final /* (trust domain) or /**.");
  const id = SpiffeId.parse(text);
  if (id.path === "") throw new PatternError(`Write ${text}/* for a whole trust domain.`);
  return id.toString();
}

function trustDomainOf(text: string): string {
  if (!text.startsWith("spiffe://")) throw new PatternError("A SPIFFE ID begins with spiffe:// in lower case.");
  const name = text.slice("spiffe://".length);
  if (name.includes("/")) {
    throw new PatternError(`/* stands for a whole trust domain only. Write ${text}/** for everything below ${text}.`);
  }
  return TrustDomain.parse(name).id;
}
