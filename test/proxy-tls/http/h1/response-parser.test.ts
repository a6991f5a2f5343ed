// What our parser of responses takes, gives and refuses.
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { describe, test } from "node:test";
import { ResponseParser } from "../../../../src/proxy-tls/http/h1/response-parser.ts";
import { assertResponseRefused, parseResponses } from "../../support/parsed-streams.ts";

const OK = "HTTP/1.1 200 OK\r\n";

describe("status lines", () => {
  test("every status of 200 to 599 is taken, with any reason phrase or an empty one", () => {
    for (let status = 200; status <= 599; status++) {
      if (status === 204 || status === 304) continue;
      const text = `HTTP/1.1 ${status} \r\ncontent-length: 1\r\n\r\na`;
      strictEqual(parseResponses(text).messages[0]?.head.status, status);
    }
    for (const phrase of ["", "OK", " two  words\t\xe9", "x".repeat(1000)]) {
      strictEqual(parseResponses(`HTTP/1.1 200 ${phrase}\r\ncontent-length: 0\r\n\r\n`).messages.length, 1);
    }
  });

  const refused: [string, string, string][] = [
    ["an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", "empty-line"],
    ["no space behind the status", "HTTP/1.1 200\r\n\r\n", "start-line"],
    ["two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n", "status"],
    ["a tab before the status", "HTTP/1.1\t200 OK\r\n\r\n", "start-line"],
    ["a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", "start-line"],
    ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", "status"],
    ["status 099", "HTTP/1.1 099 OK\r\n\r\n", "status"],
    ["status 600", "HTTP/1.1 600 OK\r\n\r\n", "status"],
    ["status 999", "HTTP/1.1 999 OK\r\n\r\n", "status"],
    ["a status with a letter", "HTTP/1.1 2O0 OK\r\n\r\n", "status"],
    ["a status with a sign", "HTTP/1.1 +20 OK\r\n\r\n", "status"],
    ["HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", "start-line"],
    ["HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", "http-version"],
    ["lower case", "http/1.1 200 OK\r\n\r\n", "start-line"],
    ["another protocol", "ICY 200 OK\r\n\r\n", "start-line"],
    ["octets of TLS", "\x15\x03\x01\0\x02\x02\x50", "start-line"],
    ["NUL within the phrase", "HTTP/1.1 200 O\0K\r\n\r\n", "reason-phrase"],
    ["LF behind the phrase", "HTTP/1.1 200 OK\na: b\r\n\r\n", "bare-lf"],
    ["CR behind the phrase", "HTTP/1.1 200 OK\ra: b\r\n\r\n", "bare-cr"],
    ["a folded field", `${OK}a: b\r\n c\r\n\r\n`, "folded-field"],
    ["a field that ends in LF", `${OK}a: b\n\r\n`, "bare-lf"],
    ["NUL in a value", `${OK}a: \0\r\n\r\n`, "field-value"],
  ];
  for (const [what, stream, reason] of refused) test(`refused: ${what}`, () => assertResponseRefused(stream, reason));

  test("a head beyond 32 KiB, or with more than 100 fields, is the target's fault", () => {
    assertResponseRefused(`${OK}a: ${"x".repeat(33_000)}`, "head-too-large");
    assertResponseRefused(`${OK}${"a: b\r\n".repeat(101)}\r\n`, "too-many-fields");
    assertResponseRefused(
      `${OK}transfer-encoding: chunked\r\n${"a: b\r\n".repeat(50)}\r\n0\r\n${"t: u\r\n".repeat(50)}\r\n`,
      "too-many-fields",
    );
  });
});

