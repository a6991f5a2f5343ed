// Fields of requests for property tests.
import fc from "fast-check";

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const NAMES = [
  ...[
    "accept",
    "x-a",
    "x-b",
    "x-tenant",
    "authorization",
    "cookie",
    "content-type",
    "user-agent",
    "x-request-id",
    "via",
  ],
  ...[
    "traceparent",
    "tracestate",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "upgrade",
    "http2-settings",
  ],
  ...[
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "client-cert",
    "x-ssl-client-dn",
    "x-client-x",
  ],
  ...[
    "x-envoy-a",
    "l5d-a",
    "x-forwarded",
    "l5d",
    "x-client",
    "clientcert",
    "x-original-url",
    "x-http-method",
    "origin",
  ],
  ...[
    "x_a",
    "x.a",
    "x_tenant",
    "x.tenant",
    "x_forwarded_for",
    "x-real.ip",
    "content_type",
    "x-request.id",
    "l5d.a",
    "host",
  ],
];
const VALUES = [
  "",
  "1",
  "a b",
  "close",
  TRACE,
  TRACE.toUpperCase(),
  "trailers",
  "websocket",
  "h2c",
  "r-1",
  "a,b",
  "\u00e4",
];

const token = fc.oneof(
  fc.constantFrom(...NAMES, "close", "trailers", "", " ", "a b", "x;y"),
  fc.constantFrom("X-A", "CLOSE", "Via"),
);
// Without space around it, as every value comes from the codec.
const connection = fc
  .array(token, { maxLength: 3 })
  .map((tokens) => ["connection", tokens.join(", ").replace(/^ +| +$/g, "")] as const);
const field = fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES));
// Mostly fields that pass, or a mixture is nearly always refused.
const plain = fc.tuple(
  fc.constantFrom("accept", "x-a", "x-b", "cookie", "x-request-id", "traceparent", "x-real-ip", "te"),
  fc.constantFrom("1", TRACE),
);
/** Fields of a request behind Host: mixtures of names and values that mean something, most of which may pass. */
export function anyFields(): fc.Arbitrary<(readonly [name: string, value: string])[]> {
  return fc.array(fc.oneof({ arbitrary: plain, weight: 4 }, { arbitrary: field, weight: 2 }, connection), {
    maxLength: 7,
  });
}
