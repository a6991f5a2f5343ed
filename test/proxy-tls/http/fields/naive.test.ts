// The screen of requests beside a slow reading of the specification, over any mixture of names and values that mean something.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { screenRequest } from "../../../../src/proxy-tls/http/fields/screen-request.ts";
import { rawRequest, rulesOf } from "../../support/heads.ts";
import { naiveFields } from "../../support/naive-screen.ts";
import { refusalOf } from "../../support/refusal.ts";

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
const connection = fc.array(token, { maxLength: 3 }).map((tokens) => ["connection", tokens.join(", ")] as const);
const field = fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES));
// Mostly fields that pass, or a mixture is nearly always refused.
const plain = fc.tuple(
  fc.constantFrom("accept", "x-a", "x-b", "cookie", "x-request-id", "traceparent", "x-real-ip", "te"),
  fc.constantFrom("1", TRACE),
);
const pairs = fc.array(fc.oneof({ arbitrary: plain, weight: 4 }, { arbitrary: field, weight: 2 }, connection), {
  maxLength: 7,
});
const options = fc.record({
  named: fc.subarray(["x-tenant", "x-a", "cookie"]),
  namesTargets: fc.boolean(),
  allowUnderscores: fc.boolean(),
});

test("what the screen keeps and what it refuses is what the specification says, for any mixture of fields", () => {
  let kept = 0;
  let refused = 0;
  fc.assert(
    fc.property(pairs, options, (list, { named, namesTargets, allowUnderscores }) => {
      const rules = rulesOf({ fieldNames: named, namesTargets, http: { allowUnderscores } });
      const raw = rawRequest(list.flat());
      const expected = naiveFields(list, { named, namesTargets, allowUnderscores });
      const refusal = refusalOf(() => screenRequest(raw, rules));
      if (expected === undefined) {
        refused += 1;
        assert.equal(refusal?.[0], 400);
        return;
      }
      kept += 1;
      assert.equal(refusal, undefined);
      assert.deepEqual(screenRequest(raw, rules).fields, expected.flat());
    }),
    { numRuns: 5_000 },
  );
  assert.ok(kept > 500 && refused > 500, `${kept} kept, ${refused} refused: one side was hardly tried`);
});