describe("where a response ends", () => {
  test("the response to HEAD, 204 and 304 end at their heads, whatever length they tell", () => {
    const length = `${OK}content-length: 100\r\n\r\n`;
    const parsed = parseResponses(
      `${length}HTTP/1.1 304 \r\ncontent-length: 7\r\n\r\nHTTP/1.1 204 \r\n\r\n${OK}content-length: 1\r\n\r\nx`,
      { methods: ["HEAD", "GET", "GET", "GET"] },
    );
    deepStrictEqual(
      parsed.messages.map(({ head, body }) => [head.status, head.framing, body]),
      [
        [200, { kind: "length", bytes: 100 }, ""],
        [304, { kind: "length", bytes: 7 }, ""],
        [204, { kind: "none" }, ""],
        [200, { kind: "length", bytes: 1 }, "x"],
      ],
    );
  });

  test("a chunked body that HEAD would have had is not waited for, and not promised", () => {
    const parsed = parseResponses(`${OK}transfer-encoding: chunked\r\n\r\n`, { methods: ["HEAD"] });
    deepStrictEqual(parsed.messages[0]?.head.framing, { kind: "none" });
    deepStrictEqual(parsed.messages[0]?.trailers, []);
  });

  test("HEAD is told by its case-sensitive name alone", () => {
    assertResponseRefused(`${OK}\r\n`, "until-close", { methods: ["GET"] });
    strictEqual(parseResponses(`${OK}content-length: 1\r\n\r\na`, { methods: ["HEADER"] }).messages[0]?.body, "a");
  });

  test("octets behind a response are not taken", () => {
    const response = `${OK}content-length: 2\r\n\r\nab`;
    strictEqual(parseResponses(`${response}HTTP/1.1 200 OK\r\n\r\n`, { methods: ["GET"] }).taken, response.length);
    strictEqual(parseResponses(`${OK}\r\nabc`, { methods: ["HEAD"] }).taken, OK.length + 2);
    strictEqual(parseResponses("HTTP/1.1 200 OK\r\n\r\n", { methods: [] }).taken, 0);
  });

  test("chunked responses of many tiny chunks are read for as long as they last: targets stream events so", () => {
    const parsed = parseResponses(`${OK}transfer-encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(20_000)}0\r\n\r\n`);
    strictEqual(parsed.messages[0]?.body.length, 20_000);
  });

  test("trailers come with the end", () => {
    const parsed = parseResponses(`${OK}transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nGrpc-Status: 0\r\n\r\n`);
    deepStrictEqual(parsed.messages[0]?.trailers, ["grpc-status", "0"]);
  });
});

describe("bodies that end with the connection", () => {
  test("are taken where they are allowed, and end in order", () => {
    for (const version of ["1.0", "1.1"]) {
      const parsed = parseResponses(`HTTP/${version} 200 OK\r\n\r\nabc`, {
        untilClose: "allow",
        end: true,
        sizes: [5],
      });
      const [message] = parsed.messages;
      deepStrictEqual([message?.head.framing, message?.head.untilClose], [{ kind: "open" }, true]);
      deepStrictEqual([message?.body, message?.trailers], ["abc", []]);
    }
    strictEqual(parseResponses("HTTP/1.1 200 OK\r\n\r\nabc", { untilClose: "allow" }).messages[0]?.trailers, undefined);
  });

  test("are refused where they are not: the end of the connection proves nothing there", () => {
    assertResponseRefused(`${OK}\r\nabc`, "until-close", { end: true });
    assertResponseRefused("HTTP/1.0 200 OK\r\n\r\nabc", "until-close", { end: true });
  });

  test("the end of the connection is no end for any other response", () => {
    for (const cut of [
      "HTTP/1.1 20",
      OK,
      `${OK}content-length: 3\r\n\r\nab`,
      `${OK}transfer-encoding: chunked\r\n\r\n`,
      `${OK}transfer-encoding: chunked\r\n\r\n2\r\nab\r\n`,
      `${OK}transfer-encoding: chunked\r\n\r\n0\r\n`,
      "HTTP/1.1 103 \r\n\r\n",
    ]) {
      assertResponseRefused(cut, "cut-short", { end: true, untilClose: "allow" });
    }
  });

  test("the end of a connection on which nothing is expected is no fault", () => {
    strictEqual(parseResponses(`${OK}content-length: 0\r\n\r\n`, { end: true }).refusal, undefined);
  });
});

