// The hosts that an inbound listener serves, in groups, and which of them a connection may name. A client that asked for a host in its
// handshake (SNI, RFC 6066 section 3) stays in that host's groups: whoever routes or permits connections by the name in front of us has
// let it through for that one alone. Another Host is misdirected (RFC 9110 section 15.5.20).
import { parseHosts } from "../../policy/match/hosts.ts";
import type { Matcher, Refuse } from "../../policy/match/matcher.ts";
import { RefusedError } from "../refusal.ts";
import { parseHost, parseHostPattern, portColon } from "./host.ts";

/** The names of one group, as in the configuration. */
export interface HostNames {
  readonly names: readonly string[];
}

interface Group {
  readonly hosts: Matcher<string>;
  /** The same without ports: a server name has none. */
  readonly serverNames: Matcher<string>;
}

/** A default port that no name has, so that a written port is told from none. */
const NO_PORT = 0;
const NOTHING: Matcher<string> = { matches: () => false };

export class ServedHosts implements Matcher<string> {
  readonly #groups: readonly Group[];

  private constructor(groups: readonly Group[]) {
    this.#groups = groups;
  }

  /**
   * @param refuse told which name of which group no request can have; throws
   * @returns undefined: no group is named, and every host is served
   */
  static of(
    groups: readonly HostNames[],
    refuse: (group: number, name: number, sentence: string) => never,
  ): ServedHosts | undefined {
    if (groups.length === 0) return undefined;
    return new ServedHosts(
      groups.map(({ names }, index) => {
        const refuseName: Refuse = (name, sentence) => refuse(index, name, sentence);
        return { hosts: parseHosts(names, refuseName), serverNames: parseHosts(names.map(withoutPort), refuseName) };
      }),
    );
  }

  /** Whether a normalised authority is served. */
  matches(authority: string): boolean {
    return this.#groups.some(({ hosts }) => hosts.matches(authority));
  }

  /**
   * What a client may name that asked for `serverName`.
   * @param serverName as it came; undefined: the client asked for none, as those that dial an address do
   * @returns undefined: everything that is served
   */
  coveredBy(serverName: string | undefined): Matcher<string> | undefined {
    if (serverName === undefined) return undefined;
    const name = hostOf(serverName);
    const groups = name === undefined ? [] : this.#groups.filter(({ serverNames }) => serverNames.matches(name));
    return groups.length === 0 ? NOTHING : new ServedHosts(groups);
  }
}

/** A server name as a normalised host; undefined: it is none, and so names nothing that is served. */
function hostOf(serverName: string): string | undefined {
  try {
    const host = parseHost(serverName, NO_PORT);
    return portColon(host) === -1 ? host : undefined;
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}

/** What cannot be read is left as it is, for parseHosts to refuse. */
function withoutPort(name: string): string {
  try {
    const host = parseHostPattern(name, NO_PORT);
    const colon = portColon(host);
    return colon === -1 ? host : host.slice(0, colon);
  } catch (error) {
    if (error instanceof RefusedError) return name;
    throw error;
  }
}
