// RFC 9113's rules for what a client sends, by their sections: what ends the connection, what ends its stream alone, and what is let pass.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ACK,
  block,
  CONTINUATION,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  GOAWAY,
  goaway,
  HEADERS,
  headers,
  openingFrames,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  request,
  reset,
  SETTINGS,
  settings,
  WINDOW_UPDATE,
  windowUpdate,
} from "../proxy-tls/support/http2-frames.ts";
import { DrivenServer, openServer } from "./support/driven.ts";

const PRIORITIZED = 0x20;
const [PROTOCOL, FLOW_CONTROL, STREAM_CLOSED, FRAME_SIZE, REFUSED, COMPRESSION] = [1, 3, 5, 6, 7, 9];
const POST = request(1, 0, "POST", "/");
const GET = request(1, END_STREAM, "GET", "/");
const PING_FRAME = frame(PING, 0, 0, Buffer.alloc(8));
const FIELDS = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "example.test"] as const;
const octets = (...values: number[]): Buffer => Buffer.from(values);

/** What ends the whole connection. */
const ENDS: readonly (readonly [rule: string, code: number, ...sent: Buffer[]])[] = [
  ["4.2: a frame longer than was announced", FRAME_SIZE, frame(0x77, 0, 0, Buffer.alloc(16_385))],
  ["4.3: a block that is cut within a field", COMPRESSION, frame(HEADERS, END_HEADERS, 1, octets(0x40, 0x05, 0x61))],
  ["4.3: a block that names no entry", COMPRESSION, frame(HEADERS, END_HEADERS, 1, octets(0xc0))],
  ["4.3: a bad block on a stream that was reset", COMPRESSION, POST, reset(1, 8), frame(HEADERS, 5, 1, octets(0xc0))],
  ["5.1: DATA on an idle stream", PROTOCOL, data(1, 0, "x")],
  ["5.1: RST_STREAM on an idle stream", PROTOCOL, reset(1, 8)],
  ["5.1: WINDOW_UPDATE on an idle stream", PROTOCOL, windowUpdate(1, 1)],
  ["5.1: RST_STREAM on a stream of our own, which we never open", PROTOCOL, POST, reset(2, 8)],
  ["5.1.1: a stream of an even number", PROTOCOL, request(2, END_STREAM, "GET", "/")],
  ["5.1.1: a stream of a lower number", PROTOCOL, request(5, 0, "GET", "/"), request(3, 0, "GET", "/")],
  ["5.5: an unknown frame within a header block", PROTOCOL, frame(HEADERS, 0, 1, block(...FIELDS)), frame(0x77, 0, 1)],
  ["6.1: DATA on stream 0", PROTOCOL, data(0, 0, "x")],
  ["6.1: DATA whose padding fills it", PROTOCOL, POST, data(1, PADDED, octets(2, 0))],
  ["6.2: HEADERS on stream 0", PROTOCOL, headers(0, END_STREAM, ...FIELDS)],
  [
    "6.2: HEADERS whose padding is longer than they",
    PROTOCOL,
    frame(HEADERS, END_HEADERS | PADDED, 1, octets(9, 0x82)),
  ],
  ["6.2: padded HEADERS without a byte", PROTOCOL, frame(HEADERS, END_HEADERS | PADDED, 1)],
  [
    "6.2: HEADERS too short for their priority",
    PROTOCOL,
    frame(HEADERS, END_HEADERS | PRIORITIZED, 1, octets(0, 0, 0)),
  ],
  [
    "6.2: HEADERS whose padding runs into their priority",
    PROTOCOL,
    frame(HEADERS, END_HEADERS | PADDED | PRIORITIZED, 1, octets(1, 0, 0, 0, 0, 0)),
  ],
  [
    "6.2: another stream's HEADERS within a block",
    PROTOCOL,
    frame(HEADERS, 0, 1, block(...FIELDS)),
    headers(3, 1, ...FIELDS),
  ],
  ["6.2: a PING within a block", PROTOCOL, frame(HEADERS, 0, 1, block(...FIELDS)), PING_FRAME],
  ["6.2: DATA within a block", PROTOCOL, frame(HEADERS, 0, 1, block(...FIELDS)), data(1, 0, "")],
  ["6.3: PRIORITY on stream 0", PROTOCOL, frame(PRIORITY, 0, 0, Buffer.alloc(5))],
  ["6.3: PRIORITY of four bytes", FRAME_SIZE, frame(PRIORITY, 0, 1, Buffer.alloc(4))],
  ["6.4: RST_STREAM on stream 0", PROTOCOL, reset(0, 8)],
  ["6.4: RST_STREAM of five bytes", FRAME_SIZE, POST, frame(RST_STREAM, 0, 1, Buffer.alloc(5))],
  ["6.5: SETTINGS on a stream", PROTOCOL, POST, frame(SETTINGS, 0, 1)],
  ["6.5: an acknowledgement with settings", FRAME_SIZE, frame(SETTINGS, ACK, 0, Buffer.alloc(6))],
  ["6.5: SETTINGS of seven bytes", FRAME_SIZE, frame(SETTINGS, 0, 0, Buffer.alloc(7))],
  ["6.5.2: ENABLE_PUSH of 2", PROTOCOL, settings([2, 2])],
  ["6.5.2: INITIAL_WINDOW_SIZE of 2^31", FLOW_CONTROL, settings([4, 2 ** 31])],
  ["6.5.2: MAX_FRAME_SIZE of 16,383", PROTOCOL, settings([5, 16_383])],
  ["6.5.2: MAX_FRAME_SIZE of 2^24", PROTOCOL, settings([5, 2 ** 24])],
  ["6.6: PUSH_PROMISE of a client", PROTOCOL, POST, frame(PUSH_PROMISE, END_HEADERS, 1, octets(0, 0, 0, 2))],
  ["6.7: PING on a stream", PROTOCOL, POST, frame(PING, 0, 1, Buffer.alloc(8))],
  ["6.7: PING of seven bytes", FRAME_SIZE, frame(PING, 0, 0, Buffer.alloc(7))],
  ["6.8: GOAWAY on a stream", PROTOCOL, POST, frame(GOAWAY, 0, 1, Buffer.alloc(8))],
  ["6.8: GOAWAY of seven bytes", FRAME_SIZE, frame(GOAWAY, 0, 0, Buffer.alloc(7))],
  ["6.9: WINDOW_UPDATE of three bytes", FRAME_SIZE, frame(8, 0, 0, Buffer.alloc(3))],
  ["6.9: WINDOW_UPDATE of the connection by nothing", PROTOCOL, windowUpdate(0, 0)],
  ["6.9.1: a connection's window beyond 2^31-1", FLOW_CONTROL, windowUpdate(0, 2 ** 31 - 65_535)],
  [
    "6.9.2: SETTINGS that carry a stream's window beyond 2^31-1",
    FLOW_CONTROL,
    POST,
    windowUpdate(1, 1),
    settings([4, 2 ** 31 - 1]),
  ],
  ["6.10: CONTINUATION of nothing", PROTOCOL, frame(CONTINUATION, END_HEADERS, 1)],
  ["6.10: CONTINUATION on stream 0", PROTOCOL, frame(HEADERS, 0, 1, block(...FIELDS)), frame(CONTINUATION, 4, 0)],
  ["6.10: CONTINUATION of another stream", PROTOCOL, frame(HEADERS, 0, 1, block(...FIELDS)), frame(CONTINUATION, 4, 3)],
  ["6.10: CONTINUATION behind the end of a block", PROTOCOL, POST, frame(CONTINUATION, END_HEADERS, 1)],
];

