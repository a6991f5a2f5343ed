// Which hosts a policy means. They are read by the code that reads Host and :authority (http/fields/host.ts), so that case, a trailing dot
// and the default port are no differences. A host without a port means any port: what a client writes behind the colon opens nothing and
// escapes nothing.
import { parseHostPattern, portColon } from "../../http/fields/host.ts";
import { RefusedError } from "../../http/refusal.ts";
import { SegmentGlob } from "./glob.ts";
import type { Matcher, Refuse } from "./matcher.ts";

/** Inbound listeners speak TLS: what is left out of a normalised host is the port of https. */
export const DEFAULT_PORT = 443;

interface HostGlob {
  readonly glob: SegmentGlob;
  /** Undefined: any. */
  readonly port: string | undefined;
}

class HostMatcher implements Matcher<string> {
  /** `host`: any port; `host:port`: this one, the default one written out. */
  readonly #exact: ReadonlySet<string>;
  readonly #globs: readonly HostGlob[];

  constructor(exact: ReadonlySet<string>, globs: readonly HostGlob[]) {
    this.#exact = exact;
    this.#globs = globs;
  }

  matches(authority: string): boolean {
    const colon = portColon(authority);
    const host = colon === -1 ? authority : authority.slice(0, colon);
    if (this.#exact.has(host)) return true;
    const port = colon === -1 ? String(DEFAULT_PORT) : authority.slice(colon + 1);
    if (this.#exact.has(`${host}:${port}`)) return true;
    return this.#globs.some((entry) => (entry.port === undefined || entry.port === port) && entry.glob.matches(host));
  }
}

/** Reads the values of `hosts`: exact or with `*` within a label, with or without a port. */
export function parseHosts(values: readonly string[], refuse: Refuse): Matcher<string> {
  const exact = new Set<string>();
  const globs: HostGlob[] = [];
  values.forEach((value, index) => {
    if (value.includes("**")) refuse(index, "** has no meaning in a host: * stands for characters of one label.");
    // With no default port nothing is left out, so that a port that was written is told from none.
    const written = parsePattern(value, (sentence) => refuse(index, sentence));
    const colon = portColon(written);
    const host = colon === -1 ? written : written.slice(0, colon);
    const port = colon === -1 ? undefined : written.slice(colon + 1);
    if (host.includes("*")) globs.push({ glob: new SegmentGlob(host, ".", false), port });
    else exact.add(written);
  });
  return new HostMatcher(exact, globs);
}

function parsePattern(text: string, refuse: (sentence: string) => never): string {
  try {
    return parseHostPattern(text, 0);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return refuse("No request can have this host. Write host or host:port, without a scheme and a path.");
  }
}
