// The client's side of an HTTP/2 connection, seen by targets that write frames: what counts as unprocessed, how many requests it takes,
// what a broken answer does.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OPEN_BODY } from "../../../../src/proxy-tls/http/exchange.ts";
import { NO_SAFE_FIELDS, safe } from "../../../../src/proxy-tls/http/fields/index.ts";
import { LONG_TIMEOUTS, openClientEngine } from "../../support/http2-engines.ts";
import { ClientTold, requestHead } from "../../support/http2-events.ts";
import {
  ACK,
  block,
  DATA,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  GOAWAY,
  goaway,
  HEADERS,
  headers,
  PUSH_PROMISE,
  RST_STREAM,
  reset,
  SETTINGS,
  settings,
} from "../../support/http2-frames.ts";
import { type RawPeer, requestTo, startRawTarget } from "../../support/http2-raw.ts";

async function acknowledged({ frames }: RawPeer): Promise<void> {
  await frames.find(({ type, flags }) => type === SETTINGS && (flags & ACK) !== 0);
}

describe("an HTTP/2 client connection", () => {
  test("takes as many requests as the target allows, and says so when the target changes its mind", async () => {
    using target = await startRawTarget(settings([3, 2]));
    let idle = 0;
    using client = await openClientEngine(target.port, { onIdle: () => (idle += 1) });
    const peer = await target.connection(0);
    assert.equal(client.connection.capacity, 100);
    await acknowledged(peer);
    assert.equal(client.connection.capacity, 2);
    assert.ok(idle > 0);
    const told = [new ClientTold(), new ClientTold()];
    for (const events of told) client.connection.request(requestHead(), events);
    assert.deepEqual([client.connection.capacity, client.connection.active], [0, 2]);
    assert.throws(() => client.connection.request(requestHead(), new ClientTold()), TypeError);
    await target.requested(peer, 1);
    peer.socket.write(headers(1, END_STREAM, ":status", "204"));
    assert.equal(await told[0]?.ended.promise, "end");
    assert.deepEqual([client.connection.capacity, client.connection.active], [1, 1]);
  });

  test("a stream that the target refused was not processed", async () => {
    using target = await startRawTarget();
    using client = await openClientEngine(target.port);
    const told = new ClientTold();
    client.connection.request(requestHead({ method: "POST", body: OPEN_BODY }), told);
    const peer = await target.connection(0);
    peer.socket.write(reset(await target.requested(peer, 0), 7));
    assert.equal(await told.ended.promise, "peer-gone");
    assert.deepEqual([told.failure?.unprocessed, told.failure?.received], [true, false]);
    assert.equal(client.connection.capacity, 100);
  });

  for (const code of [0, 2]) {
    test(`behind GOAWAY ${code} what is above the last stream was not processed, and what is below may have been`, async () => {
      using target = await startRawTarget();
      using client = await openClientEngine(target.port);
      const told = [new ClientTold(), new ClientTold()];
      for (const events of told) client.connection.request(requestHead(), events);
      const peer = await target.connection(0);
      await target.requested(peer, 1);
      peer.socket.write(goaway(1, code));
      assert.equal(await told[1]?.ended.promise, "peer-gone");
      assert.deepEqual([told[1]?.failure?.unprocessed, told[1]?.failure?.received], [true, false]);
      assert.equal(client.connection.capacity, 0);
      if (code === 0) {
        peer.socket.write(headers(1, END_STREAM, ":status", "200"));
        assert.equal(await told[0]?.ended.promise, "end");
      } else {
        assert.equal(await told[0]?.ended.promise, "peer-gone");
        assert.equal(told[0]?.failure?.unprocessed, false);
      }
      await client.closed;
    });
  }

  const broken: Readonly<Record<string, (stream: number) => Buffer>> = {
    "a frame on stream 0 that belongs to a stream": () => data(0, 0, "x"),
    "a frame beyond the size limit": () => frame(0x42, 0, 0, Buffer.alloc(20_000)),
    "fields that do not decode": (stream) => frame(HEADERS, END_HEADERS, stream, Buffer.from([0xff, 0xff, 0xff, 0xff])),
    "bytes that are no frames": () => Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".repeat(3)),
  };
  for (const [what, answer] of Object.entries(broken)) {
    test(`${what} ends the whole connection, and every exchange on it as malformed`, async () => {
      using target = await startRawTarget();
      using client = await openClientEngine(target.port);
      const told = [new ClientTold(), new ClientTold()];
      for (const events of told) client.connection.request(requestHead(), events);
      const peer = await target.connection(0);
      await target.requested(peer, 1);
      peer.socket.write(answer(1));
      const endings = await Promise.all(told.map(({ ended }) => ended.promise));
      assert.deepEqual(endings, ["malformed", "malformed"]);
      for (const { failure } of told) {
        assert.ok(failure?.cause.kind === "malformed");
        assert.equal(failure.cause.refusal.status, 502);
        assert.equal(failure.unprocessed, false);
      }
      await client.closed;
    });
  }

  test("DATA before the head ends its exchange as malformed, and no other", async () => {
    using target = await startRawTarget();
    using client = await openClientEngine(target.port);
    const [broken, good] = [new ClientTold(), new ClientTold()];
    for (const events of [broken, good]) client.connection.request(requestHead(), events);
    const peer = await target.connection(0);
    await target.requested(peer, 1);
    peer.socket.write(Buffer.concat([data(1, 0, "x"), headers(3, END_STREAM, ":status", "204")]));
    assert.equal(await broken.ended.promise, "malformed");
    assert.equal(await good.ended.promise, "end");
    const { payload } = await peer.frames.find(({ type, stream }) => type === RST_STREAM && stream === 1);
    assert.equal(payload.readUInt32BE(0), 1);
  });

  const refused: Readonly<Record<string, readonly string[]>> = {
    "a status below 100": [":status", "099"],
    "a status that is no number": [":status", "2x0"],
    "a status above 599": [":status", "600"],
    "no status": ["x-field", "y"],
    "two statuses": [":status", "200", ":status", "200"],
    "a length that is none": [":status", "200", "content-length", "+4"],
    "two lengths": [":status", "200", "content-length", "4", "content-length", "4"],
    "a connection-specific field": [":status", "200", "connection", "close"],
    "more fields than a head may have": [":status", "200", ...Array.from({ length: 105 }, () => ["x", "y"]).flat()],
    "more bytes than a head may have": [":status", "200", "x-long", "y".repeat(33_000)],
  };
  for (const [what, fields] of Object.entries(refused)) {
    test(`an answer with ${what} is no answer`, async () => {
      using target = await startRawTarget();
      using client = await openClientEngine(target.port);
      const { told, peer, stream } = await requestTo(target, client.connection);
      const whole = block(...fields);
      const first = whole.subarray(0, 16_000);
      const rest = whole.subarray(16_000);
      peer.socket.write(frame(HEADERS, rest.length === 0 ? END_HEADERS : 0, stream, first));
      for (let at = 0; at < rest.length; at += 16_000) {
        const last = at + 16_000 >= rest.length;
        peer.socket.write(frame(9, last ? END_HEADERS : 0, stream, rest.subarray(at, at + 16_000)));
      }
      peer.socket.write(data(stream, END_STREAM, "body"));
      const ending = await told.ended.promise;
      assert.ok(ending === "malformed" || ending === "peer-gone", ending);
      assert.ok(!told.told.includes("head"));
    });
  }

  test("at most eight interim heads; 102 is dropped, 101 is refused", async () => {
    for (const [interims, ending, seen] of [
      [[103, 102, 100], "end", [103, 100]],
      [[103, 103, 103, 103, 103, 103, 103, 103, 103], "malformed", [103, 103, 103, 103, 103, 103, 103, 103]],
      [[101], "malformed", []],
    ] as const) {
      using target = await startRawTarget();
      using client = await openClientEngine(target.port);
      const { told, peer, stream } = await requestTo(target, client.connection);
      for (const status of interims) peer.socket.write(headers(stream, 0, ":status", `${status}`, "x-note", "n"));
      peer.socket.write(headers(stream, END_STREAM, ":status", "200"));
      assert.equal(await told.ended.promise, ending);
      assert.deepEqual(
        told.interims.map(([status]) => status),
        seen,
      );
      if (ending === "malformed") assert.equal(told.failure?.received, true);
    }
  });

  test("an interim head is held to what a final one is", async () => {
    for (const [fields, seen] of [
      [
        ["link", "</a>", "x-forwarded-client-cert", "By=x", "l5d-a", "1", "keep-alive-x", "1"],
        ["link", "</a>", "keep-alive-x", "1"],
      ],
      [["x_forwarded_for", "1"], undefined],
    ] as const) {
      using target = await startRawTarget();
      using client = await openClientEngine(target.port);
      const { told, peer, stream } = await requestTo(target, client.connection);
      peer.socket.write(headers(stream, 0, ":status", "103", ...fields));
      peer.socket.write(headers(stream, END_STREAM, ":status", "200"));
      assert.equal(await told.ended.promise, seen === undefined ? "malformed" : "end");
      assert.deepEqual(told.interims, seen === undefined ? [] : [[103, seen]]);
    }
  });

  test("trailers count into the limits of the head that came", async () => {
    const fields = (count: number, name: string) => Array.from({ length: count }, () => [name, "1"]).flat();
    for (const [count, ending] of [
      [40, "end"],
      [41, "malformed"],
    ] as const) {
      for (const name of ["x-a", "x-forwarded-for"]) {
        using target = await startRawTarget();
        using client = await openClientEngine(target.port);
        const { told, peer, stream } = await requestTo(target, client.connection);
        peer.socket.write(headers(stream, 0, ":status", "200", ...fields(60, name)));
        peer.socket.write(Buffer.concat([data(stream, 0, "x"), headers(stream, END_STREAM, ...fields(count, "x-t"))]));
        assert.equal(await told.ended.promise, ending);
      }
    }
  });

  test("a push is refused, and ends the connection", async () => {
    using target = await startRawTarget();
    using client = await openClientEngine(target.port);
    const { told, peer, stream } = await requestTo(target, client.connection);
    const promised = Buffer.concat([
      Buffer.from([0, 0, 0, 2]),
      block(":method", "GET", ":path", "/p", ":scheme", "http"),
    ]);
    peer.socket.write(frame(PUSH_PROMISE, END_HEADERS, stream, promised));
    assert.notEqual(await told.ended.promise, "end");
    await client.closed;
  });

  test("cuts the request when the target has answered without it", async () => {
    using target = await startRawTarget();
    using client = await openClientEngine(target.port);
    const told = new ClientTold();
    const exchange = client.connection.request(requestHead({ method: "POST", body: OPEN_BODY }), told);
    exchange.write(Buffer.from("some"));
    const peer = await target.connection(0);
    const stream = await target.requested(peer, 0);
    peer.socket.write(Buffer.concat([headers(stream, 0, ":status", "413"), data(stream, END_STREAM, "no")]));
    assert.equal(await told.ended.promise, "end");
    const { payload } = await peer.frames.find(({ type }) => type === RST_STREAM);
    assert.equal(payload.readUInt32BE(0), 8);
    assert.equal(exchange.write(Buffer.from("more")), true);
    assert.ok(!peer.frames.of(stream).some(({ type, flags }) => type === DATA && (flags & END_STREAM) !== 0));
    assert.equal(client.connection.active, 0);
  });

  test("sends trailers of a request where the listener lets them pass, and te where the caller takes them", async () => {
    using target = await startRawTarget();
    using client = await openClientEngine(target.port, { requestTrailers: true });
    const told = new ClientTold();
    const head = requestHead({ method: "POST", body: OPEN_BODY, acceptsTrailers: true });
    const exchange = client.connection.request(head, told);
    exchange.write(Buffer.from("body"));
    exchange.end(safe(["x-checksum", "abc"]));
    const peer = await target.connection(0);
    const stream = await target.requested(peer, 0);
    const trailers = await peer.frames.find(({ type, flags }) => type === HEADERS && (flags & END_STREAM) !== 0);
    assert.equal(trailers.stream, stream);
    peer.socket.write(headers(stream, END_STREAM, ":status", "200"));
    assert.equal(await told.ended.promise, "end");
  });

  test("drains: finishes what it has, and then closes", async () => {
    using target = await startRawTarget();
    using client = await openClientEngine(target.port);
    const { told, peer, stream } = await requestTo(target, client.connection);
    client.connection.drain();
    assert.equal(client.connection.capacity, 0);
    await peer.frames.find(({ type }) => type === GOAWAY);
    peer.socket.write(headers(stream, END_STREAM, ":status", "200"));
    assert.equal(await told.ended.promise, "end");
    await client.closed;
  });

  test("ends an answer that stopped coming, and a request that nobody takes", async () => {
    const timeouts = { ...LONG_TIMEOUTS, bodyIdleMs: 100, streamIdleMs: 100, writeStallMs: 100 };
    using target = await startRawTarget(settings([4, 0]));
    using client = await openClientEngine(target.port, { timeouts });
    const peer = await target.connection(0);
    await acknowledged(peer);
    const answered = new ClientTold();
    client.connection.request(requestHead(), answered);
    peer.socket.write(headers(await target.requested(peer, 0), 0, ":status", "200"));
    const blocked = new ClientTold();
    const exchange = client.connection.request(requestHead({ method: "POST", body: OPEN_BODY }), blocked);
    exchange.write(Buffer.alloc(200_000));
    await Promise.all([answered.ended.promise, blocked.ended.promise]);
    assert.deepEqual(answered.failure?.cause, { kind: "timeout", deadline: "body-idle" });
    assert.deepEqual(blocked.failure?.cause, { kind: "timeout", deadline: "write-stall" });
  });

  test("a status of 421 and others that node keeps books about are answers like any", async () => {
    for (const status of ["421", "503", "205", "304"]) {
      using target = await startRawTarget();
      using client = await openClientEngine(target.port);
      const told = new ClientTold();
      client.connection.request(requestHead(), told);
      const peer = await target.connection(0);
      peer.socket.write(headers(await target.requested(peer, 0), END_STREAM, ":status", status));
      assert.equal(await told.ended.promise, "end");
      assert.equal(`${told.response?.status}`, status);
    }
  });

  test("an unanswered connection without exchanges has no faults", async () => {
    using target = await startRawTarget();
    using client = await openClientEngine(target.port);
    client.connection.request(requestHead(), new ClientTold()).end(NO_SAFE_FIELDS);
    assert.deepEqual(client.faults, []);
  });
});
