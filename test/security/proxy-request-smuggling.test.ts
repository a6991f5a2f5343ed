// Requests that two readers of one stream cut in two ways (proxy.md: CL.TE, TE.CL, TE.TE, folded fields, bare LF, a Content-Length hidden
// beyond 2,000 fields). The codec refuses each at its head, before anything of it was forwarded, at every split; what hides behind it is
// never read. What it accepts, node's own parser reads as the same messages: test/proxy-tls/http/h1/against-node.test.ts.
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { describe, test } from "node:test";
import { assertRequestRefused, parseRequests } from "../proxy-tls/support/parsed-streams.ts";

const START = "POST / HTTP/1.1\r\nhost: a\r\n";
const SMUGGLED = "GET /admin HTTP/1.1\r\nhost: a\r\n\r\n";

describe("Content-Length and Transfer-Encoding together", () => {
  const chunked = `0\r\n\r\n${SMUGGLED}`;
  for (const [what, lines] of [
    ["CL.TE", "content-length: 6\r\ntransfer-encoding: chunked\r\n"],
    ["TE.CL", "transfer-encoding: chunked\r\ncontent-length: 4\r\n"],
    ["CL.TE with a length of 0", "content-length: 0\r\ntransfer-encoding: chunked\r\n"],
    ["CL.TE with an empty length", "content-length:\r\ntransfer-encoding: chunked\r\n"],
    ["CL.TE with an empty coding", "content-length: 6\r\ntransfer-encoding:\r\n"],
    ["CL.TE with another coding", "content-length: 6\r\ntransfer-encoding: identity\r\n"],
    ["TE.CL in upper case", "TRANSFER-ENCODING: CHUNKED\r\nCONTENT-LENGTH: 4\r\n"],
    [
      "TE.CL, the length named in Connection",
      "connection: content-length\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n",
    ],
  ] as const) {
    test(what, () => assertRequestRefused(`${START}${lines}\r\n${chunked}`, 400, "length-and-chunked"));
  }
});

