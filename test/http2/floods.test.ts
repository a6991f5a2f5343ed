// What a peer may send for nothing ends its connection with ENHANCE_YOUR_CALM before it has sent much (RFC 9113 section 10.5); what clients of all
// kinds do for a day does not.
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
  HEADERS,
  headers,
  openingFrames,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  RST_STREAM,
  request,
  reset,
  SETTINGS,
  settings,
  WINDOW_UPDATE,
  windowUpdate,
} from "../proxy-tls/support/http2-frames.ts";
import { DrivenServer, openClient, openServer } from "./support/driven.ts";

const CALM = 11;
const MEBIBYTE = 1024 * 1024;
const POST = request(1, 0, "POST", "/");
const GET_BLOCK = block(":method", "GET", ":scheme", "http", ":path", "/");
const badRequest = (id: number): Buffer => headers(id, END_STREAM, ":method", "GET", ":method", "GET");
const even = (round: number): number => 2 * round + 1;

/** The flood's next part, and the bytes that it may take to be stopped. */
interface Flood {
  readonly first?: Buffer;
  readonly next: (round: number) => Buffer;
  readonly within: number;
  /** Requests are paused at once. */
  readonly pauses?: boolean;
}

const FLOODS: Readonly<Record<string, Flood>> = {
  "pings (CVE-2019-9512)": { next: () => frame(PING, 0, 0, Buffer.alloc(8)), within: MEBIBYTE / 8 },
  "acknowledgements of pings": { next: () => frame(PING, ACK, 0, Buffer.alloc(8)), within: MEBIBYTE / 8 },
  "settings (CVE-2019-9515)": { next: () => settings([4, 1]), within: MEBIBYTE / 16 },
  "empty settings": { next: () => settings(), within: MEBIBYTE / 16 },
  "acknowledgements of settings": { next: () => frame(SETTINGS, ACK, 0), within: MEBIBYTE / 8 },
  "window updates of the connection": { next: () => windowUpdate(0, 1), within: MEBIBYTE / 4 },
  "window updates of a stream": { first: POST, next: () => windowUpdate(1, 1), within: MEBIBYTE / 4 },
  "window updates of an ended stream": {
    first: Buffer.concat([POST, reset(1, 8)]),
    next: () => windowUpdate(1, 1),
    within: MEBIBYTE / 4,
  },
  "priorities (CVE-2019-9513)": { next: () => frame(PRIORITY, 0, 7, Buffer.alloc(5)), within: MEBIBYTE / 4 },
  "frames of unknown types": { next: () => frame(0x77, 0, 0, Buffer.alloc(16_384)), within: MEBIBYTE / 2 },
  "empty frames of unknown types": { next: () => frame(0x77, 0, 0), within: MEBIBYTE / 4 },
  "empty DATA (CVE-2019-9518)": { first: POST, next: () => data(1, 0, ""), within: MEBIBYTE / 8 },
  "padding without data": { first: POST, next: () => data(1, PADDED, Buffer.from([3, 0, 0, 0])), within: MEBIBYTE / 8 },
  "padding with a byte of data": {
    first: POST,
    next: () => data(1, PADDED, Buffer.concat([Buffer.from([255, 120]), Buffer.alloc(255)])),
    within: MEBIBYTE / 2,
  },
  goaways: { next: () => frame(GOAWAY, 0, 0, Buffer.alloc(8)), within: MEBIBYTE / 4 },
  "resets of ended streams": {
    first: Buffer.concat([POST, reset(1, 8)]),
    next: () => reset(1, 8),
    within: MEBIBYTE / 4,
  },
  "heads on a stream that we reset": {
    first: badRequest(1),
    next: () => headers(1, END_STREAM, "x-a", "1"),
    within: MEBIBYTE / 16,
  },
  "DATA on a stream that we reset": {
    first: badRequest(1),
    next: () => data(1, 0, Buffer.alloc(999)),
    within: MEBIBYTE,
  },
  "requests that are reset (CVE-2023-44487)": {
    next: (round) => Buffer.concat([request(even(round), END_STREAM, "GET", "/"), reset(even(round), 8)]),
    within: 6_000,
  },
  "uploads that are reset": {
    next: (round) =>
      Buffer.concat([request(even(round), 0, "POST", "/"), data(even(round), 0, "x"), reset(even(round), 8)]),
    within: 7_000,
  },
  "malformed requests": { next: (round) => badRequest(even(round)), within: 6_000 },
  "requests whose trailers are malformed (CVE-2025-8671)": {
    next: (round) =>
      Buffer.concat([request(even(round), 0, "POST", "/"), headers(even(round), END_STREAM, ":path", "/")]),
    within: 8_000,
  },
  "requests whose windows overflow (CVE-2025-8671)": {
    next: (round) =>
      Buffer.concat([request(even(round), END_STREAM, "GET", "/"), windowUpdate(even(round), 2 ** 31 - 1)]),
    within: 7_000,
  },
  "requests whose windows grow by nothing (CVE-2025-8671)": {
    next: (round) => Buffer.concat([request(even(round), END_STREAM, "GET", "/"), windowUpdate(even(round), 0)]),
    within: 7_000,
  },
  "requests with DATA behind their end (CVE-2025-8671)": {
    next: (round) => Buffer.concat([request(even(round), END_STREAM, "GET", "/"), data(even(round), 0, "x")]),
    within: 7_000,
  },
  "DATA on streams that were passed over": {
    first: request(2 ** 20 + 1, 0, "POST", "/"),
    next: (round) => data(even(round), END_STREAM, "x"),
    within: 1_000,
  },
  "streams beyond the limit": { next: (round) => request(even(round), 0, "POST", "/"), within: 16_000 },
  "CONTINUATION (CVE-2024-27316)": {
    first: frame(HEADERS, END_STREAM, 1, GET_BLOCK),
    next: () => frame(CONTINUATION, 0, 1, block("x-field", "1")),
    within: 500,
  },
  "empty CONTINUATION": {
    first: frame(HEADERS, END_STREAM, 1, GET_BLOCK),
    next: () => frame(CONTINUATION, 0, 1),
    within: 500,
  },
  "long CONTINUATION": {
    first: frame(HEADERS, 0, 1),
    next: () => frame(CONTINUATION, 0, 1, Buffer.alloc(16_384)),
    within: 90_000,
  },
};