/** What ends its stream and nothing else. */
const RESETS: readonly (readonly [rule: string, code: number, ...sent: Buffer[]])[] = [
  ["5.1: DATA behind END_STREAM", STREAM_CLOSED, GET, data(1, 0, "x")],
  ["5.1: empty DATA behind END_STREAM", STREAM_CLOSED, GET, data(1, 0, "")],
  ["5.1: HEADERS behind END_STREAM", STREAM_CLOSED, GET, headers(1, END_STREAM, "x-trailer", "1")],
  ["5.1: DATA on a stream whose number was passed over", STREAM_CLOSED, request(3, 0, "POST", "/"), data(1, 0, "x")],
  ["6.9: WINDOW_UPDATE by nothing", PROTOCOL, POST, windowUpdate(1, 0)],
  ["6.9.1: a stream's window beyond 2^31-1", FLOW_CONTROL, POST, windowUpdate(1, 2 ** 31 - 65_535)],
  ["8.1: trailers without END_STREAM", PROTOCOL, POST, headers(1, 0, "x-trailer", "1")],
  ["8.1: trailers with a pseudo-field", PROTOCOL, POST, headers(1, END_STREAM, ":path", "/")],
  ["8.2.1: an upper-case name", PROTOCOL, request(1, 0, "GET", "/", "X-Field", "1")],
  ["8.2.1: a name with a colon in it", PROTOCOL, request(1, 0, "GET", "/", "x:y", "1")],
  ["8.2.1: an empty name (CVE-2019-9516)", PROTOCOL, request(1, 0, "GET", "/", "", "1")],
  ["8.2.1: a line break in a value", PROTOCOL, request(1, 0, "GET", "/", "x-field", "a\r\nb: c")],
  ["8.2.1: NUL in a value", PROTOCOL, request(1, 0, "GET", "/", "x-field", "a\0b")],
  ["8.2.1: a space before a value", PROTOCOL, request(1, 0, "GET", "/", "x-field", " a")],
  ["8.2.1: a line break in a trailer", PROTOCOL, POST, headers(1, END_STREAM, "x-trailer", "a\nb")],
  ["8.2.2: connection", PROTOCOL, request(1, 0, "GET", "/", "connection", "close")],
  ["8.2.2: keep-alive", PROTOCOL, request(1, 0, "GET", "/", "keep-alive", "1")],
  ["8.2.2: proxy-connection", PROTOCOL, request(1, 0, "GET", "/", "proxy-connection", "close")],
  ["8.2.2: transfer-encoding", PROTOCOL, request(1, 0, "GET", "/", "transfer-encoding", "chunked")],
  ["8.2.2: upgrade", PROTOCOL, request(1, 0, "GET", "/", "upgrade", "h2c")],
  ["8.2.2: te that is not trailers", PROTOCOL, request(1, 0, "GET", "/", "te", "gzip")],
  ["8.2.2: transfer-encoding in trailers", PROTOCOL, POST, headers(1, END_STREAM, "transfer-encoding", "chunked")],
  [
    "8.3: a pseudo-field behind others",
    PROTOCOL,
    headers(1, 0, ":method", "GET", "x-a", "1", ":scheme", "http", ":path", "/"),
  ],
  ["8.3: an unknown pseudo-field", PROTOCOL, headers(1, 0, ...FIELDS, ":protocol", "websocket")],
  ["8.3: a response's pseudo-field", PROTOCOL, headers(1, 0, ":status", "200", ...FIELDS)],
  ["8.3.1: :path twice", PROTOCOL, headers(1, 0, ...FIELDS, ":path", "/other")],
  ["8.3.1: no :method", PROTOCOL, headers(1, 0, ":scheme", "http", ":path", "/")],
  ["8.3.1: no :scheme", PROTOCOL, headers(1, 0, ":method", "GET", ":path", "/")],
  ["8.3.1: no :path", PROTOCOL, headers(1, 0, ":method", "GET", ":scheme", "http")],
  ["8.3.1: an empty :path", PROTOCOL, headers(1, 0, ":method", "GET", ":scheme", "http", ":path", "")],
  ["8.3.1: an empty head", PROTOCOL, headers(1, END_STREAM)],
  ["8.5: CONNECT with a :path", PROTOCOL, headers(1, 0, ":method", "CONNECT", ":authority", "a:1", ":path", "/")],
  ["8.5: CONNECT without an authority", PROTOCOL, headers(1, 0, ":method", "CONNECT")],
];

