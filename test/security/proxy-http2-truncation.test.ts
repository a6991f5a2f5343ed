// What was cut off never looks complete: by RST_STREAM, GOAWAY, or the end of the connection in the middle of a body. The oracle is in the
// bytes: frames are written and read by hand here.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { OPEN_BODY } from "../../src/proxy-tls/http/exchange.ts";
import { NO_SAFE_FIELDS } from "../../src/proxy-tls/http/fields/index.ts";
import { openClientEngine, type ServerEngine, startServerEngine } from "../proxy-tls/support/http2-engines.ts";
import { ClientTold, recordingHandler, requestHead } from "../proxy-tls/support/http2-events.ts";
import {
  DATA,
  data,
  END_STREAM,
  type Frame,
  goaway,
  HEADERS,
  headers,
  RST_STREAM,
  request,
  reset,
  settings,
  windowUpdate,
} from "../proxy-tls/support/http2-frames.ts";
import { openRawClient, type RawPeer, requestTo, startRawTarget } from "../proxy-tls/support/http2-raw.ts";

/** How a peer goes away. */
const CUTS: Readonly<Record<string, (peer: RawPeer, stream: number) => void>> = {
  "RST_STREAM NO_ERROR": ({ socket }, stream) => socket.write(reset(stream, 0)),
  "RST_STREAM CANCEL": ({ socket }, stream) => socket.write(reset(stream, 8)),
  "RST_STREAM INTERNAL_ERROR": ({ socket }, stream) => socket.write(reset(stream, 2)),
  "GOAWAY NO_ERROR and the end": ({ socket }, stream) => socket.end(goaway(stream, 0)),
  "GOAWAY INTERNAL_ERROR": ({ socket }, stream) => socket.write(goaway(stream, 2)),
  "the end of the connection": ({ socket }) => socket.end(),
  "a reset of the connection": ({ socket }) => socket.resetAndDestroy(),
};

/** How far the body had come. */
const BODIES: Readonly<Record<string, { readonly length?: string; readonly body: string }>> = {
  "before the body": { body: "" },
  "in a body without a length": { body: "some" },
  "short of content-length": { length: "10", body: "some" },
  "at content-length, without END_STREAM": { length: "4", body: "some" },
};

