// What our parser of requests takes, gives and refuses. That no split of a stream matters is tested on each of them.
import { deepStrictEqual, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { describe, test } from "node:test";
import { RequestParser, type RequestSink } from "../../../../src/proxy-tls/http/h1/request-parser.ts";
import { cpuMs } from "../../../support/cpu.ts";
import { assertRequestRefused, parsePieces, parseRequests, split } from "../../support/parsed-streams.ts";

const GET = "GET / HTTP/1.1\r\nhost: a\r\n";

test("a pipeline of requests is read as its messages, each with its body and trailers", () => {
  const stream =
    "POST /a?b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00\r\nX-T:  1 \r\n\r\n" +
    "GET / HTTP/1.1\r\nhost:y\r\nE:\r\n\r\n" +
    "PUT / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc";
  const parsed = parseRequests(stream);
  strictEqual(parsed.refusal, undefined);
  deepStrictEqual(
    parsed.messages.map(({ head, body, trailers }) => [head.method, head.target, head.framing, body, trailers]),
    [
      ["POST", "/a?b", { kind: "open" }, "hello", ["x-t", "1"]],
      ["GET", "/", { kind: "none" }, "", []],
      ["PUT", "/", { kind: "length", bytes: 3 }, "abc", []],
    ],
  );
  deepStrictEqual(parsed.messages[1]?.head.fields, ["host", "y", "e", ""]);
  for (const size of [1, 2, 3, 7]) deepStrictEqual(parseRequests(stream, { sizes: [size] }), parsed);
});

describe("what a head may hold", () => {
  test("names come in lower case, and two lines of one name stay two", () => {
    const head = parseRequests("GET / HTTP/1.1\r\nX-A: 1\r\nx-a: 2\r\nX-A: 1\r\n\r\n").messages[0]?.head;
    deepStrictEqual(head?.fields, ["x-a", "1", "x-a", "2", "x-a", "1"]);
  });

  test("space and tab around a value go, those within it stay, and nothing else is taken for white space", () => {
    const head = parseRequests("GET / HTTP/1.1\r\na: \t b \t c\t \r\nd:\xa0e\xa0\r\nf: \t \r\n\r\n").messages[0]?.head;
    deepStrictEqual(head?.fields, ["a", "b \t c", "d", "\xa0e\xa0", "f", ""]);
  });

  test("every character of a token may stand in a name, and only ASCII letters change their case", () => {
    const name = "!#$%&'*+-.^_`|~09AZaz";
    const head = parseRequests(`GET / HTTP/1.1\r\n${name}: v\r\n\r\n`).messages[0]?.head;
    deepStrictEqual(head?.fields, [name.toLowerCase(), "v"]);
  });

  test("a value may hold every octet but the controls", () => {
    let value = "x";
    for (let octet = 0x21; octet < 0x100; octet++) if (octet !== 0x7f) value += String.fromCharCode(octet);
    deepStrictEqual(parseRequests(`GET / HTTP/1.1\r\na: ${value}\r\n\r\n`).messages[0]?.head.fields, ["a", value]);
  });

  test("methods of 1 to 20 of A to Z and - are passed on, known or not", () => {
    for (const method of ["A", "GET", "M-SEARCH", "ABCDEFGHIJKLMNOPQRST", "CONNECT"]) {
      strictEqual(parseRequests(`${method} / HTTP/1.1\r\n\r\n`).messages[0]?.head.method, method);
    }
  });
});

describe("requests that are refused, at the first octet that may not stand where it stands", () => {
  const refused: [string, string, string][] = [
    ["an empty line before the start line", "\r\nGET / HTTP/1.1\r\n\r\n", "empty-line"],
    ["a line feed before the start line", "\nGET / HTTP/1.1\r\n\r\n", "empty-line"],
    ["a space before the method", " GET / HTTP/1.1\r\n\r\n", "method"],
    ["a method in lower case", "get / HTTP/1.1\r\n\r\n", "method"],
    ["a method of other characters", "G!T / HTTP/1.1\r\n\r\n", "method"],
    ["a method of 21 characters", "ABCDEFGHIJKLMNOPQRSTU / HTTP/1.1\r\n\r\n", "method"],
    ["a method that never ends", "A".repeat(21), "method"],
    ["a TLS handshake", "\x16\x03\x01\x02", "method"],
    ["a tab behind the method", "GET\t/ HTTP/1.1\r\n\r\n", "method"],
    ["a method alone", "GET\r\n\r\n", "start-line"],
    ["two spaces behind the method", "GET  / HTTP/1.1\r\n\r\n", "target-character"],
    ["no target", "GET HTTP/1.1\r\n\r\n", "start-line"],
    ["no version", "GET /\r\n\r\n", "start-line"],
    ["a target with a tab", "GET /\ta HTTP/1.1\r\n\r\n", "target-character"],
    ["a target with NUL", "GET /\0 HTTP/1.1\r\n\r\n", "target-character"],
    ["a target with DEL", "GET /\x7f HTTP/1.1\r\n\r\n", "target-character"],
    ["a target beyond ASCII", "GET /\xe9 HTTP/1.1\r\n\r\n", "target-character"],
    ["a target with a line feed", "GET /\na HTTP/1.1\r\n\r\n", "start-line"],
    ["two spaces before the version", "GET /  HTTP/1.1\r\n\r\n", "start-line"],
    ["another protocol", "GET / ICE/1.0\r\n\r\n", "start-line"],
    ["a protocol in lower case", "GET / http/1.1\r\n\r\n", "start-line"],
    ["a space behind the version", "GET / HTTP/1.1 \r\n\r\n", "start-line"],
    ["more behind the version", "GET / HTTP/1.11\r\n\r\n", "start-line"],
    ["a start line that ends in LF", "GET / HTTP/1.1\nhost: a\r\n\r\n", "bare-lf"],
    ["a start line that ends in CR", "GET / HTTP/1.1\rhost: a\r\n\r\n", "bare-cr"],
    ["a field line that ends in LF", `${GET}a: b\nc: d\r\n\r\n`, "bare-lf"],
    ["CR within a value", `${GET}a: b\rc\r\n\r\n`, "bare-cr"],
    ["CR CR LF", `${GET}a: b\r\r\n\r\n`, "bare-cr"],
    ["a head that ends in LF", `${GET}\n`, "bare-lf"],
    ["a head that ends in CR CR", `${GET}\r\r`, "bare-cr"],
    ["a folded field", `${GET}a: b\r\n c\r\n\r\n`, "folded-field"],
    ["a field folded by a tab", `${GET}a: b\r\n\tc\r\n\r\n`, "folded-field"],
    ["a space before the first field", "GET / HTTP/1.1\r\n host: a\r\n\r\n", "folded-field"],
    ["a space before the colon", `${GET}a : b\r\n\r\n`, "space-before-colon"],
    ["a tab before the colon", `${GET}a\t: b\r\n\r\n`, "space-before-colon"],
    ["no name", `${GET}: b\r\n\r\n`, "field-name"],
    ["no colon", `${GET}ab\r\n\r\n`, "field-without-colon"],
    ["no colon and a bare LF", `${GET}ab\n\r\n`, "field-without-colon"],
    ["a name with a control", `${GET}a\x01: b\r\n\r\n`, "field-name"],
    ["a name beyond ASCII", `${GET}a\xe9: b\r\n\r\n`, "field-name"],
    ["a name with a slash", `${GET}a/b: b\r\n\r\n`, "field-name"],
    ["a name with a bracket", `${GET}a(b: b\r\n\r\n`, "field-name"],
    ["NUL within a value", `${GET}a: b\0c\r\n\r\n`, "field-value"],
    ["a control within a value", `${GET}a: b\x0bc\r\n\r\n`, "field-value"],
    ["DEL within a value", `${GET}a: b\x7fc\r\n\r\n`, "field-value"],
  ];
  for (const [what, stream, reason] of refused) {
    test(what, () => assertRequestRefused(stream, 400, reason));
  }
  for (const version of ["1.2", "1.9", "2.0", "0.9", "3.0", "1,1", "11"]) {
    test(`HTTP/${version}`, () => assertRequestRefused(`GET / HTTP/${version}\r\n\r\n`, 505, "http-version"));
  }
  test("HTTP/1.0, unless it is allowed", () => {
    assertRequestRefused("GET / HTTP/1.0\r\n\r\n", 505, "http-version");
    strictEqual(parseRequests("GET / HTTP/1.0\r\n\r\n", { allowHttp10: true }).messages[0]?.head.version, "1.0");
    assertRequestRefused("GET / HTTP/1.2\r\n\r\n", 505, "http-version", { allowHttp10: true });
  });
});

test("it is the octet itself that refuses: nothing behind it is waited for", () => {
  const CHUNKED = "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
  for (const stream of [
    ...[
      "\r",
      "\n",
      " ",
      "g",
      "GET\t",
      "GET\r",
      "GET  ",
      "GET /\0",
      "GET /\r",
      "GET /\n",
      "GET /  ",
      "GET / X",
      "GET / HTTP/2",
    ],
    ...[
      "GET / HTTP/1.1\n",
      "GET / HTTP/1.1 ",
      "GET / HTTP/1.1\rh",
      `${GET} `,
      `${GET}\t`,
      `${GET}\n`,
      `${GET}:`,
      `${GET}\ra`,
    ],
    ...[
      `${GET}a `,
      `${GET}a\r`,
      `${GET}a\n`,
      `${GET}a\0`,
      `${GET}a: \0`,
      `${GET}a: b\n`,
      `${GET}a: b\rc`,
      `${GET}a: b\x7f`,
    ],
    ...[
      `${CHUNKED}g`,
      `${CHUNKED}\r`,
      `${CHUNKED}1;`,
      `${CHUNKED}1 `,
      `${CHUNKED}1\n`,
      `${CHUNKED}1\ra`,
      `${CHUNKED}${"0".repeat(14)}`,
    ],
    ...[`${CHUNKED}1\r\nx\n`, `${CHUNKED}1\r\nxy`, `${CHUNKED}1\r\nx\rx`, `${CHUNKED}0\r\n `, `${CHUNKED}0\r\n\n`],
  ]) {
    strictEqual(parseRequests(stream.slice(0, -1)).refusal, undefined, JSON.stringify(stream));
    for (const sizes of [[], [1]])
      notStrictEqual(parseRequests(stream, { sizes }).refusal, undefined, JSON.stringify(stream));
  }
});

test("a head that comes octet by octet is not read again for each of them", () => {
  const ROUNDS = 20;
  const cost = (heads: number, bytes: number) => {
    const head = `GET / HTTP/1.1\r\na: ${"x".repeat(bytes - 23)}\r\n\r\n`;
    const pieces = split(head.repeat(heads), [1]);
    const started = cpuMs();
    // Some systems count processor time in steps of milliseconds.
    for (let round = 0; round < ROUNDS; round += 1) strictEqual(parsePieces(pieces).messages.length, heads);
    return cpuMs() - started;
  };
  const times = (heads: number, bytes: number) => Math.min(...[1, 2, 3].map(() => cost(heads, bytes)));
  times(64, 512);
  // As many octets, in one head of 32 KiB and in 64: read anew for each octet the one head costs 64 times as much.
  const ratio = times(1, 32_768) / times(64, 512);
  ok(ratio < 6, `${ratio} times`);
});

describe("the limits of a head", () => {
  const START = "GET / HTTP/1.1\r\n";
  /** A head of exactly `bytes` octets, its empty line included. */
  const headOf = (bytes: number) => `${START}a: ${"x".repeat(bytes - START.length - 7)}\r\n\r\n`;

  test("32 KiB are taken, the empty line included; one octet more is 431, also where the empty line is there", () => {
    strictEqual(parseRequests(headOf(32 * 1024)).messages.length, 1);
    strictEqual(parseRequests(headOf(32 * 1024), { sizes: [1000] }).messages.length, 1);
    assertRequestRefused(headOf(32 * 1024 + 1), 431, "head-too-large");
  });

  test("only the head counts: a body right behind it does not", () => {
    const head = `${START}content-length: 40000\r\na: ${"x".repeat(30_000)}\r\n\r\n`;
    for (const sizes of [[], [20_000, 100_000], [29_000, 1]]) {
      const parsed = parseRequests(head + "y".repeat(40_000), { sizes });
      strictEqual(parsed.messages[0]?.body.length, 40_000);
    }
  });

  test("a head without an end is refused as soon as 32 KiB of it have come", () => {
    assertRequestRefused(headOf(32 * 1024 + 4).slice(0, 32 * 1024), 431, "head-too-large");
    const octets = headOf(40_000).slice(0, 32 * 1024 - 1);
    strictEqual(parseRequests(octets).refusal, undefined);
  });

  test("100 fields are taken, 101 are 431 at the first octet of the one too many", () => {
    const fields = "a: b\r\n".repeat(100);
    strictEqual(parseRequests(`${START}${fields}\r\n`).messages[0]?.head.fields.length, 200);
    assertRequestRefused(`${START}${fields}c`, 431, "too-many-fields");
  });

  test("trailers count into both", () => {
    const head = (fields: number) => `${START}transfer-encoding: chunked\r\n${"a: b\r\n".repeat(fields - 1)}\r\n0\r\n`;
    strictEqual(parseRequests(`${head(60)}${"t: u\r\n".repeat(40)}\r\n`).messages[0]?.trailers?.length, 80);
    assertRequestRefused(`${head(60)}${"t: u\r\n".repeat(41)}\r\n`, 431, "too-many-fields");
    const long = (bytes: number) =>
      `${START}transfer-encoding: chunked\r\na: ${"x".repeat(bytes)}\r\n\r\n0\r\nt: ${"y".repeat(10_000)}\r\n\r\n`;
    strictEqual(parseRequests(long(22_000)).messages[0]?.trailers?.[1]?.length, 10_000);
    assertRequestRefused(long(23_000), 431, "head-too-large");
  });

  test("a head that fills its limit may still have a chunked body without trailers", () => {
    const start = `${START}transfer-encoding: chunked\r\n`;
    const head = `${start}a: ${"x".repeat(32 * 1024 - start.length - 7)}\r\n\r\n`;
    strictEqual(head.length, 32 * 1024);
    deepStrictEqual(parseRequests(`${head}0\r\n\r\n`).messages[0]?.trailers, []);
    assertRequestRefused(`${head}0\r\na: b\r\n\r\n`, 431, "head-too-large");
  });

  test("limits begin anew with each message", () => {
    const stream = `${START}${"a: b\r\n".repeat(90)}\r\n`;
    strictEqual(parseRequests(stream.repeat(50)).messages.length, 50);
    strictEqual(parseRequests(stream.repeat(50), { sizes: [333] }).messages.length, 50);
    strictEqual(parseRequests(headOf(30_000).repeat(3), { sizes: [777] }).messages.length, 3);
  });
});

describe("how the parser is driven", () => {
  function parserWith(changes: Partial<RequestSink>): { parser: RequestParser; events: string[] } {
    const events: string[] = [];
    const sink: RequestSink = {
      head: (raw) => events.push(`head ${raw.target}`),
      data: (chunk) => events.push(`data ${chunk.length}`),
      end: () => events.push("end"),
      refused: ({ reason }) => events.push(`refused ${reason}`),
      ...changes,
    };
    return { parser: new RequestParser({ allowHttp10: false }, sink), events };
  }
  const octets = (text: string) => Buffer.from(text, "latin1");

  test("it returns behind each message, without an event of the next one", () => {
    const first = "PUT /1 HTTP/1.1\r\ncontent-length: 2\r\n\r\nab";
    const stream = octets(`${first}GET /2 HTTP/1.1\r\n\r\n`);
    const { parser, events } = parserWith({});
    strictEqual(parser.execute(stream, 0), first.length);
    deepStrictEqual(events, ["head /1", "data 2", "end"]);
    strictEqual(parser.execute(stream, first.length), stream.length);
    deepStrictEqual(events.slice(3), ["head /2", "end"]);
    strictEqual(parser.execute(stream, stream.length), stream.length);
  });

  test("nothing comes after a refusal, whatever is fed", () => {
    const { parser, events } = parserWith({});
    parser.execute(octets("GET / HTTP/1.1\r\n x"), 0);
    deepStrictEqual(events, ["refused folded-field"]);
    strictEqual(parser.execute(octets("GET / HTTP/1.1\r\n\r\n"), 0), 0);
    strictEqual(events.length, 1);
    strictEqual(parser.idle, false);
  });

  test("stop within an event is the last of it: no data, no end, no next message", () => {
    const chunked = "transfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n";
    const whole = "content-length: 1\r\n\r\na";
    for (const [event, body] of [
      ...(["head", "data", "end"] as const).map((event) => [event, chunked] as const),
      ...(["head", "data", "end"] as const).map((event) => [event, whole] as const),
    ]) {
      const harness = parserWith({
        [event]: () => {
          harness.events.push(event);
          harness.parser.stop();
        },
      });
      const stream = octets(`PUT / HTTP/1.1\r\n${body}GET / HTTP/1.1\r\n\r\n`);
      const at = harness.parser.execute(stream, 0);
      strictEqual(harness.events.at(-1), event);
      strictEqual(harness.parser.execute(stream, at), at);
      strictEqual(harness.events.filter((seen) => seen === event).length, 1);
      strictEqual(harness.events.at(-1), event);
    }
  });

  test("it tells whether it is between messages, or within a head", () => {
    const { parser } = parserWith({});
    const states: string[] = [];
    for (const piece of ["G", "ET / HTTP/1.1\r\ncontent-length: 1\r\n\r", "\n", "x"]) {
      states.push(`${parser.idle} ${parser.inHead}`);
      parser.execute(octets(piece), 0);
    }
    deepStrictEqual(states, ["true false", "false true", "false true", "false false"]);
    strictEqual(parser.idle, true);
    parser.execute(octets(""), 0);
    strictEqual(parser.idle, true);
  });

  test("a body's octets are those that were given, not copies", () => {
    const head = "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    const stream = octets(`${head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`);
    const seen: number[] = [];
    const { parser } = parserWith({
      data: (chunk) => {
        strictEqual(chunk.buffer, stream.buffer);
        seen.push(chunk.byteOffset - stream.byteOffset - head.length, chunk.length);
      },
    });
    parser.execute(stream, 0);
    deepStrictEqual(seen, [3, 3, 11, 2]);
  });

  test("octets that are no Buffer are taken as well", () => {
    const { parser, events } = parserWith({});
    const stream = new Uint8Array(octets("xxPUT / HTTP/1.1\r\ncontent-length: 1\r\n\r\na")).subarray(2);
    strictEqual(parser.execute(stream, 0), stream.length);
    deepStrictEqual(events, ["head /", "data 1", "end"]);
  });
});
