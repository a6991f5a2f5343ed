// What a listener lets through, compiled once for each listener and policy set. The hot path only reads it.
import type { HttpConfig, ListenerConfig } from "../../config/listeners.ts";
import type { ObservedEvent } from "../../observe/records.ts";
import { type Matcher, oneOf } from "../../policy/match/matcher.ts";
import { badRequest, badResponse, type HttpRefusal, RefusedError } from "../refusal.ts";
import { parseHost } from "./host.ts";
import { type PathRules, pathRules } from "./path.ts";
import { FieldRoles } from "./roles.ts";
import { type HostNames, ServedHosts } from "./served-hosts.ts";

/** What the screens need to know of the policies: part of PolicySet. */
export interface PolicyNames {
  /** Names of the fields that policies look at, in lower case. */
  readonly fieldNames: ReadonlySet<string>;
  /** Whether a policy names paths or methods. */
  readonly namesTargets: boolean;
}

/** Called for what is changed without being refused. */
export type ScreenCount = (event: Extract<ObservedEvent, "dropped-trailer" | "request-id-replaced">) => void;

/** What screenTrailers needs. */
export interface TrailerRules {
  readonly roles: FieldRoles;
  /** Names that pass. */
  readonly trailers: ReadonlySet<string>;
  /** Whether `grpc-*` passes. */
  readonly grpcTrailers: boolean;
  readonly count: ScreenCount;
  /** 400 for requests, 502 for responses. */
  readonly refusal: (reason: string) => HttpRefusal;
}

export interface RequestRules extends TrailerRules {
  readonly path: PathRules;
  /** 443 over TLS, 80 in plaintext. */
  readonly defaultPort: 443 | 80;
  readonly allowBodyOnGet: boolean;
  /** Hosts that are served; undefined: every one. */
  readonly authorities: Matcher<string> | undefined;
  /** Those of them that this connection may name, by what its client asked for in the handshake; undefined: all of them. */
  readonly covered: Matcher<string> | undefined;
  /** Our id in Via (viaId). */
  readonly via: string;
}

export type ResponseRules = TrailerRules;

/**
 * The rules for the requests of a listener.
 * @param via our id in Via, from viaId
 * @throws RefusedError an authority of the listener is no host; the configuration's check says so before
 */
export function requestRules(
  listener: ListenerConfig,
  policies: PolicyNames,
  via: string,
  count: ScreenCount,
): RequestRules {
  const { http } = listener;
  const inbound = listener.direction === "inbound";
  const overTcp = !inbound && listener.listen.port !== null;
  return {
    roles: FieldRoles.ofRequests({
      policyNames: policies.fieldNames,
      refuseOverrides: policies.namesTargets,
      refuseBrowsers: overTcp && !listener.allowBrowsers,
      allowUnderscores: http.allowUnderscores,
    }),
    path: pathRules(http.relaxPath),
    defaultPort: inbound ? 443 : 80,
    allowBodyOnGet: http.allowBodyOnGet,
    authorities: inbound ? servedHosts(listener.hosts) : servedAuthorities(listener.authorities, overTcp),
    covered: undefined,
    via,
    trailers: lowerCased(http.requestTrailers),
    grpcTrailers: false,
    count,
    refusal: badRequest,
  };
}

/** The rules for the responses that a listener passes on. */
export function responseRules(http: HttpConfig, count: ScreenCount): ResponseRules {
  return {
    roles: FieldRoles.ofResponses(),
    trailers: lowerCased(http.responseTrailers),
    grpcTrailers: true,
    count,
    refusal: badResponse,
  };
}

/**
 * The hosts of an inbound listener; undefined: every one is served.
 * @throws RefusedError one is no host; the configuration's check says so before
 */
export function servedHosts(groups: readonly HostNames[]): ServedHosts | undefined {
  return ServedHosts.of(groups, () => {
    throw new RefusedError(badRequest("bad-host"));
  });
}

/**
 * The rules for one connection.
 * @param shared those of its listener, at present
 * @param covered what its client may name
 */
export function rulesOfConnection(shared: () => RequestRules, covered: Matcher<string>): () => RequestRules {
  let of = shared();
  let rules = { ...of, covered };
  return () => {
    const present = shared();
    if (present !== of) {
      of = present;
      rules = { ...of, covered };
    }
    return rules;
  };
}

/** On TCP none named means none served: whoever reaches the port borrows our identity. */
function servedAuthorities(authorities: readonly string[], overTcp: boolean): Matcher<string> | undefined {
  if (authorities.length === 0 && !overTcp) return undefined;
  return oneOf(authorities.map((authority) => parseHost(authority, 80)));
}

function lowerCased(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.map((name) => name.toLowerCase()));
}
