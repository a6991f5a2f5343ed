import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { correlate } from "../../../../src/proxy-tls/http/fields/correlation.ts";
import { outgoingRequest } from "../../../../src/proxy-tls/http/fields/outgoing.ts";
import { NO_SAFE_FIELDS, safe } from "../../../../src/proxy-tls/http/fields/safe-fields.ts";
import { screenRequest } from "../../../../src/proxy-tls/http/fields/screen-request.ts";
import { isTraceparent, startTrace, traceIdOf } from "../../../../src/proxy-tls/http/fields/traceparent.ts";
import { viaId, viaNames } from "../../../../src/proxy-tls/http/fields/via.ts";
import { writeElement, xfccElement } from "../../../../src/proxy-tls/http/fields/xfcc.ts";
import { PeerVerifier } from "../../../../src/proxy-tls/identity/peer-verifier.ts";
import { systemRandom } from "../../../../src/runtime/index.ts";
import { decodePem, parseCertificate } from "../../../../src/x509/index.ts";
import { rawRequest, rulesOf, VIA } from "../../support/heads.ts";
import { refusalOf } from "../../support/refusal.ts";
import { TestDomain } from "../../support/state.ts";

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** A caller, verified as the listener does it. */
function caller() {
  const domain = new TestDomain("example.test");
  const chain = decodePem(domain.identity("/ns/shop/sa/cart").certificateChainPem).map(({ der }) =>
    parseCertificate(der),
  );
  return new PeerVerifier([domain.trust()]).verify(chain, Date.now());
}

function outgoing(fields: readonly string[], clientCert = NO_SAFE_FIELDS) {
  const head = screenRequest(rawRequest(fields), rulesOf());
  const correlation = correlate(head.fields, systemRandom);
  return { correlation, fields: outgoingRequest(head, { correlation, clientCert, via: VIA }).fields };
}

