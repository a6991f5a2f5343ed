import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OPEN_BODY } from "../../../../src/proxy-tls/http/exchange.ts";
import { screenInterim, screenResponse } from "../../../../src/proxy-tls/http/fields/screen-response.ts";
import { screenTrailers } from "../../../../src/proxy-tls/http/fields/screen-trailers.ts";
import { readRequestTrailers } from "../../../../src/proxy-tls/http/h2/heads.ts";
import { rawRequest2, rawResponse, responseRulesOf, rulesOf } from "../../support/heads.ts";
import { refusalOf } from "../../support/refusal.ts";

const rules = responseRulesOf();

describe("A response", () => {
  test("keeps its end-to-end fields in their order, as they came, and nothing else", () => {
    const fields = [
      ...["content-type", "text/plain", "set-cookie", "a=b", "connection", "X-Hop", "x-hop", "1", "set-cookie", "c=d"],
      ...["keep-alive", "timeout=5", "transfer-encoding", "chunked", "x-forwarded-client-cert", "By=x", "l5d-a", "1"],
      ...[
        "x_under",
        "1",
        "upgrade",
        "h2c",
        "te",
        "trailers",
        "proxy-authenticate",
        "Basic",
        "x-request-id",
        "not an id",
      ],
    ];
    assert.deepEqual(screenResponse(rawResponse(fields, { framing: OPEN_BODY }), rules), {
      status: 200,
      fields: [
        ...["content-type", "text/plain", "set-cookie", "a=b", "set-cookie", "c=d", "x_under", "1"],
        ...["x-request-id", "not an id"],
      ],
      ...{ body: OPEN_BODY, close: false },
    });
  });

  test("says whether its connection may be used again", () => {
    const close = (changes: Parameters<typeof rawResponse>[1], fields: readonly string[] = []) =>
      screenResponse(rawResponse(fields, changes), rules).close;
    assert.equal(close({}), false);
    assert.equal(close({}, ["connection", "keep-alive"]), false);
    assert.equal(close({}, ["connection", "x-a, Close"]), true);
    assert.equal(close({ version: "1.0" }, ["connection", "keep-alive"]), true);
    assert.equal(close({ untilClose: true, framing: OPEN_BODY }), true);
  });

  const refused: readonly (readonly [reason: string, fields: readonly string[]])[] = [
    ["field-twin", ["x_forwarded_for", "1"]],
    ["field-twin", ["x-forwarded-client.cert", "1"]],
    ["field-twin", ["content_length", "1"]],
    ["field-name", ["x a", "1"]],
    ["connection-token", ["connection", "a b"]],
    ["connection-names-field", ["connection", "content-length"]],
    ["connection-names-field", ["connection", "close, Set-Cookie"]],
    ["connection-names-field", ["connection", "x-forwarded-client-cert"]],
    ["connection-names-field", ["connection", "x_real_ip"]],
  ];
  for (const [reason, fields] of refused) {
    test(`is 502 ${reason}: ${fields.join(" ")}`, () => {
      assert.deepEqual(
        refusalOf(() => screenResponse(rawResponse(fields), rules)),
        [502, reason],
      );
      assert.deepEqual(
        refusalOf(() => screenInterim(rawResponse(fields, { status: 103 }), rules)),
        [502, reason],
      );
    });
  }

  test("is 502 with a status that is none, or that switches protocols", () => {
    for (const status of [0, 99, 100, 101, 103, 199, 600, 999]) {
      assert.deepEqual(
        refusalOf(() => screenResponse(rawResponse([], { status }), rules)),
        [502, "status"],
      );
    }
    assert.equal(screenResponse(rawResponse([], { status: 599 }), rules).status, 599);
    for (const status of [99, 101, 200]) {
      assert.deepEqual(
        refusalOf(() => screenInterim(rawResponse([], { status }), rules)),
        [502, "interim-status"],
      );
    }
    for (const status of [102, 104, 199]) assert.deepEqual(screenInterim(rawResponse([], { status }), rules), []);
    const hints = rawResponse(["link", "</a>", "x-real-ip", "1"], { status: 103 });
    assert.deepEqual(screenInterim(hints, rules), ["link", "</a>"]);
  });

  test("in HTTP/2 is 502 with fields of a connection, values that HTTP/1 could not say, or too large a head", () => {
    const response = (fields: readonly string[]) =>
      refusalOf(() => screenResponse(rawResponse(fields, { version: "2" }), rules));
    for (const name of ["connection", "transfer-encoding", "upgrade"]) {
      assert.deepEqual(response([name, "x"]), [502, "connection-field"]);
    }
    for (const value of ["a\0", "a\r\nb", "\u010a", " a", "a "])
      assert.deepEqual(response(["x-a", value]), [502, "field-value"]);
    assert.deepEqual(response(Array.from({ length: 202 }, () => "x")), [502, "too-many-fields"]);
    assert.deepEqual(response(["x-a", "v".repeat(32 * 1024)]), [502, "head-too-large"]);
    assert.equal(response(["x-a", "v".repeat(32 * 1000)]), undefined);
  });
});

