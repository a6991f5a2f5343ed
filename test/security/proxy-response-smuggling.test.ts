// Responses that two readers cut in two ways, or that answer a request that was never sent (http-engine.md: Bodies, Upstream connections).
// The codec refuses them with 502 at every split; octets behind a response are never taken for one.
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { describe, test } from "node:test";
import { assertResponseRefused, parseResponses } from "../proxy-tls/support/parsed-streams.ts";

const OK = "HTTP/1.1 200 OK\r\n";
const POISON = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";

describe("framing that contradicts itself", () => {
  for (const [what, head, reason] of [
    ["a length and chunked", `${OK}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n`, "length-and-chunked"],
    ["chunked and a length", `${OK}transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n`, "length-and-chunked"],
    ["two lengths", `${OK}content-length: 3\r\ncontent-length: 4\r\n\r\n`, "two-lengths"],
    ["two equal lengths", `${OK}content-length: 3\r\ncontent-length: 3\r\n\r\n`, "two-lengths"],
    ["a list of lengths", `${OK}content-length: 3, 3\r\n\r\n`, "length-value"],
    ["a length with a sign", `${OK}content-length: +3\r\n\r\n`, "length-value"],
    ["a length with a leading zero", `${OK}content-length: 03\r\n\r\n`, "length-value"],
    ["a length of 16 digits", `${OK}content-length: 1000000000000000\r\n\r\n`, "length-value"],
    ["an empty length", `${OK}content-length:\r\n\r\n`, "length-value"],
    ["two codings", `${OK}transfer-encoding: gzip, chunked\r\n\r\n`, "transfer-encoding"],
    ["identity", `${OK}transfer-encoding: identity\r\n\r\n`, "transfer-encoding"],
    [
      "chunked twice",
      `${OK}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n`,
      "two-transfer-encodings",
    ],
    ["a space before the colon", `${OK}transfer-encoding : chunked\r\n\r\n`, "space-before-colon"],
    ["a folded coding", `${OK}transfer-encoding:\r\n chunked\r\n\r\n`, "folded-field"],
    ["a hidden length", `${OK}a: b\ncontent-length: 3\r\n\r\n`, "bare-lf"],
    ["a hidden length behind CR", `${OK}a: b\rcontent-length: 3\r\n\r\n`, "bare-cr"],
    ["a length behind 2,000 fields", `${OK}${"a: b\r\n".repeat(2_001)}content-length: 3\r\n\r\n`, "too-many-fields"],
    ["chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "transfer-encoding-in-1.0"],
    ["a length in 204", "HTTP/1.1 204 \r\ncontent-length: 3\r\n\r\n", "framing-in-bodyless"],
    ["a length of 0 in 204", "HTTP/1.1 204 \r\ncontent-length: 0\r\n\r\n", "framing-in-bodyless"],
    ["chunked in 204", "HTTP/1.1 204 \r\ntransfer-encoding: chunked\r\n\r\n", "framing-in-bodyless"],
    ["a length in 100", "HTTP/1.1 100 \r\ncontent-length: 3\r\n\r\n", "framing-in-bodyless"],
    ["chunked in 103", "HTTP/1.1 103 \r\ntransfer-encoding: chunked\r\n\r\n", "framing-in-bodyless"],
    ["a length in 101", "HTTP/1.1 101 \r\ncontent-length: 0\r\n\r\n", "framing-in-bodyless"],
  ] as const) {
    test(`${what}: 502`, () => {
      assertResponseRefused(`${head}abc${POISON}`, reason, { untilClose: "allow" });
    });
  }

  test("contradictions are refused in the response to HEAD, too", () => {
    assertResponseRefused(`${OK}content-length: 3\r\ncontent-length: 4\r\n\r\n`, "two-lengths", { methods: ["HEAD"] });
  });
});

describe("octets that are nobody's", () => {
  test("behind a response they are left where they are", () => {
    for (const [response, method] of [
      [`${OK}content-length: 0\r\n\r\n`, "GET"],
      [`${OK}content-length: 6\r\n\r\n`, "HEAD"],
      ["HTTP/1.1 204 \r\n\r\n", "POST"],
      ["HTTP/1.1 304 \r\ncontent-length: 60\r\n\r\n", "GET"],
      [`${OK}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`, "GET"],
    ] as const) {
      for (const sizes of [[], [1]]) {
        const parsed = parseResponses(response + POISON, { methods: [method], sizes });
        deepStrictEqual([parsed.messages.length, parsed.messages[0]?.body], [1, ""]);
        strictEqual(parsed.taken, response.length);
      }
    }
  });

  test("before any request they are not taken", () => {
    deepStrictEqual(parseResponses(POISON, { methods: [] }).messages, []);
  });

  test("a body is not read as a response, and interim responses are not taken for the final one", () => {
    const stream = `HTTP/1.1 100 \r\n\r\n${OK}content-length: ${POISON.length}\r\n\r\n${POISON}`;
    const parsed = parseResponses(stream, { methods: ["GET", "GET"] });
    strictEqual(parsed.messages.length, 1);
    strictEqual(parsed.messages[0]?.body, POISON);
  });

  test("the body that HEAD must not have is not swallowed as one", () => {
    const parsed = parseResponses(`${OK}content-length: 5\r\n\r\nhello`, { methods: ["HEAD", "GET"] });
    deepStrictEqual([parsed.messages.length, parsed.refusal?.reason], [1, "start-line"]);
  });

  test("empty lines between responses are refused", () => {
    const stream = `${OK}content-length: 0\r\n\r\n\r\n${POISON}`;
    assertResponseRefused(stream, "empty-line", { methods: ["GET", "GET"], messages: 1 });
  });
});