describe("What is written to the target", () => {
  test("is what was decided on, then what is ours", () => {
    const said = ["x-a", "1", "x-request-id", "abc", "traceparent", TRACE, "via", "1.0 fred", "x-a", "2"];
    const { correlation, fields } = outgoing(said, safe(["x-forwarded-client-cert", "By=a;Hash=b;URI=c"]));
    assert.deepEqual(fields, [...said, "x-forwarded-client-cert", "By=a;Hash=b;URI=c", "via", `1.1 ${VIA}`]);
    assert.equal(correlation.requestId, "abc");
    assert.equal(correlation.traceId, TRACE.slice(3, 35));
  });

  test("has a new request id and a new trace where the caller gave none that is good", () => {
    for (const said of [[], ["x-request-id", "a b", "traceparent", "00-x", "tracestate", "a=1"]]) {
      const { correlation, fields } = outgoing(said);
      assert.deepEqual(
        fields.filter((_, index) => index % 2 === 0),
        ["x-request-id", "traceparent", "via"],
      );
      assert.match(correlation.requestId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.equal(fields[1], correlation.requestId);
      assert.match(fields[3] ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      assert.equal(traceIdOf(fields[3] ?? ""), correlation.traceId);
      assert.notEqual(outgoing(said).correlation.traceId, correlation.traceId);
    }
  });

  test("never has a field of ours twice, nor an XFCC where none is set", () => {
    const { fields } = outgoing(["x-forwarded-client-cert", "By=evil", "x-forwarded-client-cert", "By=evil"]);
    assert.ok(!fields.includes("x-forwarded-client-cert"));
  });

  test("goes through the validator, our own fields included", () => {
    const head = screenRequest(rawRequest(["x-a", "1"]), rulesOf());
    const good = correlate(head.fields, systemRandom);
    for (const bad of ["a\r\nb", "\0", "\u010a", "a ", "\u4e0d"]) {
      const unsafe: readonly (() => unknown)[] = [
        () => outgoingRequest(head, { correlation: good, clientCert: NO_SAFE_FIELDS, via: `${VIA}${bad}` }),
        () =>
          outgoingRequest(head, {
            correlation: { ...good, added: ["x-request-id", bad] },
            clientCert: NO_SAFE_FIELDS,
            via: VIA,
          }),
      ];
      for (const action of unsafe) assert.deepEqual(refusalOf(action), [400, "unsafe-field"]);
      assert.deepEqual(
        refusalOf(() => safe(["x-forwarded-client-cert", bad])),
        [500, "unsafe-field"],
      );
    }
  });
});

describe("XFCC", () => {
  test("is By, Hash and URI of the verified caller", () => {
    const peer = caller();
    const leftOut = () => assert.fail("a pair was left out");
    assert.equal(
      xfccElement("spiffe://example.test/ns/shop/sa/stock", peer, leftOut),
      `By=spiffe://example.test/ns/shop/sa/stock;Hash=${peer.certificateSha256};URI=spiffe://example.test/ns/shop/sa/cart`,
    );
    assert.match(peer.certificateSha256, /^[0-9a-f]{64}$/);
  });

  const never = () => assert.fail("a pair was left out");
  const written: readonly (readonly [value: string, text: string])[] = [
    ["spiffe://a/b", "spiffe://a/b"],
    ["a,b", '"a,b"'],
    ["a;b", '"a;b"'],
    ["a=b", '"a=b"'],
    ['a"b', '"a\\"b"'],
    ['",;="', '"\\",;=\\""'],
    ["a b", "a b"],
  ];
  for (const [value, text] of written) {
    test(`writes ${value} as ${text}`, () => assert.equal(writeElement([["URI", value]], never), `URI=${text}`));
  }

  test("leaves out, and counts, a pair with a backslash, a control or non-ASCII", () => {
    for (const value of ["a\\b", '\\"', "a\0", "a\nb", "a\r\nx: y", "\x7f", "\u00e4", "\u010a", "\u2028", ""]) {
      let leftOut = 0;
      const count = () => {
        leftOut += 1;
      };
      assert.equal(
        writeElement(
          [
            ["By", "a"],
            ["Hash", value],
            ["URI", "c"],
          ],
          count,
        ),
        "By=a;URI=c",
        JSON.stringify(value),
      );
      assert.equal(
        writeElement(
          [
            ["By", value],
            ["Hash", "b"],
          ],
          count,
        ),
        "Hash=b",
      );
      assert.equal(leftOut, 2);
    }
  });

  test("of any texts is read back by Envoy's rules as what was written", () => {
    const value = fc.string({ unit: fc.constantFrom(...'aB/:.,;=" \\\n\u00e4'), minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(value, value, (by, uri) => {
        const pairs: ["By" | "URI", string][] = [
          ["By", by],
          ["URI", uri],
        ];
        const writable = pairs.filter(([, text]) => /^[ -[\]-~]*$/.test(text));
        const element = writeElement(pairs, () => undefined);
        assert.deepEqual(readElement(element), writable);
      }),
      { numRuns: 500 },
    );
  });
});

/** Reads an element as Envoy does: pairs end at a `;` outside quotes, `\"` is a quote. */
function readElement(element: string): [string, string][] {
  const pairs: [string, string][] = [];
  for (let rest = element; rest !== ""; ) {
    const match = /^(By|URI)=(?:"((?:[^"\\]|\\")*)"|([^",;=]*))(?:;|$)/.exec(rest);
    assert.ok(match, rest);
    pairs.push([match[1] ?? "", match[3] ?? (match[2] ?? "").replaceAll('\\"', '"')]);
    rest = rest.slice(match[0].length);
  }
  return pairs;
}

describe("traceparent", () => {
  test("is read strictly", () => {
    assert.equal(isTraceparent(TRACE), true);
    assert.equal(traceIdOf(TRACE), "0af7651916cd43dd8448eb211c80319c");
    assert.equal(isTraceparent(`cc-${TRACE.slice(3)}`), true);
    assert.equal(isTraceparent(`cc-${TRACE.slice(3)}-what-the-future-brings`), true);
    const bad = [
      ...[
        "",
        "00",
        TRACE.slice(1),
        `${TRACE}-`,
        `${TRACE}0`,
        ` ${TRACE}`,
        `${TRACE} `,
        TRACE.toUpperCase(),
        `ff-${TRACE.slice(3)}`,
      ],
      ...[
        `cc-${TRACE.slice(3)}0`,
        TRACE.replace("0af", "0ag"),
        TRACE.replaceAll("-", "_"),
        TRACE.replace("-01", "-0-"),
      ],
      `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
      `00-0af7651916cd43dd8448eb211c80319c-${"0".repeat(16)}-01`,
      `00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01`,
      TRACE.replace("b7ad", "b7a-"),
      TRACE.replace("7651", "765\u0661"),
    ];
    for (const text of bad) assert.equal(isTraceparent(text), false, text);
  });

  test("that is started is valid", () => {
    for (let run = 0; run < 100; run += 1) assert.ok(isTraceparent(startTrace(systemRandom)));
  });
});

describe("Via", () => {
  test("has an id of its own for each listener and instance, the same in every worker", () => {
    const id = viaId("mesh-ca", "in", "ab");
    assert.match(id, /^mesh-ca-[0-9a-f]{16}$/);
    assert.equal(viaId("mesh-ca", "in", "ab"), id);
    const others = [
      viaId("mesh-ca", "out", "ab"),
      viaId("mesh-ca", "in", "ac"),
      viaId("mesh-ca", "ina", "b"),
      viaId("x", "in", "ab"),
    ];
    assert.equal(new Set([id, ...others]).size, 5);
  });

  test("is a loop only where it names exactly us", () => {
    for (const value of [
      `1.1 ${VIA}`,
      VIA,
      `1.1 a,2 ${VIA}`,
      `1.1 ${VIA},1.1 b`,
      `1.1 ${VIA} (x)`,
      `1.1 x${VIA}, 1.1 ${VIA}`,
    ]) {
      assert.equal(viaNames(value, VIA), true, value);
    }
    for (const value of [
      "",
      "1.1 mesh-ca",
      `1.1 ${VIA}0`,
      `1.1 x${VIA}`,
      `1.1 -${VIA}`,
      "1.1 mesh-ca-0123456789abcdee",
    ]) {
      assert.equal(viaNames(value, VIA), false, value);
    }
  });
});
