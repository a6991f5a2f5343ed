// RFC 9113's rules for what a server sends, by their sections: what ends the connection, what ends its stream alone, and what is let pass.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  GOAWAY,
  goaway,
  HEADERS,
  headers,
  openingFrames,
  PING,
  PREFACE,
  PUSH_PROMISE,
  RST_STREAM,
  reset,
  SETTINGS,
  settings,
  takeFrames,
  windowUpdate,
} from "../proxy-tls/support/http2-frames.ts";
import { DrivenClient, openClient } from "./support/driven.ts";

const [PROTOCOL, STREAM_CLOSED, COMPRESSION] = [1, 5, 9];
const OK = headers(1, 0, ":status", "200");

const ENDS: readonly (readonly [rule: string, code: number, ...sent: Buffer[]])[] = [
  ["5.1: HEADERS on a stream that was never opened", PROTOCOL, headers(5, 0, ":status", "200")],
  ["5.1: DATA on a stream that was never opened", PROTOCOL, data(5, 0, "x")],
  ["5.1: a stream of an even number", PROTOCOL, headers(2, 0, ":status", "200")],
  [
    "5.1: HEADERS behind the end of both sides",
    STREAM_CLOSED,
    OK,
    data(1, END_STREAM, ""),
    headers(1, 1, "x-trailer", "1"),
  ],
  ["6.2: HEADERS on stream 0", PROTOCOL, headers(0, 0, ":status", "200")],
  ["6.5.2: a server that asks to be pushed at", PROTOCOL, settings([2, 1])],
  ["6.6: PUSH_PROMISE", PROTOCOL, frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.from([0, 0, 0, 2, 0x82]))],
  ["4.3: a block that names no entry", COMPRESSION, frame(HEADERS, END_HEADERS, 1, Buffer.from([0xc0]))],
];

const RESETS: readonly (readonly [rule: string, ...sent: Buffer[]])[] = [
  ["8.1: DATA before a head", data(1, 0, "x")],
  ["8.1: DATA behind an interim head alone", headers(1, 0, ":status", "103"), data(1, END_STREAM, "x")],
  ["8.1: an interim head with END_STREAM", headers(1, END_STREAM, ":status", "100")],
  ["8.1: a second final head", OK, headers(1, 0, ":status", "200")],
  ["8.1: an interim head behind the final one", OK, headers(1, 0, ":status", "103")],
  ["8.1: trailers with :status", OK, headers(1, END_STREAM, ":status", "200")],
  ["8.1: trailers without END_STREAM", OK, headers(1, 0, "x-trailer", "1")],
  ["8.2.1: an upper-case name", headers(1, 0, ":status", "200", "X-Field", "1")],
  ["8.2.1: a line break in a value", headers(1, 0, ":status", "200", "x-field", "a\r\nb: c")],
  ["8.2.2: connection", headers(1, 0, ":status", "200", "connection", "close")],
  ["8.2.2: transfer-encoding", headers(1, 0, ":status", "200", "transfer-encoding", "chunked")],
  ["8.3.2: no :status", headers(1, 0, "x-field", "1")],
  ["8.3.2: :status twice", headers(1, 0, ":status", "200", ":status", "200")],
  ["8.3.2: a request's pseudo-field", headers(1, 0, ":status", "200", ":path", "/")],
  ["8.3.2: a :status of two digits", headers(1, 0, ":status", "20")],
  ["8.3.2: a :status that is no number", headers(1, 0, ":status", "2x0")],
  ["8.6: 101", headers(1, 0, ":status", "101")],
];

describe("a client's connection ends (RFC 9113)", () => {
  for (const [rule, code, ...sent] of ENDS) {
    test(rule, () => {
      const client = openClient();
      const { told, stream } = client.request();
      client.frames();
      client.send(...sent);
      assert.equal(client.code, code, client.told.log.join("; "));
      assert.equal(client.frames().at(-1)?.type, GOAWAY);
      assert.ok(stream.closed);
      assert.ok(told.log.at(-1) === "connection" || told.log.at(-1) === "end", told.log.join());
      assert.equal(client.connection.capacity, 0);
    });
  }

  test("3.4: another frame than SETTINGS comes first", () => {
    const client = new DrivenClient();
    client.send(frame(PING, 0, 0, Buffer.alloc(8)));
    assert.equal(client.code, PROTOCOL);
  });
});

describe("a stream of a client ends alone (RFC 9113)", () => {
  for (const [rule, ...sent] of RESETS) {
    test(rule, () => {
      const client = openClient();
      const { told } = client.request();
      const other = client.request();
      client.frames();
      client.send(...sent);
      assert.equal(client.code, undefined, client.told.fault?.message);
      assert.deepEqual(client.said(), [`1 reset ${PROTOCOL}`]);
      assert.match(told.log.at(-1) ?? "", /^malformed: /);
      client.send(headers(3, END_STREAM, ":status", "204"));
      assert.deepEqual(other.told.log, ["sent", "head :status 204 end", "end"]);
    });
  }
});