/** @returns the bytes that were sent until the connection ended, behind `first` */
function flood(server: DrivenServer, { first, next, pauses = false }: Flood): number {
  if (pauses) server.told.take = ({ stream }) => stream.pause();
  if (first !== undefined) server.send(first);
  let sent = 0;
  for (let round = 0; server.code === undefined && sent < 4 * MEBIBYTE; round += 1) {
    const part = next(round);
    sent += part.length;
    server.send(part);
    server.frames();
  }
  return sent;
}

describe("a flood ends its connection", () => {
  for (const [what, attack] of Object.entries(FLOODS)) {
    test(what, () => {
      const server = openServer();
      // The client has read our settings: it knows its limits.
      server.send(frame(SETTINGS, ACK, 0));
      const sent = flood(server, attack);
      assert.equal(server.code, CALM, server.told.fault?.message);
      assert.ok(sent <= attack.within, `${sent} bytes`);
      assert.equal(server.connection.active, 0);
    });
  }

  test("requests that their owner finds malformed: it may end those of a chunk, and no more (CVE-2025-8671)", () => {
    const server = openServer();
    server.told.take = ({ stream, told }) => {
      told.act = (what) => {
        if (what === "end") stream.reset(1);
      };
    };
    const sent = flood(server, {
      next: (round) =>
        Buffer.concat([request(even(round), 0, "POST", "/", "content-length", "9"), data(even(round), 1, "x")]),
      within: 0,
    });
    assert.equal(server.code, CALM);
    assert.ok(sent < 8_000, `${sent} bytes`);
  });

  test("requests that are reset among some that are answered: more of them than half of the others", () => {
    const server = openServer();
    server.told.take = ({ stream }) => {
      if (stream.id % 4 === 1) stream.sendHead([":status", "200"], true);
    };
    const sent = flood(server, {
      next: (round) =>
        Buffer.concat([
          request(2 * even(round) - 1, END_STREAM, "GET", "/"),
          request(2 * even(round) + 1, END_STREAM, "GET", "/"),
          reset(2 * even(round) + 1, 8),
        ]),
      within: 0,
    });
    assert.equal(server.code, CALM);
    assert.ok(sent < 20_000, `${sent} bytes`);
  });

  test("streams beyond the limit, of a client that never says that it knows it", () => {
    const server = openServer();
    const sent = flood(server, { next: (round) => request(even(round), END_STREAM, "GET", "/"), within: 0 });
    assert.equal(server.code, CALM);
    assert.ok(sent < MEBIBYTE / 16, `${sent} bytes`);
  });

  test("a server that answers what its client has cancelled, for ever", () => {
    const client = openClient();
    client.request().stream.reset(8);
    for (let sent = 0; client.code === undefined && sent < MEBIBYTE; sent += 50)
      client.send(headers(1, 0, ":status", "200"));
    assert.equal(client.code, CALM);
  });
});

