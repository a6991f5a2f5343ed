// XFCC spoofing: a caller that says who it is. What the application reads is what we verified, once, and never what came from outside.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { correlate } from "../../src/proxy-tls/http/fields/correlation.ts";
import { outgoingRequest } from "../../src/proxy-tls/http/fields/outgoing.ts";
import { NO_SAFE_FIELDS, safe } from "../../src/proxy-tls/http/fields/safe-fields.ts";
import { screenRequest } from "../../src/proxy-tls/http/fields/screen-request.ts";
import { writeElement } from "../../src/proxy-tls/http/fields/xfcc.ts";
import { systemRandom } from "../../src/runtime/index.ts";
import { rawRequest, rawRequest2, rulesOf, VIA } from "../proxy-tls/support/heads.ts";
import { refusalOf } from "../proxy-tls/support/refusal.ts";

const OURS = `By=spiffe://example.test/shop;Hash=${"ab".repeat(32)};URI=spiffe://example.test/cart`;
const ADMIN = "URI=spiffe://example.test/admin";

/** What an application that joins, and one that takes the first or the last, reads as XFCC. */
function seen(fields: readonly string[], version: "1.1" | "2", xfcc: string | undefined): readonly string[] {
  const rules = rulesOf({ http: { allowUnderscores: true } });
  const head = screenRequest(version === "2" ? rawRequest2(fields) : rawRequest(fields), rules);
  const correlation = correlate(head.fields, systemRandom);
  const clientCert = xfcc === undefined ? NO_SAFE_FIELDS : safe(["x-forwarded-client-cert", xfcc]);
  const written = outgoingRequest(head, { correlation, clientCert, via: VIA }).fields;
  return written.filter(
    (_, index) => /^x.forwarded.client.cert$/i.test(written[index - (index % 2)] ?? "") && index % 2 === 1,
  );
}

describe("A caller that sends XFCC itself", () => {
  const attempts = [
    ...[
      ["x-forwarded-client-cert", ADMIN],
      ["x-forwarded-client-cert", ADMIN, "x-forwarded-client-cert", ADMIN],
    ],
    ...[
      ["x-forwarded-client-cert", ""],
      ["x-forwarded-client-cert", `${OURS},${ADMIN}`],
    ],
    ...[
      ["x-forwarded-client-cert", ADMIN, "connection", "close"],
      ["te", "trailers", "x-forwarded-client-cert", ADMIN],
    ],
  ];
  for (const fields of attempts) {
    test(`${fields.join(" ")} is not believed`, () => {
      for (const version of ["1.1", "2"] as const) {
        if (version === "2" && fields.includes("connection")) continue;
        assert.deepEqual(seen(fields, version, OURS), [OURS]);
        assert.deepEqual(seen(fields, version, undefined), []);
      }
    });
  }

  test("in another spelling, or hidden by Connection, is refused", () => {
    const spellings = [
      "x_forwarded_client_cert",
      "x-forwarded-client_cert",
      "x.forwarded.client.cert",
      "x-forwarded_client-cert",
    ];
    for (const name of spellings) {
      assert.equal(refusalOf(() => seen([name, ADMIN], "1.1", OURS))?.[0], 400, name);
      assert.equal(refusalOf(() => seen([name, ADMIN], "2", OURS))?.[0], 400, name);
    }
    for (const name of ["x-forwarded-client-cert", "X-Forwarded-Client-Cert", "x_forwarded_client_cert"]) {
      assert.equal(refusalOf(() => seen(["connection", name], "1.1", OURS))?.[0], 400, name);
    }
  });

  test("cannot end our element by a value of its own", () => {
    const value = fc.string({ unit: fc.constantFrom(...'a,;="\\ \n\u00e4', "URI=", "By="), maxLength: 6 });
    fc.assert(
      fc.property(value, (uri) => {
        const element = writeElement(
          [
            ["Hash", "ab"],
            ["URI", uri],
          ],
          () => undefined,
        );
        // Outside quotes there are the pairs that we wrote and no other element.
        const bare = element.replace(/"(?:[^"\\]|\\")*"/g, "Q");
        assert.match(bare, /^Hash=ab(?:;URI=[^,;="]+)?$/);
      }),
      { numRuns: 1_000 },
    );
  });

  test("cannot add an element by another field's value", () => {
    const fields = ["x-a", `x-forwarded-client-cert: ${ADMIN}`, "x-request-id", `a,${ADMIN}`, "via", `1.1 a, ${ADMIN}`];
    assert.deepEqual(seen(fields, "1.1", OURS), [OURS]);
    assert.equal(refusalOf(() => seen(["x-a", `1\r\nx-forwarded-client-cert: ${ADMIN}`], "2", OURS))?.[0], 400);
  });
});
