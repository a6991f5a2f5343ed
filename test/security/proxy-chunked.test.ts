// Chunked bodies that two readers might read in two ways (proxy.md: request smuggling; http-engine.md: Bodies). Each trick is refused by the
// codec, in requests and in responses, at every split; what is left of the coding is what every reader understands alike.
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { describe, test } from "node:test";
import {
  assertRequestRefused,
  assertResponseRefused,
  parseRequests,
  parseResponses,
} from "../proxy-tls/support/parsed-streams.ts";

const REQUEST = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
const RESPONSE = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

const refused: [string, string, string][] = [
  ["an extension", "1;a=b\r\nx\r\n0\r\n\r\n", "chunk-extension"],
  ["an empty extension", "1;\r\nx\r\n0\r\n\r\n", "chunk-extension"],
  ["an extension on the last chunk", "0;a\r\n\r\n", "chunk-extension"],
  ["an extension that holds a line feed", "1;a\nx\r\n0\r\n\r\n", "chunk-extension"],
  ["a space behind the size", "1 \r\nx\r\n0\r\n\r\n", "chunk-size"],
  ["a space before the size", " 1\r\nx\r\n0\r\n\r\n", "chunk-size"],
  ["a tab behind the size", "1\t\r\nx\r\n0\r\n\r\n", "chunk-size"],
  ["a plus sign", "+1\r\nx\r\n0\r\n\r\n", "chunk-size"],
  ["a minus sign", "-1\r\nx\r\n0\r\n\r\n", "chunk-size"],
  ["a prefix 0x", "0x1\r\nx\r\n0\r\n\r\n", "chunk-size"],
  ["an underscore", "1_0\r\nx\r\n0\r\n\r\n", "chunk-size"],
  ["a digit beyond f", "g\r\nx\r\n0\r\n\r\n", "chunk-size"],
  ["a quoted size", '"1"\r\nx\r\n0\r\n\r\n', "chunk-size"],
  ["an empty size", "\r\nx\r\n0\r\n\r\n", "chunk-size"],
  ["a size of 14 digits", "00000000000001\r\nx\r\n0\r\n\r\n", "chunk-size"],
  ["a size that overflows 64 bits", "10000000000000001\r\nx\r\n0\r\n\r\n", "chunk-size"],
  ["a size beyond ASCII", "\xb2\r\nx\r\n0\r\n\r\n", "chunk-size"],
  ["a size with NUL", "1\0\r\nx\r\n0\r\n\r\n", "chunk-size"],
  ["a size that ends in LF", "1\nx\r\n0\r\n\r\n", "bare-lf"],
  ["a size that ends in CR", "1\rx\r\n0\r\n\r\n", "bare-cr"],
  ["a size that ends in CR CR LF", "1\r\r\nx\r\n0\r\n\r\n", "bare-cr"],
  ["data that end in LF", "1\r\nx\n0\r\n\r\n", "chunk-end"],
  ["data that end in CR", "1\r\nx\r0\r\n\r\n", "chunk-end"],
  ["data that end in LF CR", "1\r\nx\n\r0\r\n\r\n", "chunk-end"],
  ["data that end in any octet and LF", "1\r\nxA\n0\r\n\r\n", "chunk-end"],
  ["data without an end", "1\r\nx0\r\n\r\n", "chunk-end"],
  ["more data than announced", "1\r\nxy\r\n0\r\n\r\n", "chunk-end"],
  ["two octets of anything behind the data", "1\r\nxAB0\r\n\r\n", "chunk-end"],
  ["a last chunk that ends in LF", "0\n\r\n", "bare-lf"],
  ["an empty line that is LF", "0\r\n\n", "bare-lf"],
  ["an empty line that is CR", "0\r\n\rx", "bare-cr"],
  ["a request behind the last chunk", "0\r\nGET / HTTP/1.1\r\n\r\n", "space-before-colon"],
  ["a folded trailer", "0\r\na: b\r\n c\r\n\r\n", "folded-field"],
  ["a space first in the trailers", "0\r\n \r\n\r\n", "folded-field"],
  ["a trailer with a space before its colon", "0\r\na : b\r\n\r\n", "space-before-colon"],
  ["a trailer with NUL", "0\r\na: \0\r\n\r\n", "field-value"],
  ["a trailer that ends in LF", "0\r\na: b\n\r\n", "bare-lf"],
  ["too many trailers", `0\r\n${"a: b\r\n".repeat(99)}\r\n`, "too-many-fields"],
  ["too long trailers", `0\r\na: ${"x".repeat(33_000)}\r\n\r\n`, "head-too-large"],
];

