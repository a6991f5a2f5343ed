import assert from "node:assert/strict";
import { test } from "node:test";
import { isForwarded } from "../../../../src/proxy-tls/http/fields/roles.ts";

test("only fields that reach the target as the caller said them may be looked at by policies", () => {
  for (const name of ["x-tenant", "accept", "authorization", "cookie", "origin", "content-type", "x.y", "user-agent"]) {
    assert.equal(isForwarded(name), true, name);
  }
  const never = [
    ...[
      "host",
      "connection",
      "content-length",
      "transfer-encoding",
      "te",
      "upgrade",
      "keep-alive",
      "proxy-authorization",
    ],
    ...["x-forwarded-client-cert", "x-forwarded-for", "forwarded", "l5d-x", "x-request-id", "traceparent", "via"],
    ...["x_forwarded_for", "content_length", "", "a b", "X-Tenant", "x-\u00e4"],
  ];
  for (const name of never) assert.equal(isForwarded(name), false, name);
});