describe("a server's connection ends (RFC 9113)", () => {
  for (const [rule, code, ...sent] of ENDS) {
    test(rule, () => {
      const server = openServer();
      server.send(...sent);
      assert.equal(server.code, code, server.told.log.join("; "));
      const [last] = server.frames().slice(-1);
      assert.equal(last?.type, GOAWAY, "GOAWAY is the last frame");
      assert.equal(last.payload.readUInt32BE(4), code);
      for (const { told, stream } of server.taken) {
        assert.ok(["connection", "reset 8"].includes(told.log.at(-1) ?? ""), told.log.join());
        assert.ok(stream.closed);
      }
      assert.equal(server.connection.active, 0);
      server.send(request(101, END_STREAM, "GET", "/"), PING_FRAME);
      assert.deepEqual(server.frames(), [], "nothing is said behind it");
    });
  }

  for (const [what, first] of [
    ["another frame than SETTINGS", PING_FRAME],
    ["an acknowledgement of SETTINGS", frame(SETTINGS, ACK, 0)],
    ["an unknown frame", frame(0x77, 0, 0)],
    ["DATA", data(1, 0, "x")],
    ["a request", GET],
  ] as const) {
    test(`3.4: ${what} comes first`, () => {
      const server = new DrivenServer();
      server.send(PREFACE, first);
      assert.equal(server.code, PROTOCOL);
      assert.equal(server.taken.length, 0);
    });
  }

  test("3.4: another protocol comes", () => {
    const server = new DrivenServer();
    server.send(Buffer.from("GET / HTTP/1.1\r\n"));
    assert.equal(server.code, PROTOCOL);
  });
});