describe("a client lets pass (RFC 9113)", () => {
  test("3.4: it begins with the preface and SETTINGS that refuse push, and asks before it was answered", () => {
    const client = new DrivenClient();
    client.request();
    client.connection.output.flush();
    const { bytes } = client.sink.take();
    assert.ok(bytes.subarray(0, PREFACE.length).equals(PREFACE));
    const { frames } = takeFrames(bytes.subarray(PREFACE.length));
    assert.equal(frames[0]?.type, SETTINGS);
    assert.equal(frames[0].payload.toString("hex").slice(0, 24), "000200000000000300000000");
    assert.equal(frames.at(-1)?.type, HEADERS);
    client.send(openingFrames());
    client.connection.output.flush();
    assert.ok(client.sink.take().bytes.equals(frame(SETTINGS, ACK, 0)));
  });

  test("8.1: interim heads, a head, a body and trailers", () => {
    const client = openClient();
    const { told, stream } = client.request();
    client.send(headers(1, 0, ":status", "100"), headers(1, 0, ":status", "103", "link", "x"), OK, data(1, 0, "body"));
    client.send(headers(1, END_STREAM, "x-trailer", "1"));
    assert.deepEqual(told.log, [
      "sent",
      "interim :status 100",
      "interim :status 103 link x",
      "head :status 200",
      "data 4",
      "end x-trailer 1",
    ]);
    assert.ok(stream.closed);
    assert.equal(client.connection.active, 0);
  });

  test("8.1: a whole response before the request is sent: the stream lives until its owner ends it", () => {
    const client = openClient();
    const { told, stream } = client.request(false);
    client.send(headers(1, END_STREAM, ":status", "200"));
    assert.deepEqual(told.log, ["head :status 200 end", "end"]);
    assert.equal(stream.closed, false);
    assert.equal(stream.write(Buffer.from("rest")), true);
    stream.reset(8);
    assert.deepEqual(client.said().slice(1), ["1 data 4", "1 reset 8"]);
    assert.equal(client.connection.active, 0);
  });

  test("8.7: RST_STREAM with NO_ERROR behind a whole response that is not taken yet leaves it whole", () => {
    const client = openClient();
    const { told, stream } = client.request(false);
    stream.pause();
    client.send(OK, data(1, END_STREAM, "body"), reset(1, 0));
    assert.deepEqual(told.log, ["head :status 200", "reset 0"]);
    stream.resume();
    assert.deepEqual(told.log.slice(2), ["data 4", "end"]);
  });

  test("5.1: whatever comes on a stream that was cancelled, even long ago", () => {
    const client = openClient();
    for (let index = 0; index < 300; index += 1) client.request().stream.reset(8);
    const { told } = client.request();
    for (const id of [1, 301, 599]) {
      client.send(headers(id, 0, ":status", "200"), data(id, 0, "late"), windowUpdate(id, 9), reset(id, 8));
    }
    client.send(headers(601, END_STREAM, ":status", "204"));
    assert.equal(client.code, undefined, client.told.fault?.message);
    assert.deepEqual(told.log, ["sent", "head :status 204 end", "end"]);
    assert.equal(client.frames().filter(({ type }) => type === RST_STREAM).length, 300);
  });

  test("5.1: DATA behind the end of both sides is answered by one reset, in however many frames it comes", () => {
    const client = openClient();
    client.request();
    client.send(headers(1, END_STREAM, ":status", "204"));
    const { told } = client.request();
    client.frames();
    for (let index = 0; index < 100; index += 1) client.send(data(1, 0, "late"));
    assert.deepEqual(client.said(), [`1 reset ${STREAM_CLOSED}`]);
    client.send(headers(3, END_STREAM, ":status", "204"));
    assert.deepEqual(told.log, ["sent", "head :status 204 end", "end"]);
  });

  test("6.8: GOAWAY takes back what it did not reach, and the rest goes on", () => {
    const client = openClient();
    const [first, second] = [client.request(), client.request()];
    client.send(goaway(1, 0));
    assert.deepEqual(second.told.log, ["sent", "unprocessed"]);
    assert.equal(client.connection.capacity, 0);
    client.send(headers(1, END_STREAM, ":status", "204"));
    assert.deepEqual(first.told.log, ["sent", "head :status 204 end", "end"]);
    assert.deepEqual(client.told.log.slice(1), ["goaway 0"]);
    client.send(goaway(2 ** 31 - 1, 0), headers(3, END_STREAM, ":status", "204"));
    assert.deepEqual(second.told.log, ["sent", "unprocessed"], "nothing behind it");
  });

  test("5.1.2: no more streams than the server allows, and more when it allows more", () => {
    const client = openClient(10);
    assert.equal(client.connection.capacity, 10);
    client.send(settings([3, 2]));
    const { stream } = client.request();
    assert.equal(client.connection.capacity, 1);
    client.send(settings([3, 0]));
    assert.equal(client.connection.capacity, 0);
    stream.reset(8);
    client.send(settings([3, 100]));
    assert.equal(client.connection.capacity, 10);
  });
});
