import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OPEN_BODY } from "../../../../src/proxy-tls/http/exchange.ts";
import { screenRequest } from "../../../../src/proxy-tls/http/fields/screen-request.ts";
import { OUTBOUND, rawRequest, rawRequest2, rulesOf, VIA } from "../../support/heads.ts";
import { refusalOf } from "../../support/refusal.ts";

const rules = rulesOf();
const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** What is left of fields that come after Host. */
function kept(fields: readonly string[], of = rules): readonly string[] {
  return screenRequest(rawRequest(fields), of).fields;
}

describe("A request that is let through", () => {
  test("keeps its end-to-end fields in their order, as they came, and nothing else", () => {
    const head = screenRequest(
      rawRequest(
        [
          ...["accept", "*/*", "x-a", "1", "connection", "keep-alive, x-hop", "x-hop", "2", "x-a", "3"],
          ...["x-forwarded-client-cert", "URI=spiffe://example.test/admin", "keep-alive", "timeout=5", "cookie", "a=b"],
          ...["authorization", "Bearer x", "content-length", "3", "te", "trailers", "upgrade", "h2c", "cookie", "c=d"],
        ],
        { method: "POST", target: "/a%20b?c", framing: { kind: "length", bytes: 3 } },
      ),
      rules,
    );
    assert.deepEqual(head, {
      ...{ version: "1.1", method: "POST", target: "/a%20b?c", path: "/a b", authority: "shop.test" },
      fields: ["accept", "*/*", "x-a", "1", "x-a", "3", "cookie", "a=b", "authorization", "Bearer x", "cookie", "c=d"],
      ...{ body: { kind: "length", bytes: 3 }, expectsContinue: false, acceptsTrailers: true, close: false },
    });
  });

  test("loses every field that belongs to the connection, named or not", () => {
    const hop = ["keep-alive", "proxy-connection", "proxy-authorization", "http2-settings", "te", "upgrade"];
    for (const name of hop) {
      assert.deepEqual(kept([name, "x"]), [], name);
      assert.deepEqual(kept(["connection", name, name, "x"]), [], name);
    }
  });

  test("has one host, in one spelling", () => {
    for (const host of ["shop.test", "SHOP.test", "shop.test.", "shop.test:443", "Shop.Test.:443"]) {
      assert.equal(screenRequest(rawRequest([], { fields: ["host", host] }), rules).authority, "shop.test");
      assert.equal(screenRequest(rawRequest2([], { authority: host }), rules).authority, "shop.test");
      assert.equal(screenRequest(rawRequest2(["host", host]), rules).authority, "shop.test");
      assert.equal(screenRequest(rawRequest2(["host", host], { authority: undefined }), rules).authority, "shop.test");
    }
  });

  test("says whether the connection ends, whether trailers may follow, and whether it waits for 100", () => {
    assert.equal(screenRequest(rawRequest(["connection", "close"]), rules).close, true);
    assert.equal(screenRequest(rawRequest(["connection", "x-a , CLOSE"]), rules).close, true);
    assert.equal(screenRequest(rawRequest(["connection", "x-close"]), rules).close, false);
    assert.equal(screenRequest(rawRequest(["connection", "keep-alive"], { version: "1.0" }), rules).close, true);
    assert.equal(screenRequest(rawRequest(["te", "deflate;q=0.5, Trailers"]), rules).acceptsTrailers, true);
    assert.equal(screenRequest(rawRequest(["te", "trailers"], { version: "1.0" }), rules).acceptsTrailers, false);
    assert.equal(screenRequest(rawRequest(["te", "x-trailers"]), rules).acceptsTrailers, false);
    const waits = rawRequest(["expect", "100-Continue"], { method: "PUT", framing: OPEN_BODY });
    assert.equal(screenRequest(waits, rules).expectsContinue, true);
    assert.deepEqual(screenRequest(waits, rules).fields, ["expect", "100-Continue"]);
    const nothing = screenRequest(rawRequest(["expect", "100-continue"], { method: "PUT" }), rules);
    assert.deepEqual([nothing.expectsContinue, nothing.fields], [false, []]);
    const old = screenRequest({ ...waits, version: "1.0" }, rules);
    assert.deepEqual([old.expectsContinue, old.fields], [false, []]);
  });

  test("keeps an x-request-id of 1 to 128 harmless characters; any other is removed and counted", () => {
    const good = ["a", "6f1c2c0e-8a7b-4b53-9a35-2f4f6f1c2c0e", "A.z_0-9", "x".repeat(128)];
    for (const id of good) assert.deepEqual(kept(["x-request-id", id]), ["x-request-id", id]);
    const bad = ["", "x".repeat(129), "a b", 'a"', "a,b", "a/b", "\u00e4", "a\\n", "{jndi}", "<a>", "a:b", "a=b"];
    for (const id of bad) {
      const counted: string[] = [];
      assert.deepEqual(kept(["x-request-id", id, "x-a", "1"], rulesOf({ counted })), ["x-a", "1"], id);
      assert.deepEqual(counted, ["request-id-replaced"]);
    }
    assert.deepEqual(kept(["x-request-id", "a", "x-request-id", "b"]), []);
  });

  test("keeps a traceparent that is valid, with its tracestate; else neither", () => {
    const state = ["tracestate", "a=1", "tracestate", "b=2"];
    assert.deepEqual(kept(["traceparent", TRACE, ...state]), ["traceparent", TRACE, ...state]);
    assert.deepEqual(kept([...state, "traceparent", TRACE]), [...state, "traceparent", TRACE]);
    assert.deepEqual(kept(["traceparent", TRACE.toUpperCase(), ...state]), []);
    assert.deepEqual(kept(["traceparent", TRACE, "traceparent", TRACE, ...state]), []);
    assert.deepEqual(kept(state), []);
  });

  test("in HTTP/2 has its cookie in one piece, where its first crumb was", () => {
    const crumbs = ["x-a", "1", "cookie", "a=b", "x-b", "2", "cookie", "c=d", "cookie", "e=f"];
    assert.deepEqual(screenRequest(rawRequest2(crumbs), rulesOf({ fieldNames: ["cookie"] })).fields, [
      ...["x-a", "1", "cookie", "a=b; c=d; e=f", "x-b", "2"],
    ]);
  });

  test("in HTTP/2 is 400 where a crumb is empty: the cookie would end in a space", () => {
    for (const crumbs of [
      ["cookie", "a=b", "cookie", ""],
      ["cookie", "", "cookie", "", "cookie", "a=b"],
    ]) {
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest2(crumbs), rulesOf())),
        [400, "field-value"],
      );
    }
  });

  test("may have a body where a body means something, or where the listener allows it", () => {
    for (const framing of [OPEN_BODY, { kind: "length", bytes: 1 } as const]) {
      for (const method of ["POST", "PUT", "PATCH", "DELETE", "REPORT", "M-SEARCH"]) {
        assert.deepEqual(screenRequest(rawRequest([], { method, framing }), rules).body, framing);
      }
      for (const method of ["GET", "HEAD", "OPTIONS"]) {
        const raw = rawRequest([], { method, framing });
        assert.deepEqual(
          refusalOf(() => screenRequest(raw, rules)),
          [400, "body-refused"],
        );
        assert.deepEqual(screenRequest(raw, rulesOf({ http: { allowBodyOnGet: true } })).body, framing);
      }
    }
    const empty = { kind: "length", bytes: 0 } as const;
    assert.deepEqual(screenRequest(rawRequest([], { framing: empty }), rules).body, empty);
  });
});