describe("interim responses", () => {
  test("100 and 103 are told, 102 and unknown ones are dropped", () => {
    const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 x\r\n\r\n";
    const hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    const parsed = parseResponses(`${interim}${hints}${OK}content-length: 0\r\n\r\n`);
    deepStrictEqual(
      parsed.interim.map(({ status, fields }) => [status, fields]),
      [
        [100, []],
        [103, ["link", "</a>"]],
      ],
    );
    strictEqual(parsed.messages.length, 1);
  });

  test("eight are taken, dropped ones included; the ninth is 502", () => {
    const eight = "HTTP/1.1 103 \r\n\r\nHTTP/1.1 102 \r\n\r\n".repeat(4);
    strictEqual(parseResponses(`${eight}${OK}content-length: 0\r\n\r\n`).messages.length, 1);
    assertResponseRefused(`${eight}HTTP/1.1 102 \r\n\r\n`, "too-many-interim");
    const twice = `${eight}${OK}content-length: 0\r\n\r\n`.repeat(2);
    strictEqual(parseResponses(twice, { methods: ["GET", "GET"] }).messages.length, 2);
  });

  test("HTTP/1.0 knows no interim responses", () => {
    for (const status of [100, 102, 103]) assertResponseRefused(`HTTP/1.0 ${status} \r\n\r\n${OK}`, "interim-in-1.0");
  });

  test("101 is 502: nobody asked for another protocol", () => {
    assertResponseRefused("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n", "switching-protocols");
  });
});

describe("how the parser is driven", () => {
  const silent = { interim() {}, head() {}, data() {}, end() {}, refused() {} };
  const octets = (text: string) => Buffer.from(text, "latin1");

  test("a request is expected one at a time", () => {
    const parser = new ResponseParser(silent, { untilClose: "refuse" });
    parser.expect("GET");
    throws(() => parser.expect("GET"), TypeError);
    parser.execute(octets(`${OK}content-length: 0\r\n\r\n`), 0);
    parser.expect("GET");
  });

  test("it is idle until the first octet of a response, and not between interim responses and the final one", () => {
    const parser = new ResponseParser(silent, { untilClose: "refuse" });
    const idle: boolean[] = [parser.idle];
    parser.expect("GET");
    for (const piece of ["", "H", "TTP/1.1 103 \r\n\r\n", `${OK}content-length: 1\r\n\r\n`, "a"]) {
      parser.execute(octets(piece), 0);
      idle.push(parser.idle);
    }
    deepStrictEqual(idle, [true, true, false, false, false, true]);
  });

  test("stop within an event is the last of it", () => {
    const chunked = "transfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n";
    const whole = "content-length: 1\r\n\r\na";
    for (const [event, body] of [
      ...(["interim", "head", "data", "end"] as const).map((event) => [event, chunked] as const),
      ...(["interim", "head", "data", "end"] as const).map((event) => [event, whole] as const),
    ]) {
      const events: string[] = [];
      const seen = (name: string) => () => {
        events.push(name);
        if (name === event) parser.stop();
      };
      const sink = {
        interim: seen("interim"),
        head: seen("head"),
        data: seen("data"),
        end: seen("end"),
        refused: seen("refused"),
      };
      const parser = new ResponseParser(sink, { untilClose: "refuse" });
      parser.expect("GET");
      parser.execute(octets(`HTTP/1.1 103 \r\n\r\n${OK}${body}`), 0);
      parser.eof();
      parser.expect("GET");
      parser.execute(octets(OK), 0);
      strictEqual(events.at(-1), event);
      strictEqual(events.filter((name) => name === event).length, 1);
    }
  });
});