describe("obfuscated Transfer-Encoding", () => {
  const body = `0\r\n\r\n${SMUGGLED}`;
  const values = [
    ["", "an empty value"],
    ["xchunked", "a prefix"],
    ["chunkedx", "a suffix"],
    ["chunked,", "an empty list element"],
    [",chunked", "an empty list element first"],
    ["chunked, chunked", "chunked twice"],
    ["chunked, identity", "identity last"],
    ["identity, chunked", "identity first"],
    ["identity", "identity"],
    ["gzip, chunked", "a coding before it"],
    ["gzip", "a coding alone"],
    ["x-chunked", "an x- coding"],
    ["chunked;q=1", "a parameter"],
    ["chunked; a=b", "a parameter behind a space"],
    ['"chunked"', "quotes"],
    ["'chunked'", "apostrophes"],
    ["chunk", "a shorter word"],
    ["chunke\xe4", "latin1"],
    ["\xa0chunked", "NBSP first"],
    ["chunked\xa0", "NBSP last"],
    ["chunked\x85", "NEL last"],
    ["ch\xadunked", "a soft hyphen"],
    ["chunked chunked", "two words"],
    ["chunked\tchunked", "a tab between"],
    ["c\thunked", "a tab within"],
    ["chun\xe2\x84\xaaed", "the Kelvin sign, whose lower case is k, in UTF-8"],
  ] as const;
  for (const [value, what] of values) {
    test(`${what} is refused`, () => {
      assertRequestRefused(`${START}transfer-encoding: ${value}\r\n\r\n${body}`, 400, "transfer-encoding");
      assertRequestRefused(
        `${START}content-length: 5\r\ntransfer-encoding: ${value}\r\n\r\n${body}`,
        400,
        "length-and-chunked",
      );
    });
  }

  test("two of them are refused, equal or not", () => {
    for (const second of ["chunked", "identity", "", "x"]) {
      const lines = `transfer-encoding: chunked\r\ntransfer-encoding: ${second}\r\n`;
      assertRequestRefused(`${START}${lines}\r\n${body}`, 400, "two-transfer-encodings");
      assertRequestRefused(
        `${START}Transfer-Encoding: ${second}\r\na: b\r\nTRANSFER-ENCODING: chunked\r\n\r\n`,
        400,
        "two-transfer-encodings",
      );
    }
  });

  const lines: [string, string, string][] = [
    ["a space before the colon", "transfer-encoding : chunked", "space-before-colon"],
    ["a tab before the colon", "transfer-encoding\t: chunked", "space-before-colon"],
    ["a space before the name", " transfer-encoding: chunked", "folded-field"],
    ["folded", "transfer-encoding:\r\n chunked", "folded-field"],
    ["folded by a tab", "transfer-encoding:\r\n\tchunked", "folded-field"],
    ["folded away", "a: b\r\n transfer-encoding: chunked", "folded-field"],
    ["behind a bare LF", "a: b\ntransfer-encoding: chunked", "bare-lf"],
    ["behind a bare CR", "a: b\rtransfer-encoding: chunked", "bare-cr"],
    ["behind NUL", "a: b\0transfer-encoding: chunked", "field-value"],
    ["a bare LF behind it", "transfer-encoding: chunked\na: b", "bare-lf"],
    ["a bare CR before the value", "transfer-encoding:\rchunked", "bare-cr"],
    ["a vertical tab before the value", "transfer-encoding:\x0bchunked", "field-value"],
    ["a form feed behind the value", "transfer-encoding: chunked\x0c", "field-value"],
    ["a control before the value", "transfer-encoding: \x1fchunked", "field-value"],
    ["DEL behind the value", "transfer-encoding: chunked\x7f", "field-value"],
    ["NUL behind the name", "transfer-encoding\0: chunked", "field-name"],
    ["NUL behind the value", "transfer-encoding: chunked\0", "field-value"],
    ["a quoted name", '"transfer-encoding": chunked', "field-name"],
    ["a name with an umlaut", "tr\xe4nsfer-encoding: chunked", "field-name"],
    ["no colon", "transfer-encoding chunked", "space-before-colon"],
    ["no colon and no space", "transfer-encoding", "field-without-colon"],
    ["an equals sign", "transfer-encoding=chunked", "field-name"],
    ["an empty name before it", ":transfer-encoding: chunked", "field-name"],
  ];
  for (const [what, line, reason] of lines) {
    test(`${what} is refused, with a length or without`, () => {
      assertRequestRefused(`${START}${line}\r\n\r\n${body}`, 400, reason);
      assertRequestRefused(`${START}content-length: 5\r\n${line}\r\n\r\n${body}`, 400, reason);
    });
  }

  test("a name that only looks like it means nothing to us, and is not taken for framing", () => {
    for (const name of [
      "transfer_encoding",
      "transfer-encodin",
      "x-transfer-encoding",
      "transferencoding",
      "transfer-encoding-",
    ]) {
      const parsed = parseRequests(`${START}${name}: chunked\r\n\r\n${SMUGGLED}`);
      deepStrictEqual(
        parsed.messages.map(({ head }) => [head.target, head.framing]),
        [
          ["/", { kind: "none" }],
          ["/admin", { kind: "none" }],
        ],
      );
    }
  });

  test("in HTTP/1.0 it is refused, where 1.0 is allowed", () => {
    const stream = `POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n${body}`;
    assertRequestRefused(stream, 400, "transfer-encoding-in-1.0", { allowHttp10: true });
    assertRequestRefused(stream, 505, "http-version");
  });

  test("chunked in any case is chunked", () => {
    for (const value of ["chunked", "CHUNKED", "ChUnKeD", " \t chunked \t "]) {
      const parsed = parseRequests(`${START}transfer-encoding:${value}\r\n\r\n${body}`);
      deepStrictEqual(
        parsed.messages.map(({ head }) => head.target),
        ["/", "/admin"],
      );
    }
  });
});

