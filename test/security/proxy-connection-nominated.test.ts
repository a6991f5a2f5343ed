// Connection-nominated fields: `Connection: authorization` asks a proxy to take a field away that the application decides by. Whatever
// means something to policy, framing, routing or identity may not be named; other named fields are gone before anybody decides.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { screenRequest } from "../../src/proxy-tls/http/fields/screen-request.ts";
import { screenResponse } from "../../src/proxy-tls/http/fields/screen-response.ts";
import { rawRequest, rawResponse, responseRulesOf, rulesOf } from "../proxy-tls/support/heads.ts";
import { refusalOf } from "../proxy-tls/support/refusal.ts";

const rules = rulesOf({ fieldNames: ["x-tenant"] });

const MEANINGFUL = [
  ...[
    "content-length",
    "transfer-encoding",
    "host",
    "authorization",
    "cookie",
    "x-request-id",
    "expect",
    "via",
    "trailer",
  ],
  ...[
    "connection",
    "content-type",
    "content-encoding",
    "traceparent",
    "tracestate",
    "x-original-url",
    "x-http-method-override",
  ],
  ...["x-forwarded-client-cert", "x-forwarded-for", "x-forwarded-anything", "forwarded", "x-real-ip", "client-cert"],
  ...[
    "x-client-dn",
    "x-ssl-client-verify",
    "x-envoy-internal",
    "l5d-client-id",
    "origin",
    "sec-fetch-site",
    "x-tenant",
  ],
];
const OF_THE_CONNECTION = [
  ...["close", "keep-alive", "te", "trailers", "upgrade", "http2-settings", "proxy-connection", "proxy-authorization"],
];

describe("Connection", () => {
  for (const name of MEANINGFUL) {
    test(`may not name ${name}, in any case, place or line`, () => {
      const capitals = name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
      for (const value of [
        name,
        capitals,
        name.toUpperCase(),
        `close, ${name}`,
        `${name}\t,keep-alive`,
        `,, ${name} ,`,
        `x-a,${name}`,
      ]) {
        const lines = [
          ["connection", value],
          ["connection", "close", "connection", value],
          [name, "1", "connection", value],
        ];
        for (const fields of lines) {
          if (fields[0] === "host") continue;
          const refusal = refusalOf(() => screenRequest(rawRequest(fields, { method: "PUT" }), rules));
          // Expect with that value is refused for itself.
          assert.ok(
            refusal?.[1] === "connection-names-field" || fields[0] === "expect" || fields[0] === "connection",
            `${fields}: ${refusal}`,
          );
        }
      }
    });
  }

  test("may not name a twin of such a field", () => {
    for (const twin of [
      "x_forwarded_for",
      "x.real.ip",
      "content_length",
      "x_request_id",
      "X_Tenant",
      "L5D_client-id",
    ]) {
      const refusal = refusalOf(() => screenRequest(rawRequest(["connection", twin]), rules));
      assert.deepEqual(refusal, [400, "connection-names-field"], twin);
    }
  });

  test("may name what belongs to it, which then changes nothing but the connection", () => {
    for (const name of OF_THE_CONNECTION) {
      assert.deepEqual(screenRequest(rawRequest(["x-a", "1", "connection", name]), rules).fields, ["x-a", "1"], name);
    }
  });

  test("takes other fields away before anybody decides, wherever they stand", () => {
    const head = screenRequest(
      rawRequest([
        "x-a",
        "1",
        "x-b",
        "2",
        "connection",
        "X-A , x-c",
        "x-c",
        "3",
        "connection",
        "x-d",
        "x-d",
        "4",
        "x-a",
        "5",
      ]),
      rules,
    );
    assert.deepEqual(head.fields, ["x-b", "2"]);
    assert.deepEqual(screenRequest(rawRequest(["accept", "*/*", "connection", "Accept"]), rules).fields, []);
  });

  test("is a list of tokens and nothing else", () => {
    for (const value of [
      "a b",
      "close;x",
      '"close"',
      "a=b",
      "x-a,\u00a0x-b",
      "\u00e4",
      "x/y",
      "(x)",
      "close\u000bx",
      "[a]",
    ]) {
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest(["connection", value]), rules)),
        [400, "connection-token"],
        value,
      );
      const response = rawResponse(["connection", value]);
      assert.deepEqual(
        refusalOf(() => screenResponse(response, responseRulesOf())),
        // No field may have a control character in its value, whatever the field means.
        [502, value.includes("\u000b") ? "field-value" : "connection-token"],
        value,
      );
    }
    assert.deepEqual(screenRequest(rawRequest(["connection", ""]), rules).fields, []);
  });

  test("of a response is held to the same, with 502", () => {
    for (const name of [
      "content-length",
      "transfer-encoding",
      "set-cookie",
      "x-forwarded-for",
      "x-request-id",
      "location",
    ]) {
      const response = rawResponse(["connection", `close, ${name}`]);
      assert.deepEqual(
        refusalOf(() => screenResponse(response, responseRulesOf())),
        [502, "connection-names-field"],
        name,
      );
    }
    const response = rawResponse(["x-a", "1", "connection", "x-a", "x-b", "2"]);
    assert.deepEqual(screenResponse(response, responseRulesOf()).fields, ["x-b", "2"]);
  });

  test("with thousands of names costs no more than its length", () => {
    const names = Array.from({ length: 8_000 }, (_, index) => `${index.toString(36)}`).join(",");
    const fields = Array.from({ length: 99 }, (_, index) => [`y-${index}`, "1"]).flat();
    assert.equal(screenRequest(rawRequest([...fields, "connection", names]), rules).fields.length, 198);
  });

  test("never decides what is left of the fields that mean something", () => {
    const token = fc.constantFrom(
      "close",
      "keep-alive",
      "x-a",
      "x-b",
      "te",
      "cookie",
      "authorization",
      "x-tenant",
      "",
      " ",
    );
    const fields = ["cookie", "a=b", "authorization", "x", "x-tenant", "t", "x-a", "1"];
    fc.assert(
      fc.property(fc.array(token, { maxLength: 5 }), (tokens) => {
        const raw = rawRequest([...fields, "connection", tokens.join(",")]);
        if (refusalOf(() => screenRequest(raw, rules)) !== undefined) return;
        const left = screenRequest(raw, rules).fields;
        assert.deepEqual(left, tokens.includes("x-a") ? fields.slice(0, 6) : fields);
      }),
    );
  });
});