describe("a stream of a server ends alone (RFC 9113)", () => {
  for (const [rule, code, ...sent] of RESETS) {
    test(rule, () => {
      const server = openServer();
      server.send(...sent);
      assert.equal(server.code, undefined, server.told.fault?.message);
      assert.deepEqual(server.said(), [`1 reset ${code}`]);
      for (const { stream, told } of server.taken) {
        if (stream.id === 1) assert.match(told.log.at(-1) ?? "", /^malformed: /);
      }
      server.send(request(5, END_STREAM, "GET", "/"), PING_FRAME);
      assert.equal(server.taken.at(-1)?.stream.id, 5, "the next is served");
      assert.deepEqual(server.said(), [`0 type ${PING} flags ${ACK} ${"00".repeat(8)}`]);
    });
  }

  test("5.1.2: a stream beyond the limit is refused, and the next behind one that ended is served", () => {
    const server = openServer(2);
    server.send(
      request(1, 0, "POST", "/"),
      request(3, END_STREAM, "GET", "/"),
      request(5, 0, "POST", "/"),
      data(5, 1, "x"),
    );
    assert.deepEqual(server.said(), [`5 reset ${REFUSED}`]);
    server.request(1).stream.sendHead([":status", "204"], true);
    server.send(request(7, END_STREAM, "GET", "/"));
    assert.deepEqual(
      server.taken.map(({ stream }) => stream.id),
      [1, 3, 7],
    );
    assert.deepEqual(server.said(), ["3 :status 204 end"]);
  });

  test("6.9.1: more DATA than the connection's window ends all, and a byte less does not", () => {
    const server = openServer(8);
    let left = 8 * 65_535 + 1024 * 1024;
    let wide = 65_535;
    const send = (id: number, bytes: number): void => {
      server.send(data(id, 0, Buffer.alloc(bytes)));
      left -= bytes;
    };
    // The first takes what comes, until its window is more than the others' together.
    server.send(POST);
    while (wide < 1024 * 1024) {
      send(1, 13_107);
      wide -= 13_107;
      for (const { type, stream, payload } of server.frames()) {
        if (type !== WINDOW_UPDATE) continue;
        if (stream === 0) left += payload.readUInt32BE(0);
        else wide += payload.readUInt32BE(0);
      }
    }
    server.request(0).stream.pause();
    server.told.take = ({ stream }) => stream.pause();
    for (let id = 3; id < 15; id += 2) {
      server.send(request(id, 0, "POST", "/"));
      for (let piece = 0; piece < 5; piece += 1) send(id, 13_107);
    }
    server.send(request(15, 0, "POST", "/"));
    while (left > 0) send(1, Math.min(left, 16_384));
    assert.equal(server.code, undefined, server.told.fault?.message);
    server.send(data(15, 0, "x"));
    assert.equal(server.code, FLOW_CONTROL);
  });

  test("6.9.1: more DATA than the stream's window, padding included", () => {
    const server = openServer();
    server.told.take = ({ stream }) => stream.pause();
    const padded = data(1, PADDED, Buffer.concat([octets(255), Buffer.alloc(16_000 + 255)]));
    server.send(POST, padded, padded, padded, padded);
    // Padding is credited at once, but less than half a window of it is told.
    assert.deepEqual(server.said(), []);
    server.send(data(1, 0, Buffer.alloc(511)));
    assert.deepEqual(server.said(), []);
    server.send(data(1, 0, "x"));
    assert.deepEqual(server.said(), [`1 reset ${FLOW_CONTROL}`]);
    assert.equal(server.code, undefined);
  });
});