describe("obfuscated Content-Length", () => {
  for (const value of [
    ...[
      "",
      "+5",
      "-5",
      "-0",
      "5 5",
      "5,5",
      "5, 5",
      "5;",
      "0x5",
      "0b1",
      "5e0",
      "5.0",
      "1_0",
      "05",
      "00",
      "000000000000000",
    ],
    ...[
      "1000000000000000",
      "9".repeat(16),
      "9".repeat(400),
      "18446744073709551621",
      "five",
      "5a",
      "a5",
      '"5"',
      "\xb2",
      "\xa05",
      "5\xa0",
    ],
    ...["NaN", "Infinity", "5\t5", "\xd9\xa5", "(5)", "5%", "$5"],
  ]) {
    test(`${value.length > 30 ? `${value.length} digits` : JSON.stringify(value)} is refused`, () => {
      assertRequestRefused(`${START}content-length: ${value}\r\n\r\nhello${SMUGGLED}`, 400, "length-value");
    });
  }

  test("two of them are refused, equal or not, wherever they stand", () => {
    for (const [first, second] of [
      ["5", "5"],
      ["5", "6"],
      ["0", "5"],
      ["", "5"],
      ["5", ""],
    ]) {
      assertRequestRefused(
        `${START}Content-Length: ${first}\r\na: b\r\ncontent-length: ${second}\r\n\r\nhello`,
        400,
        "two-lengths",
      );
    }
  });

  for (const [what, line, reason] of [
    ["a space before the colon", "content-length : 5", "space-before-colon"],
    ["a folded value", "content-length:\r\n 5", "folded-field"],
    ["a value folded further", "content-length: 5\r\n 0", "folded-field"],
    ["behind a bare LF", "a: b\ncontent-length: 5", "bare-lf"],
    ["behind a bare CR", "a: b\rcontent-length: 5", "bare-cr"],
    ["a bare LF before the value", "content-length:\n5", "bare-lf"],
    ["NUL behind the value", "content-length: 5\0", "field-value"],
    ["a vertical tab before the value", "content-length: \x0b5", "field-value"],
    ["a space before the name", " content-length: 5", "folded-field"],
  ] as const) {
    test(`${what} is refused`, () => assertRequestRefused(`${START}${line}\r\n\r\nhello${SMUGGLED}`, 400, reason));
  }

  test("1 to 15 digits without a leading zero are taken, and 0", () => {
    for (const value of ["0", "1", "10", "999999999999999"]) {
      const { framing } = parseRequests(`${START}content-length: ${value}\r\n\r\n`).messages[0]?.head ?? {};
      deepStrictEqual(framing, { kind: "length", bytes: Number(value) });
    }
  });
});

describe("what hides behind a limit", () => {
  test("a Content-Length beyond 2,000 fields is never reached: 101 fields are 431", () => {
    assertRequestRefused(
      `${START}${"a: b\r\n".repeat(2_100)}content-length: 30\r\n\r\n${SMUGGLED}`,
      431,
      "too-many-fields",
    );
    assertRequestRefused(`${START}${"a:\r\n".repeat(99)}content-length: 30\r\n\r\n${SMUGGLED}`, 431, "too-many-fields");
  });

  test("a Transfer-Encoding beyond 32 KiB is never reached", () => {
    const long = `a: ${"x".repeat(33_000)}\r\n`;
    assertRequestRefused(
      `${START}${long}transfer-encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      431,
      "head-too-large",
    );
    assertRequestRefused(`GET /${"x".repeat(33_000)} HTTP/1.1\r\n\r\n`, 431, "head-too-large");
  });

  test("white space that fills a head is counted like anything else", () => {
    assertRequestRefused(`${START}a:${" ".repeat(33_000)}b\r\n\r\n`, 431, "head-too-large");
  });

  test("where the limit and another fault meet, the first octet in order decides", () => {
    assertRequestRefused(`${START}a: \0${"x".repeat(33_000)}`, 400, "field-value");
    assertRequestRefused(`${START}a: ${"x".repeat(33_000)}\0`, 431, "head-too-large");
  });
});

describe("requests that stand behind others", () => {
  test("a body of a length is not read as a request, and what follows it is one", () => {
    const parsed = parseRequests(`${START}content-length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}${SMUGGLED}`);
    deepStrictEqual(
      parsed.messages.map(({ head, body }) => [head.target, body]),
      [
        ["/", SMUGGLED],
        ["/admin", ""],
      ],
    );
  });

  test("an octet more than the length begins the next request, and is refused there", () => {
    assertRequestRefused(`${START}content-length: 1\r\n\r\nab`, 400, "method", { messages: 1 });
    assertRequestRefused(`${START}content-length: 1\r\n\r\na\r\n${SMUGGLED}`, 400, "empty-line", { messages: 1 });
    assertRequestRefused(`${START}\r\n\n${SMUGGLED}`, 400, "empty-line", { messages: 1 });
    assertRequestRefused(`${START}\r\n\r\n${SMUGGLED}`, 400, "empty-line", { messages: 1 });
    assertRequestRefused(`${START}content-length: 1\r\n\r\n\0\0${SMUGGLED}`, 400, "method", { messages: 1 });
  });

  test("after a refusal nothing is read, though it be a good request", () => {
    for (const sizes of [[], [1], [60]]) {
      const parsed = parseRequests(`${START}a : b\r\n\r\n${SMUGGLED}${SMUGGLED}`, { sizes });
      strictEqual(parsed.messages.length, 0);
    }
  });

  test("a second start line within a head is no field", () => {
    assertRequestRefused(`GET / HTTP/1.1\r\n${SMUGGLED}`, 400, "space-before-colon");
    assertRequestRefused(`${START}GET /admin HTTP/1.1\r\n\r\n`, 400, "space-before-colon");
  });

  test("an HTTP/2 preface is refused by its version", () => {
    assertRequestRefused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http-version");
  });
});