describe("Trailers", () => {
  test("of responses pass where they are grpc-* or named by the listener; others are dropped and counted", () => {
    const counted: string[] = [];
    const named = responseRulesOf({ http: { responseTrailers: ["Server-Timing"] }, counted });
    const trailers = ["grpc-status", "0", "server-timing", "a", "x-a", "1", "grpc-message", "", "content-md5", "x"];
    assert.deepEqual(screenTrailers(trailers, named), ["grpc-status", "0", "server-timing", "a", "grpc-message", ""]);
    assert.deepEqual(counted, ["dropped-trailer", "dropped-trailer"]);
    assert.deepEqual(screenTrailers(["server-timing", "a"], rules), []);
  });

  test("of requests pass only where the listener names them", () => {
    const counted: string[] = [];
    assert.deepEqual(screenTrailers(["grpc-status", "0", "x-sum", "1"], rulesOf({ counted })), []);
    assert.equal(counted.length, 2);
    const named = rulesOf({ http: { requestTrailers: ["X-Sum"] } });
    assert.deepEqual(screenTrailers(["x-sum", "1", "x-a", "2"], named), ["x-sum", "1"]);
  });

  test("never carry what means something in a head, whatever the listener names", () => {
    const names = ["content-length", "transfer-encoding", "host", "authorization", "cookie", "connection", "te", "via"];
    const more = ["x-request-id", "traceparent", "content-type", "expect", "keep-alive", "x-tenant", "set-cookie"];
    const all = [...names, ...more];
    const ofRequests = rulesOf({ http: { requestTrailers: all }, fieldNames: ["x-tenant"] });
    const ofResponses = responseRulesOf({ http: { responseTrailers: [...names, "set-cookie"] } });
    for (const name of all) assert.deepEqual(screenTrailers([name, "1"], ofRequests), [], name);
    for (const name of [...names, "set-cookie"]) assert.deepEqual(screenTrailers([name, "1"], ofResponses), [], name);
  });

  test("of HTTP/2 count into the octets of the head that came, method, target and host included", () => {
    const rest = 32 * 1024 - "GET/shop.test".length - "x-real-ip: \r\n".length - "x-t: \r\n".length;
    const head = rawRequest2(["x-real-ip", "v".repeat(20_000)]);
    const trailers = (bytes: number) => ["x-t", "v".repeat(bytes)];
    assert.deepEqual(readRequestTrailers(head, trailers(rest - 20_000), rulesOf()), []);
    assert.deepEqual(
      refusalOf(() => readRequestTrailers(head, trailers(rest - 19_999), rulesOf())),
      [431, "head-too-large"],
    );
  });

  test("never carry what a policy looks at, gRPC's own fields included", () => {
    const names = ["x-tenant", "grpc-tenant", "grpc-timeout"];
    const http = { requestTrailers: names };
    assert.deepEqual(screenTrailers(["grpc-tenant", "1"], rulesOf({ http })), ["grpc-tenant", "1"]);
    for (const name of names) {
      assert.deepEqual(screenTrailers([name, "1"], rulesOf({ http, fieldNames: names })), [], name);
    }
  });

  test("are refused where they are ours to say, in any spelling, whatever the listener names", () => {
    const names = ["x-forwarded-client-cert", "x-forwarded-for", "client-cert", "x-real-ip", "l5d-x", "x-envoy-y"];
    const ofRequests = rulesOf({ http: { requestTrailers: names, allowUnderscores: true } });
    const ofResponses = responseRulesOf({ http: { responseTrailers: names } });
    for (const name of names) {
      assert.deepEqual(
        refusalOf(() => screenTrailers([name, "1"], ofRequests)),
        [400, "protected-trailer"],
      );
      assert.deepEqual(
        refusalOf(() => screenTrailers([name, "1"], ofResponses)),
        [502, "protected-trailer"],
      );
      const twin = name.replace("-", "_");
      assert.deepEqual(
        refusalOf(() => screenTrailers([twin, "1"], ofRequests)),
        [400, "field-twin"],
      );
      assert.deepEqual(
        refusalOf(() => screenTrailers([twin, "1"], ofResponses)),
        [502, "field-twin"],
      );
    }
  });

  test("are refused with a value that no field may have", () => {
    for (const value of ["a\r\nx: y", "\0", "\u010a", " a"]) {
      assert.deepEqual(
        refusalOf(() => screenTrailers(["grpc-message", value], rules)),
        [502, "trailer-value"],
      );
    }
  });
});