describe("a request that is cut off", () => {
  const recorder = recordingHandler();
  let server: ServerEngine;
  before(async () => {
    server = await startServerEngine(recorder.handler);
  });
  after(() => server?.close());

  for (const [how, cut] of Object.entries(CUTS)) {
    for (const [where, { length, body }] of Object.entries(BODIES)) {
      test(`by ${how} ${where} is told as aborted`, async () => {
        const fields = length === undefined ? [] : ["content-length", length];
        const peer = await openRawClient(server.port);
        const index = recorder.exchanges.length;
        peer.socket.write(request(1, 0, "POST", "/", ...fields));
        const told = await recorder.exchange(index);
        if (body !== "") {
          peer.socket.write(data(1, 0, body));
          while (told.body.length < body.length) await new Promise((resolve) => setImmediate(resolve));
        }
        cut(peer, 1);
        assert.equal(await told.ended.promise, "peer-gone");
        assert.ok(!told.told.includes("end"));
        peer.socket.destroy();
      });
    }

    test(`by ${how} in one read with all before it is told as aborted`, async () => {
      const index = recorder.exchanges.length;
      // The cut is written behind the rest: a socket that buffers sends them as one.
      const peer = await openRawClient(server.port, Buffer.concat([request(1, 0, "POST", "/"), data(1, 0, "some")]));
      cut(peer, 1);
      const settled = await Promise.race([
        recorder.exchange(index).then(({ ended }) => ended.promise),
        peer.frames.closed().then(() => "nothing"),
      ]);
      assert.notEqual(settled, "end");
      peer.socket.destroy();
    });

    test(`by ${how} while its taker has paused it is told as aborted at once`, async () => {
      const peer = await openRawClient(server.port);
      const index = recorder.exchanges.length;
      peer.socket.write(request(1, 0, "POST", "/"));
      const told = await recorder.exchange(index);
      told.exchange.pauseBody();
      peer.socket.write(data(1, 0, "some"));
      await new Promise((resolve) => setTimeout(resolve, 5));
      cut(peer, 1);
      assert.equal(await told.ended.promise, "peer-gone");
      assert.deepEqual(told.told, ["aborted"]);
      peer.socket.destroy();
    });
  }

  test("by a reset that comes with it in the first read leaves nothing behind", async () => {
    for (const flags of [0, END_STREAM]) {
      const index = recorder.exchanges.length;
      const peer = await openRawClient(server.port, Buffer.concat([request(1, flags, "POST", "/"), reset(1, 8)]));
      const told = await recorder.exchange(index);
      assert.deepEqual(await told.aborted.promise, { kind: "peer-gone" });
      for (const connection of server.connections) assert.equal(connection.active, 0);
      peer.socket.destroy();
    }
  });

  test("and one that ended is told as ended, whatever comes with END_STREAM", async () => {
    const endings = [
      [data(1, END_STREAM, "some")],
      [data(1, 0, "some"), data(1, END_STREAM, "")],
      [data(1, 0, "some"), headers(1, END_STREAM, "x-trailer", "t")],
    ];
    for (const frames of endings) {
      for (const together of [true, false]) {
        const index = recorder.exchanges.length;
        const all = Buffer.concat([request(1, 0, "POST", "/", "content-length", "4"), ...frames]);
        const peer = await openRawClient(server.port, together ? all : undefined);
        if (!together) for (const byte of all) peer.socket.write(Buffer.from([byte]));
        const told = await recorder.exchange(index);
        assert.equal(await told.ended.promise, "end");
        assert.equal(told.body.toString(), "some");
        peer.socket.destroy();
        assert.deepEqual(await told.aborted.promise, { kind: "peer-gone" });
      }
    }
  });
});

describe("a response that is cut off", () => {
  for (const [how, cut] of Object.entries(CUTS)) {
    for (const [where, { length, body }] of Object.entries(BODIES)) {
      test(`by ${how} ${where} is told as failed`, async () => {
        using target = await startRawTarget();
        using client = await openClientEngine(target.port);
        const { told, peer, stream } = await requestTo(target, client.connection);
        const fields = length === undefined ? [] : ["content-length", length];
        peer.socket.write(Buffer.concat([headers(stream, 0, ":status", "200", ...fields), data(stream, 0, body)]));
        await told.answered.promise;
        cut(peer, stream);
        assert.equal(await told.ended.promise, "peer-gone");
        assert.ok(!told.told.includes("end"));
        assert.deepEqual(told.failure?.received, true);
        assert.deepEqual(told.failure?.unprocessed, false);
      });
    }

    test(`by ${how} while its taker has paused it is told as failed at once`, async () => {
      using target = await startRawTarget();
      using client = await openClientEngine(target.port);
      const told = new ClientTold();
      const exchange = client.connection.request(requestHead(), told);
      exchange.pauseBody();
      const peer = await target.connection(0);
      const stream = await target.requested(peer, 0);
      peer.socket.write(Buffer.concat([headers(stream, 0, ":status", "200"), data(stream, 0, "some")]));
      await told.answered.promise;
      exchange.pauseBody();
      cut(peer, stream);
      assert.equal(await told.ended.promise, "peer-gone");
      assert.ok(!told.told.includes("end"));
    });
  }

  test("and one that ended is told as ended, whatever comes behind END_STREAM", async () => {
    const behind: readonly ((peer: RawPeer, stream: number) => void)[] = [
      () => {},
      ({ socket }, stream) => socket.write(reset(stream, 0)),
      ({ socket }, stream) => socket.end(goaway(stream, 0)),
      ({ socket }) => socket.end(),
    ];
    const endings = [
      (stream: number) => [data(stream, END_STREAM, "some")],
      (stream: number) => [data(stream, 0, "some"), data(stream, END_STREAM, "")],
      (stream: number) => [data(stream, 0, "some"), headers(stream, END_STREAM, "grpc-status", "0")],
    ];
    for (const cut of behind) {
      for (const ending of endings) {
        using target = await startRawTarget();
        using client = await openClientEngine(target.port);
        const { told, peer, stream } = await requestTo(target, client.connection);
        peer.socket.cork();
        peer.socket.write(Buffer.concat([headers(stream, 0, ":status", "200"), ...ending(stream)]));
        cut(peer, stream);
        peer.socket.uncork();
        assert.equal(await told.ended.promise, "end");
        assert.equal(told.body.toString(), "some");
      }
    }
  });

  test("a whole response that is not yet taken stays whole when the target leaves", async () => {
    using target = await startRawTarget();
    using client = await openClientEngine(target.port);
    const { told, exchange, peer, stream } = await requestTo(target, client.connection);
    peer.socket.write(headers(stream, 0, ":status", "200"));
    await told.answered.promise;
    exchange.pauseBody();
    peer.socket.end(data(stream, END_STREAM, "all of it"));
    await client.closed;
    assert.deepEqual(told.told, ["head"]);
    exchange.resumeBody();
    assert.equal(await told.ended.promise, "end");
    assert.equal(told.body.toString(), "all of it");
  });
});

