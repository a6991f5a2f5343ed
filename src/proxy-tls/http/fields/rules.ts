// What a listener lets through, compiled once for each listener and policy set. The hot path only reads it.
import type { HttpConfig, ListenerConfig } from "../../config/listeners.ts";
import type { ObservedEvent } from "../../observe/records.ts";
import { badRequest, badResponse, type HttpRefusal } from "../refusal.ts";
import { parseHost } from "./host.ts";
import { type PathRules, pathRules } from "./path.ts";
import { FieldRoles } from "./roles.ts";

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
  readonly authorities: ReadonlySet<string> | undefined;
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
    authorities: inbound ? undefined : servedAuthorities(listener.authorities, overTcp),
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

/** On TCP none named means none served: whoever reaches the port borrows our identity. */
function servedAuthorities(authorities: readonly string[], overTcp: boolean): ReadonlySet<string> | undefined {
  if (authorities.length === 0 && !overTcp) return undefined;
  return new Set(authorities.map((authority) => parseHost(authority, 80)));
}

function lowerCased(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.map((name) => name.toLowerCase()));
}
