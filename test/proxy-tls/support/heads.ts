// Heads for tests of the screens: a good one, of which a test changes what it is about.
import type { InboundConfig, OutboundConfig } from "../../../src/proxy-tls/config/listeners.ts";
import { NO_BODY } from "../../../src/proxy-tls/http/exchange.ts";
import {
  type RequestRules,
  type ResponseRules,
  requestRules,
  responseRules,
} from "../../../src/proxy-tls/http/fields/rules.ts";
import type { RawRequestHead, RawResponseHead } from "../../../src/proxy-tls/http/raw-head.ts";

export const HTTP_DEFAULTS: InboundConfig["http"] = {
  ...{ allowHttp10: false, allowBodyOnGet: false, allowUnderscores: false, relaxPath: [] },
  ...{ responseTrailers: [], requestTrailers: [], upstreamProtocol: "auto", shareUpstream: false },
};

export const INBOUND: InboundConfig = {
  ...{ direction: "inbound", name: "in", protocol: "http", host: "127.0.0.1", port: 0, minTlsVersion: "1.3" },
  ...{ target: { host: "127.0.0.1", port: 8080, path: null }, hosts: [], allowRemoteTarget: false },
  ...{ forwardedClientCert: "sanitize-set", http: HTTP_DEFAULTS },
};

export const OUTBOUND: OutboundConfig = {
  ...{ direction: "outbound", name: "out", protocol: "http", listen: { host: "127.0.0.1", port: 0, path: null } },
  ...{ targets: [{ host: "shop.test", port: 443 }], expect: ["spiffe://example.test/shop"] },
  ...{ authorities: ["shop.test"], allowBrowsers: false, http: HTTP_DEFAULTS },
};

export const VIA = "mesh-ca-0123456789abcdef";

export interface RuleChanges {
  readonly listener?: Partial<InboundConfig> | OutboundConfig;
  readonly http?: Partial<InboundConfig["http"]>;
  readonly fieldNames?: readonly string[];
  readonly namesTargets?: boolean;
  /** Takes what is counted. */
  readonly counted?: string[];
}

export function rulesOf(changes: RuleChanges = {}): RequestRules {
  const listener = { ...INBOUND, ...changes.listener };
  const http = { ...listener.http, ...changes.http };
  const policies = { fieldNames: new Set(changes.fieldNames), namesTargets: changes.namesTargets ?? false };
  return requestRules({ ...listener, http }, policies, VIA, (event) => changes.counted?.push(event));
}

export function responseRulesOf(changes: Pick<RuleChanges, "http" | "counted"> = {}): ResponseRules {
  return responseRules({ ...HTTP_DEFAULTS, ...changes.http }, (event) => changes.counted?.push(event));
}

/** GET / of shop.test, in HTTP/1.1, with more fields behind Host. */
export function rawRequest(fields: readonly string[] = [], changes: Partial<RawRequestHead> = {}): RawRequestHead {
  return {
    ...{ version: "1.1", method: "GET", target: "/", authority: undefined, framing: NO_BODY },
    fields: ["host", "shop.test", ...fields],
    ...changes,
  };
}

/** The same in HTTP/2. */
export function rawRequest2(fields: readonly string[] = [], changes: Partial<RawRequestHead> = {}): RawRequestHead {
  return rawRequest([], { version: "2", authority: "shop.test", fields, ...changes });
}

export function rawResponse(fields: readonly string[] = [], changes: Partial<RawResponseHead> = {}): RawResponseHead {
  return { version: "1.1", status: 200, fields, framing: NO_BODY, untilClose: false, ...changes };
}
