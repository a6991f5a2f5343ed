// The rules of request fields once more, slow and in the words of the specification: what http/fields is compared with.
import { FIELD_NAME } from "../../http2/support/field-grammar.ts";

const asVariable = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, "-");
const PROTECTED =
  /^(?:x-forwarded-client-cert|client-cert|client-cert-chain|x-ssl-client-.*|x-client-.*|x-forwarded-.*|forwarded|x-real-ip|x-envoy-.*|l5d-.*)$/;
const OVERRIDES = /^(?:x-original-url|x-rewrite-url|x-http-method|x-http-method-override|x-method-override)$/;
const REMOVED =
  /^(?:connection|keep-alive|proxy-connection|proxy-authorization|proxy-authenticate|upgrade|http2-settings|te)$/;
const KNOWN_IN_CONNECTION =
  /^(?:close|keep-alive|te|trailers|upgrade|http2-settings|proxy-connection|proxy-authorization|proxy-authenticate)$/;
/** What means something to policy, framing, routing or identity, beside the protected names. */
const MEANING =
  /^(?:content-length|transfer-encoding|host|authorization|cookie|x-request-id|traceparent|tracestate|via|expect|connection|trailer|content-type|content-encoding|content-range|range|set-cookie|location|www-authenticate|grpc-status|grpc-message|grpc-timeout|origin|sec-fetch-site)$/;

export interface NaiveOptions {
  /** Names that policies look at. */
  readonly named: readonly string[];
  readonly namesTargets: boolean;
  readonly allowUnderscores: boolean;
}

type Pair = readonly [name: string, value: string];

/** The fields that are kept of a GET in HTTP/1.1, Host left out; undefined: refused. */
export function naiveFields(pairs: readonly Pair[], options: NaiveOptions): readonly Pair[] | undefined {
  const means = (name: string): boolean =>
    MEANING.test(name) || PROTECTED.test(name) || OVERRIDES.test(name) || options.named.includes(name);
  const values = (wanted: string) => pairs.filter(([name]) => name === wanted).map(([, value]) => value);

  for (const [name] of pairs) {
    if (name === "host") return undefined;
    if (!options.allowUnderscores && name.includes("_")) return undefined;
    if (name !== asVariable(name) && means(asVariable(name))) return undefined;
    if (options.namesTargets && OVERRIDES.test(name)) return undefined;
    if (options.named.includes(name) && values(name).length > 1) return undefined;
  }
  if (values("upgrade").some((value) => /websocket/i.test(value))) return undefined;

  const tokens = values("connection").flatMap((value) => value.split(",").map((token) => token.trim().toLowerCase()));
  const nominated = tokens.filter((token) => token !== "");
  for (const token of nominated) {
    if (!FIELD_NAME.test(token)) return undefined;
    if (!KNOWN_IN_CONNECTION.test(token) && means(asVariable(token))) return undefined;
  }

  const ids = values("x-request-id");
  const goodId = ids.length === 1 && /^[A-Za-z0-9._-]{1,128}$/.test(ids[0] ?? "");
  const traces = values("traceparent");
  const goodTrace =
    traces.length === 1 && /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/.test(traces[0] ?? "");
  return pairs.filter(([name]) => {
    if (REMOVED.test(name) || PROTECTED.test(name) || nominated.includes(name)) return false;
    if (name === "x-request-id") return goodId;
    return name === "traceparent" || name === "tracestate" ? goodTrace : true;
  });
}