describe("a server lets pass (RFC 9113)", () => {
  for (const [rule, ...sent] of [
    ["4.1: flags that a type does not have", frame(PING, 0xfe, 0, Buffer.alloc(8))],
    ["5.1: PRIORITY on an idle stream", frame(PRIORITY, 0, 99, Buffer.alloc(5))],
    [
      "5.1: WINDOW_UPDATE and RST_STREAM on a stream that was reset",
      POST,
      reset(1, 8),
      windowUpdate(1, 9),
      reset(1, 8),
    ],
    ["5.5: frames of unknown types", frame(0x77, 0xff, 0, octets(1)), frame(0x77, 0xff, 77, octets(1))],
    ["5.5: unknown settings", settings([0xff, 7], [8, 1], [3, 0], [6, 0])],
    [
      "6.5.2: the largest and least settings",
      settings([1, 2 ** 32 - 1], [2, 1], [4, 2 ** 31 - 1], [5, 2 ** 24 - 1]),
      settings([1, 0], [4, 0]),
    ],
    ["6.7: an acknowledgement that nobody waits for", frame(PING, ACK, 0, Buffer.alloc(8))],
    ["6.8: GOAWAY with a reason", frame(GOAWAY, 0, 0, Buffer.concat([Buffer.alloc(8), Buffer.from("why")]))],
    ["6.9.1: the largest window of a connection", windowUpdate(0, 2 ** 31 - 1 - 65_535)],
    ["8.2.2: te: trailers", request(1, END_STREAM, "GET", "/", "te", "trailers")],
    ["8.5: CONNECT with an authority alone", headers(1, 0, ":method", "CONNECT", ":authority", "a:1")],
  ] as const) {
    test(rule, () => {
      const server = openServer();
      server.send(...sent);
      server.send(PING_FRAME);
      assert.equal(server.code, undefined, server.told.fault?.message);
      assert.equal(
        server.frames().some(({ type }) => type === RST_STREAM),
        false,
      );
      assert.equal(server.connection.over, false);
    });
  }

  test("6.2: a head with padding and a priority, cut into frames", () => {
    const server = openServer();
    const whole = block(...FIELDS, "x-field", "1");
    const first = Buffer.concat([octets(3, 0, 0, 0, 0, 15), whole.subarray(0, 7), octets(0, 0, 0)]);
    server.send(
      frame(HEADERS, END_STREAM | PADDED | PRIORITIZED, 1, first),
      frame(CONTINUATION, 0, 1, whole.subarray(7, 20)),
      frame(CONTINUATION, 0, 1),
      frame(CONTINUATION, END_HEADERS, 1, whole.subarray(20)),
    );
    assert.deepEqual(server.request(0).fields, [...FIELDS, "x-field", "1"]);
    assert.deepEqual(server.request(0).told.log, ["end"]);
  });

  test("8.1: trailers with END_STREAM, told behind the body", () => {
    const server = openServer();
    server.send(POST, data(1, 0, "body"), headers(1, END_STREAM, "x-trailer", "1"));
    assert.deepEqual(server.request(0).told.log, ["data 4", "end x-trailer 1"]);
  });

  test("a list that is too large is told apart from one that is malformed, and the table stays in step", () => {
    const server = openServer();
    const large = Array.from({ length: 9 }, (_, index) => [`x-${index}`, "v".repeat(4_000)]).flat();
    const whole = block(...FIELDS, ...large);
    server.send(
      frame(HEADERS, END_STREAM, 1, whole.subarray(0, 16_384)),
      frame(CONTINUATION, 0, 1, whole.subarray(16_384, 32_768)),
      frame(CONTINUATION, END_HEADERS, 1, whole.subarray(32_768)),
      request(3, END_STREAM, "GET", "/next"),
    );
    assert.deepEqual(server.told.log.slice(1), ["too large 1"]);
    assert.equal(server.taken.length, 1);
    assert.deepEqual(server.said(), ["1 :status 431 end"]);
  });

  test("6.8: the client's GOAWAY is told, and what is open goes on", () => {
    const server = openServer();
    server.send(POST, goaway(0, 2), data(1, END_STREAM, "x"));
    assert.deepEqual(server.told.log.slice(1), ["goaway 2"]);
    assert.deepEqual(server.request(0).told.log, ["data 1", "end"]);
  });

  test("3.4: the frames that follow the preface at once, and it says its own SETTINGS before", () => {
    const server = new DrivenServer();
    const [first] = server.frames();
    assert.equal(first?.type, SETTINGS);
    server.send(PREFACE, openingFrames(), POST, data(1, END_STREAM, "x"));
    assert.equal(server.frames()[0]?.flags, ACK);
    assert.deepEqual(server.request(0).told.log, ["data 1", "end"]);
  });
});