describe("what is no flood", () => {
  const answer = (server: DrivenServer, index: number, body = "ok"): void => {
    const { stream } = server.request(index);
    stream.sendHead([":status", "200"], false);
    stream.write(Buffer.from(body));
    stream.end();
  };

  test("a hundred thousand small requests, each answered, each answer acknowledged twice", () => {
    const server = openServer();
    server.told.take = ({ stream }) => {
      stream.sendHead([":status", "200"], false);
      stream.write(Buffer.from("ok"));
      stream.end();
      server.told.taken.length = 0;
    };
    const update = Buffer.concat([windowUpdate(0, 2), windowUpdate(1, 2)]);
    const head = frame(HEADERS, END_STREAM | END_HEADERS, 1, block(":method", "GET", ":scheme", "http", ":path", "/"));
    for (let index = 0; index < 100_000; index += 1) {
      head.writeUInt32BE(even(index), 5);
      update.writeUInt32BE(even(index), 13 + 5);
      server.connection.receive(Buffer.from(head));
      server.connection.receive(Buffer.from(update));
      if (index % 100 === 0) {
        server.connection.output.flush();
        server.sink.take();
      }
    }
    assert.equal(server.code, undefined, server.told.fault?.message);
    assert.equal(server.connection.active, 0);
  });

  test("a client that cancels every third call, for an hour at any rate", () => {
    const server = openServer();
    server.told.take = ({ stream }) => {
      if (server.told.taken.length < 3) stream.sendHead([":status", "200"], true);
      else server.told.taken.length = 0;
    };
    for (let round = 0; round < 30_000; round += 1) {
      const id = 2 * round + 1;
      server.connection.receive(request(id, END_STREAM, "GET", "/"));
      if (round % 3 === 2) server.connection.receive(reset(id, 8));
      if (round % 100 === 0) server.frames();
    }
    assert.equal(server.code, undefined, server.told.fault?.message);
    assert.equal(server.connection.active, 0);
  });

  test("a stream of messages of one byte each way, each with two window updates and, now and then, a ping", () => {
    const server = openServer();
    server.send(POST);
    const { stream, told } = server.request(0);
    told.act = (what) => {
      if (what.startsWith("data")) stream.write(Buffer.from("012345"));
      told.log.length = 0;
      told.body.length = 0;
    };
    const part = Buffer.concat([data(1, 0, "012345"), windowUpdate(0, 6), windowUpdate(1, 6)]);
    const ping = frame(PING, 0, 0, Buffer.alloc(8));
    for (let index = 0; index < 20_000; index += 1) {
      server.connection.receive(part);
      if (index % 8 === 0) server.connection.receive(ping);
      if (index % 100 === 0) server.frames();
    }
    assert.equal(server.code, undefined, server.told.fault?.message);
  });

  test("a download that is acknowledged by two window updates for every KiB", () => {
    const server = openServer();
    server.send(POST);
    const { stream, told } = server.request(0);
    const chunk = Buffer.alloc(64 * 1024);
    const more = (): void => {
      while (stream.write(chunk));
    };
    told.act = (what) => {
      if (what === "writable") more();
    };
    more();
    let taken = 0;
    for (let round = 0; taken < 16 * MEBIBYTE && round < 100_000; round += 1) {
      let bytes = 0;
      for (const { type, payload } of server.frames()) if (type === 0) bytes += payload.length;
      taken += bytes;
      for (; bytes > 0; bytes -= 1024) {
        const increment = Math.min(bytes, 1024);
        server.send(windowUpdate(1, increment), windowUpdate(0, increment));
      }
    }
    assert.ok(taken >= 16 * MEBIBYTE, `${taken} bytes`);
    assert.equal(server.code, undefined, server.told.fault?.message);
  });

  test("forty cancels in a burst, then five a second for an hour", () => {
    const server = openServer();
    let id = 1;
    const cancel = (): void => {
      server.send(request(id, END_STREAM, "GET", "/"), reset(id, 8));
      id += 2;
    };
    for (let index = 0; index < 40; index += 1) cancel();
    for (let tenth = 0; tenth < 36_000; tenth += 1) {
      server.connection.tick(100);
      if (tenth % 2 === 0) cancel();
      server.told.taken.length = 0;
    }
    assert.equal(server.code, undefined, server.told.fault?.message);
  });

  test("tiny messages that wait for an owner who takes none of them", () => {
    const server = openServer();
    server.told.take = ({ stream }) => stream.pause();
    const message = data(1, 0, "01234");
    for (let id = 1; id < 20; id += 2) {
      server.send(request(id, 0, "POST", "/"));
      message.writeUInt32BE(id, 5);
      for (let sent = 0; sent + 5 <= 65_535; sent += 5) server.connection.receive(message);
    }
    assert.equal(server.code, undefined, server.told.fault?.message);
    const { stream, told } = server.request(0);
    stream.resume();
    assert.equal(told.bytes.toString(), "01234".repeat(13_107));
    assert.ok(told.log.length < 100, "they are told in few pieces");
  });

  test("many requests at once by a client that has not read our settings: those beyond the limit are refused", () => {
    const server = new DrivenServer(10);
    const many = Array.from({ length: 200 }, (_, index) => request(even(index), END_STREAM, "GET", "/"));
    server.send(PREFACE, openingFrames(), ...many, frame(SETTINGS, ACK, 0));
    assert.equal(server.code, undefined, server.told.fault?.message);
    assert.equal(server.frames().filter(({ type }) => type === RST_STREAM).length, 190);
    for (let index = 0; index < 10; index += 1) answer(server, index);
    assert.equal(server.frames().filter(({ type }) => type !== WINDOW_UPDATE).length, 20);
  });
});