describe("chunk tricks", () => {
  for (const [what, body, reason] of refused) {
    test(`${what} is refused`, () => {
      const status = reason === "too-many-fields" || reason === "head-too-large" ? 431 : 400;
      assertRequestRefused(REQUEST + body, status, reason);
      assertResponseRefused(
        what === "too many trailers" ? `${RESPONSE}0\r\n${"a: b\r\n".repeat(100)}\r\n` : RESPONSE + body,
        reason,
      );
    });
  }
});

describe("what chunked bodies may be", () => {
  test("sizes of 1 to 13 digits in either case, leading zeros included", () => {
    const body = `a\r\n${"x".repeat(10)}\r\nA\r\n${"y".repeat(10)}\r\n000000000000b\r\n${"z".repeat(11)}\r\n0000000000000\r\n\r\n`;
    const text = `${"x".repeat(10)}${"y".repeat(10)}${"z".repeat(11)}`;
    strictEqual(parseRequests(REQUEST + body).messages[0]?.body, text);
    strictEqual(parseResponses(RESPONSE + body).messages[0]?.body, text);
  });

  test("data that look like framing are data", () => {
    const data = "0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n";
    const body = `${data.length.toString(16)}\r\n${data}\r\n0\r\n\r\n`;
    const parsed = parseRequests(`${REQUEST}${body}GET / HTTP/1.1\r\n\r\n`);
    deepStrictEqual(
      parsed.messages.map((message) => [message.head.target, message.body]),
      [
        ["/", data],
        ["/", ""],
      ],
    );
  });

  test("a chunk of the largest size is begun and not believed complete", () => {
    const parsed = parseRequests(`${REQUEST}fffffffffffff\r\nabc`);
    strictEqual(parsed.refusal, undefined);
    deepStrictEqual([parsed.messages[0]?.body, parsed.messages[0]?.trailers], ["abc", undefined]);
  });
});

describe("framing that outweighs the body", () => {
  test("is refused beyond 16 KiB and 1/16 of the data", () => {
    // Five octets of framing for each octet of data.
    assertRequestRefused(`${REQUEST}${"1\r\nx\r\n".repeat(3_500)}0\r\n\r\n`, 400, "chunk-overhead");
    strictEqual(parseRequests(`${REQUEST}${"1\r\nx\r\n".repeat(3_200)}0\r\n\r\n`).messages[0]?.body.length, 3_200);
  });

  test("is refused at exactly that octet", () => {
    const one = "1\r\nx\r\n";
    // The n-th size line brings the framing to 5n octets, with n-1 octets of data before it.
    const allowed = Math.floor((16_384 - 1 / 16) / (5 - 1 / 16));
    strictEqual(parseRequests(REQUEST + one.repeat(allowed)).refusal, undefined);
    assertRequestRefused(REQUEST + one.repeat(allowed + 1), 400, "chunk-overhead");
  });

  test("leading zeros count", () => {
    assertRequestRefused(`${REQUEST}${"0000000000001\r\nx\r\n".repeat(1_000)}0\r\n\r\n`, 400, "chunk-overhead");
  });

  test("chunks of 128 octets are no trouble, however many", () => {
    const chunk = `80\r\n${"x".repeat(128)}\r\n`;
    strictEqual(parseRequests(`${REQUEST}${chunk.repeat(10_000)}0\r\n\r\n`).messages[0]?.body.length, 1_280_000);
  });

  test("the count begins anew with each message", () => {
    const message = `${REQUEST}${"1\r\nx\r\n".repeat(2_000)}0\r\n\r\n`;
    strictEqual(parseRequests(message.repeat(4)).messages.length, 4);
  });
});