describe("A request is refused", () => {
  const refused: readonly (readonly [status: number, reason: string, fields: readonly string[]])[] = [
    [400, "two-hosts", ["host", "shop.test"]],
    [417, "expectation", ["expect", "200-ok"]],
    [417, "expectation", ["expect", "100-continue, 100-continue"]],
    [417, "expectation", ["expect", "100-continue", "expect", "100-continue"]],
    [417, "expectation", ["expect", ""]],
    [508, "via", ["via", `1.1 ${VIA}`]],
    [508, "via", ["via", "1.0 fred", "via", `1.1 a, 2 ${VIA} (x), 1.1 b`]],
    [400, "websocket", ["connection", "upgrade", "upgrade", "WebSocket"]],
    [400, "websocket", ["upgrade", "h2c, websocket/13"]],
    [400, "connection-token", ["connection", "a b"]],
    [400, "connection-token", ["connection", "close; x"]],
    [400, "connection-token", ["connection", "close, \u00e4"]],
    [400, "underscore", ["x_a", "1"]],
    [400, "field-name", ["", "1"]],
    [400, "field-name", ["x a", "1"]],
    [400, "field-name", ["x-a\u00a0", "1"]],
    [400, "field-name", [":path", "/admin"]],
    [400, "field-name", ["X-A", "1"]],
    [400, "field-name", ["x-\u017f", "1"]],
  ];
  for (const [status, reason, fields] of refused) {
    test(`${status} ${reason}: ${fields.join(" ")}`, () => {
      const raw = rawRequest(fields, { method: "PUT", framing: OPEN_BODY });
      assert.deepEqual(
        refusalOf(() => screenRequest(raw, rules)),
        [status, reason],
      );
    });
  }

  test("405 for tunnels and echoes, 400 for what is no method", () => {
    for (const version of ["1.0", "1.1", "2"] as const) {
      for (const method of ["CONNECT", "TRACE", "TRACK", "PRI"]) {
        assert.deepEqual(
          refusalOf(() => screenRequest(rawRequest([], { version, method }), rules)),
          [405, "method-refused"],
        );
      }
      for (const method of ["", "get", "Get", "GET ", "GE\u0422", "G_T", "G1", "A".repeat(21), "\u212aEY", "GET\0"]) {
        assert.deepEqual(
          refusalOf(() => screenRequest(rawRequest([], { version, method }), rules)),
          [400, "method"],
        );
      }
    }
    assert.equal(screenRequest(rawRequest([], { method: "A".repeat(20) }), rules).method, "A".repeat(20));
  });

  test("400 without a host, or with one that is none", () => {
    assert.deepEqual(
      refusalOf(() => screenRequest(rawRequest([], { fields: [] }), rules)),
      [400, "no-host"],
    );
    assert.deepEqual(
      refusalOf(() => screenRequest(rawRequest2([], { authority: undefined }), rules)),
      [400, "no-host"],
    );
    for (const host of ["", "a b", "user@shop.test", "shop.test, shop.test"]) {
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest([], { fields: ["host", host] }), rules)),
        [400, "bad-host"],
      );
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest2([], { authority: host }), rules)),
        [400, "bad-host"],
      );
    }
  });

  test("400 in HTTP/2 where :authority and host differ", () => {
    for (const host of ["admin.test", "shop.test:80", "shop.test:8443", "xshop.test"]) {
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest2(["host", host]), rules)),
        [400, "two-hosts"],
        host,
      );
    }
    const twice = rawRequest2(["host", "shop.test", "host", "shop.test"]);
    assert.deepEqual(
      refusalOf(() => screenRequest(twice, rules)),
      [400, "two-hosts"],
    );
  });

  test("400 in HTTP/2 for fields of a connection, and for values that HTTP/1 could not say", () => {
    for (const name of ["connection", "transfer-encoding", "upgrade"]) {
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest2([name, "x"]), rules)),
        [400, "connection-field"],
        name,
      );
    }
    assert.deepEqual(
      refusalOf(() => screenRequest(rawRequest2(["te", "gzip"]), rules)),
      [400, "te"],
    );
    assert.equal(screenRequest(rawRequest2(["te", "trailers"]), rules).acceptsTrailers, true);
    for (const value of ["a\0", "a\r\nb", "\n", "a\u010ab", " a", "a\t", "\x7f"]) {
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest2(["x-a", value]), rules)),
        [400, "field-value"],
      );
    }
  });

  test("431 in HTTP/2 beyond 100 fields or 32 KiB, counted as HTTP/1 writes them", () => {
    const many = Array.from({ length: 100 }, (_, index) => [`x-${index}`, "1"]).flat();
    assert.equal(screenRequest(rawRequest2(many), rules).fields.length, 200);
    assert.deepEqual(
      refusalOf(() => screenRequest(rawRequest2([...many, "x", "1"]), rules)),
      [431, "too-many-fields"],
    );
    const target = "/".padEnd(1000, "a");
    const room = 32 * 1024 - 1000 - "GETshop.test".length - "x-a".length - 4;
    const large = rawRequest2(["x-a", "v".repeat(room)], { target });
    assert.equal(screenRequest(large, rules).fields.length, 2);
    const larger = rawRequest2(["x-a", "v".repeat(room + 1)], { target });
    assert.deepEqual(
      refusalOf(() => screenRequest(larger, rules)),
      [431, "head-too-large"],
    );
  });

  test("400 where a field that a policy names occurs twice, once is fine", () => {
    const named = rulesOf({ fieldNames: ["x-tenant", "authorization"] });
    for (const name of ["x-tenant", "authorization"]) {
      assert.deepEqual(kept([name, "a"], named), [name, "a"]);
      assert.deepEqual(
        refusalOf(() => kept([name, "a", "x-b", "1", name, "a"], named)),
        [400, "field-twice"],
      );
      assert.deepEqual(kept([name, "a", name, "b"]), [name, "a", name, "b"]);
    }
  });

  test("400 for fields that override method or path, where policies name those", () => {
    const named = rulesOf({ namesTargets: true });
    const names = ["x-original-url", "x-rewrite-url", "x-http-method", "x-http-method-override", "x-method-override"];
    for (const name of names) {
      assert.deepEqual(
        refusalOf(() => kept([name, "/admin"], named)),
        [400, "override"],
        name,
      );
      assert.deepEqual(kept([name, "/admin"]), [name, "/admin"]);
    }
  });

  test("421 on an outbound TCP listener for a host that is not configured, 400 from a browser", () => {
    const outbound = rulesOf({ listener: OUTBOUND });
    const host = (text: string) => rawRequest([], { fields: ["host", text] });
    assert.equal(screenRequest(host("Shop.test:80"), outbound).authority, "shop.test");
    for (const text of ["evil.test", "shop.test:443", "127.0.0.1", "xshop.test", "shop.test.evil.test"]) {
      assert.deepEqual(
        refusalOf(() => screenRequest(host(text), outbound)),
        [421, "authority"],
        text,
      );
    }
    for (const field of [
      ["origin", "null"],
      ["sec-fetch-site", "same-origin"],
    ]) {
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest(field), outbound)),
        [400, "browser"],
      );
      assert.deepEqual(kept(field, rulesOf({ listener: { ...OUTBOUND, allowBrowsers: true } })), field);
      assert.deepEqual(kept(field), field);
    }
    const none = rulesOf({ listener: { ...OUTBOUND, authorities: [] } });
    assert.deepEqual(
      refusalOf(() => screenRequest(rawRequest(), none)),
      [421, "authority"],
    );
    const listen = { host: "", port: null, path: "/run/x.sock" };
    const socket = rulesOf({ listener: { ...OUTBOUND, listen, authorities: [] } });
    assert.equal(screenRequest(host("any.test"), socket).authority, "any.test");
    assert.deepEqual(kept(["origin", "null"], socket), ["origin", "null"]);
  });
});