describe("what we cut off ourselves", () => {
  /** Whether a peer could take what it has for complete. */
  function sawEnd(frames: readonly Frame[]): boolean {
    return frames.some(({ type, flags }) => (type === DATA || type === HEADERS) && (flags & END_STREAM) !== 0);
  }

  for (const when of ["before the head", "behind the head", "in the body", "in a body that waits for its window"]) {
    for (const how of ["abort", "destroy"] as const) {
      test(`a response by ${how} ${when} never carries END_STREAM`, async () => {
        const recorder = recordingHandler();
        using server = await startServerEngine(recorder.handler);
        const opening = when.includes("window") ? settings([4, 10]) : Buffer.alloc(0);
        const peer = await openRawClient(server.port, Buffer.concat([opening, request(1, END_STREAM, "GET", "/")]));
        const told = await recorder.exchange(0);
        await told.ended.promise;
        if (when !== "before the head")
          told.exchange.respond({ status: 200, fields: NO_SAFE_FIELDS, body: OPEN_BODY, close: false });
        if (when.includes("body")) told.exchange.write(Buffer.alloc(1000));
        if (when === "in the body") await peer.frames.find(({ type }) => type === DATA);
        if (how === "abort") told.exchange.abort();
        else for (const connection of server.connections) connection.destroy("test");
        if (how === "abort") {
          const { payload } = await peer.frames.find(({ type }) => type === RST_STREAM);
          assert.equal(payload.readUInt32BE(0), 2);
          peer.socket.write(windowUpdate(1, 10_000));
          peer.socket.end();
        }
        await peer.frames.closed();
        assert.equal(sawEnd(peer.frames.of(1)), false);
      });

      test(`a request by ${how} ${when} never carries END_STREAM`, async () => {
        using target = await startRawTarget(when.includes("window") ? settings([4, 10]) : undefined);
        using client = await openClientEngine(target.port);
        const told = new ClientTold();
        const peer = await target.connection(0);
        if (when.includes("window")) await peer.frames.find(({ type, flags }) => type === 4 && flags === 1);
        const exchange = client.connection.request(requestHead({ method: "POST", body: OPEN_BODY }), told);
        if (when !== "before the head") await target.requested(peer, 0);
        if (when.includes("body")) exchange.write(Buffer.alloc(1000));
        if (when === "in the body") await peer.frames.find(({ type }) => type === DATA);
        if (how === "abort") exchange.abort();
        else client.connection.destroy("test");
        if (how === "abort") {
          const { payload } = await peer.frames.find(({ type }) => type === RST_STREAM);
          assert.equal(payload.readUInt32BE(0), 8);
          assert.deepEqual(told.told, []);
          client.connection.destroy("test");
        } else assert.equal(await told.ended.promise, "closed");
        await peer.frames.closed();
        assert.equal(sawEnd(peer.frames.of(1)), false);
      });
    }
  }
});
