// Header smuggling: a field that we do not recognise and the application does, or one field that arrives as two. Fields that only the
// proxy may say never get through from outside, in any spelling that some program takes for theirs.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { FieldList } from "../../src/proxy-tls/http/exchange.ts";
import { fold, isProtected } from "../../src/proxy-tls/http/fields/names.ts";
import { screenRequest } from "../../src/proxy-tls/http/fields/screen-request.ts";
import { screenInterim, screenResponse } from "../../src/proxy-tls/http/fields/screen-response.ts";
import { screenTrailers } from "../../src/proxy-tls/http/fields/screen-trailers.ts";
import { rawRequest, rawRequest2, rawResponse, responseRulesOf, rulesOf } from "../proxy-tls/support/heads.ts";
import { refusalOf } from "../proxy-tls/support/refusal.ts";

const PROTECTED = [
  ...["x-forwarded-client-cert", "client-cert", "client-cert-chain", "x-ssl-client-cert", "x-ssl-client-verify"],
  ...["x-client-cert", "x-client-dn", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"],
  ...["x-forwarded-prefix", "x-forwarded-user", "x-forwarded-", "forwarded", "x-real-ip", "x-envoy-original-path"],
  ...["x-envoy-internal", "x-envoy-external-address", "l5d-client-id", "l5d-remote-ip", "l5d-dst-override"],
];

const strict = rulesOf();
const relaxed = rulesOf({ http: { allowUnderscores: true } });

/** As CGI, WSGI and their heirs name a field. */
const asVariable = (name: string) => `HTTP_${name.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`;

function namesOf(fields: FieldList): string[] {
  return fields.filter((_, index) => index % 2 === 0);
}

describe("A field that only the proxy may say", () => {
  for (const name of PROTECTED) {
    test(`${name} from outside is removed, in both directions and both versions`, () => {
      assert.ok(isProtected(name));
      for (const fields of [
        [name, "x"],
        [name, "x", "x-a", "1", name, "y"],
      ]) {
        for (const raw of [rawRequest(fields), rawRequest2(fields)]) {
          assert.deepEqual(namesOf(screenRequest(raw, strict).fields), fields.length > 2 ? ["x-a"] : []);
        }
        for (const version of ["1.0", "1.1", "2"] as const) {
          const { fields: left } = screenResponse(rawResponse(fields, { version }), responseRulesOf());
          assert.deepEqual(namesOf(left), fields.length > 2 ? ["x-a"] : []);
        }
      }
    });

    test(`a twin of ${name} is refused, whatever the listener allows`, () => {
      const spellings = [
        name.replaceAll("-", "_"),
        name.replace("-", "_"),
        name.replace("-", "."),
        name.replace(/-(?!.*-)/, "!"),
      ];
      for (const twin of new Set(spellings)) {
        const reason = twin.includes("_") ? "underscore" : "field-twin";
        for (const raw of [rawRequest([twin, "x"]), rawRequest2([twin, "x"])]) {
          if (twin === name) continue;
          assert.deepEqual(
            refusalOf(() => screenRequest(raw, strict)),
            [400, reason],
            twin,
          );
          assert.deepEqual(
            refusalOf(() => screenRequest(raw, relaxed)),
            [400, "field-twin"],
            twin,
          );
          assert.deepEqual(
            refusalOf(() => screenResponse(rawResponse([twin, "x"]), responseRulesOf())),
            [502, "field-twin"],
            twin,
          );
        }
      }
    });
  }

  test("never gets through in any spelling, requests, responses and trailers alike", () => {
    const separators = fc.constantFrom("-", "-", "-", "_", ".", "!", "~", "+", "^", "|", "--");
    const spelling = fc
      .tuple(fc.constantFrom(...PROTECTED), fc.infiniteStream(separators), fc.constantFrom("", "", "-", "_", ".", "x"))
      .map(([name, marks, end]) => name.replace(/-/g, () => marks.next().value) + end);
    const variables = new Set(PROTECTED.map(asVariable));
    const named = { requestTrailers: PROTECTED, responseTrailers: PROTECTED, allowUnderscores: true };
    fc.assert(
      fc.property(spelling, (name) => {
        const through: readonly (() => FieldList)[] = [
          () => screenRequest(rawRequest([name, "x"]), relaxed).fields,
          () => screenRequest(rawRequest2([name, "x"]), relaxed).fields,
          () => screenResponse(rawResponse([name, "x"]), responseRulesOf()).fields,
          () => screenTrailers([name, "x"], rulesOf({ http: named })),
          () => screenTrailers([name, "x"], responseRulesOf({ http: named })),
        ];
        for (const screen of through) {
          if (refusalOf(screen) !== undefined) continue;
          for (const left of namesOf(screen()))
            assert.ok(!variables.has(asVariable(left)), `${name} came through as ${left}`);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("Two names that other programs read as one", () => {
  test("fold alike exactly if CGI reads them as one variable", () => {
    const name = fc.string({ unit: fc.constantFrom(..."aZ0-_.~!x"), maxLength: 5 });
    fc.assert(
      fc.property(name, name, (a, b) => {
        assert.equal(fold(a) === fold(b), asVariable(a) === asVariable(b));
        assert.equal(fold(fold(a)), fold(a));
      }),
    );
  });

  test("are refused where the field means something to policy, framing, routing or identity", () => {
    const named = rulesOf({ http: { allowUnderscores: true }, fieldNames: ["x-tenant"] });
    const twins = [
      ...[
        "x_tenant",
        "x.tenant",
        "content_length",
        "transfer_encoding",
        "transfer.encoding",
        "content.length",
        "x_request_id",
      ],
      ...["x-request_id", "content_type", "x_forwarded-for", "set_cookie", "x_original_url"],
    ];
    for (const twin of twins) {
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest([twin, "1"]), named)),
        [400, "field-twin"],
        twin,
      );
    }
    assert.deepEqual(screenRequest(rawRequest(["x_other", "1", "x.y", "2"]), named).fields, [
      "x_other",
      "1",
      "x.y",
      "2",
    ]);
  });

  test("are refused with an underscore wherever the listener does not allow it", () => {
    for (const name of ["x_a", "_", "x-a_", "_x", "user_agent"]) {
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest([name, "1"]), strict)),
        [400, "underscore"],
      );
    }
  });
});

test("one field that would arrive as two, or as another one, is refused", () => {
  const values = [
    "a\r\nx-forwarded-client-cert: y",
    "a\nx: y",
    "a\rx: y",
    "a\0b",
    "\u010ax: y",
    "a\u560a",
    "\u010d\u010a",
    "a\x0b",
    "a\x7f",
  ];
  for (const value of values) {
    // In HTTP/1 the codec has refused it before: what the screens keep is written without another look.
    for (const name of ["x-a", "via", "authorization", "cookie", "content-type", "x-original-url", "x-tenant"]) {
      for (const raw of [rawRequest2([name, value]), rawRequest([name, value])]) {
        assert.deepEqual(
          refusalOf(() => screenRequest(raw, rulesOf({ fieldNames: ["x-tenant"] }))),
          [400, "field-value"],
          name,
        );
      }
    }
    for (const version of ["2", "1.1"] as const) {
      const raw = rawResponse(["x-a", value], { version });
      assert.deepEqual(
        refusalOf(() => screenResponse(raw, responseRulesOf())),
        [502, "field-value"],
      );
      assert.deepEqual(
        refusalOf(() => screenInterim({ ...raw, status: 103 }, responseRulesOf())),
        [502, "field-value"],
      );
    }
  }
  for (const name of [
    "x-a\r\nx",
    "x-a: y\r\nx",
    "x-a\0",
    "x-\u010a",
    "x a",
    "x-a:",
    ":authority",
    "",
    "X-Forwarded-For",
  ]) {
    assert.deepEqual(
      refusalOf(() => screenRequest(rawRequest2([name, "1"]), strict)),
      [400, "field-name"],
      name,
    );
    assert.deepEqual(
      refusalOf(() => screenRequest(rawRequest([name, "1"]), relaxed)),
      [400, "field-name"],
      name,
    );
  }
});
