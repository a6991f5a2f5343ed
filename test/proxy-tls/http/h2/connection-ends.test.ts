// When and how a connection of either side ends: what its socket's driver is told to do, and does not do by itself.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { DeadlineWheel } from "../../../../src/proxy-tls/http/deadlines.ts";
import { OPEN_BODY } from "../../../../src/proxy-tls/http/exchange.ts";
import { NO_SAFE_FIELDS } from "../../../../src/proxy-tls/http/fields/index.ts";
import { H2ServerConnection } from "../../../../src/proxy-tls/http/h2/server-connection.ts";
import { until } from "../../../support/until.ts";
import { LONG_TIMEOUTS, openClientEngine, startServerEngine } from "../../support/http2-engines.ts";
import { ClientTold, recordingHandler, requestHead } from "../../support/http2-events.ts";
import {
  ACK,
  END_STREAM,
  frame,
  GOAWAY,
  goaway,
  PING,
  request,
  SETTINGS,
  settings,
  windowUpdate,
} from "../../support/http2-frames.ts";
import { openRawClient, requestTo, startRawTarget } from "../../support/http2-raw.ts";

const WIDE = Buffer.concat([settings([4, 1 << 30]), windowUpdate(0, 1 << 30)]);
const STALL = { kind: "timeout", deadline: "write-stall" } as const;
const STALLS = { ...LONG_TIMEOUTS, writeStallMs: 100 };
/** More than the kernel's buffers hold. */
const PIECES = 300;
const PIECE = Buffer.alloc(64 * 1024);

describe("a peer that takes nothing", () => {
  test("ends a server's connection, with exchanges that have nothing to write", async () => {
    const recorder = recordingHandler();
    using server = await startServerEngine(recorder.handler, { timeouts: STALLS });
    const requests = [request(1, END_STREAM, "GET", "/"), request(3, END_STREAM, "GET", "/")];
    const peer = await openRawClient(server.port, Buffer.concat([WIDE, ...requests]));
    const [{ exchange }, waiting] = [await recorder.exchange(0), await recorder.exchange(1)];
    peer.socket.pause();
    exchange.respond({ status: 200, fields: NO_SAFE_FIELDS, body: OPEN_BODY, close: false });
    for (let pieces = 0; pieces < PIECES; pieces += 1) exchange.write(PIECE);
    assert.deepEqual(await waiting.aborted.promise, STALL);
    peer.socket.destroy();
  });

  test("ends a client's connection, with exchanges that have nothing to write", async () => {
    using target = await startRawTarget(WIDE);
    using client = await openClientEngine(target.port, { timeouts: STALLS });
    const { peer } = await requestTo(target, client.connection);
    await peer.frames.find(({ type, flags }) => type === SETTINGS && flags === ACK);
    const [waiting, sending] = [new ClientTold(), new ClientTold()];
    client.connection.request(requestHead(), waiting);
    const exchange = client.connection.request(requestHead({ method: "POST", body: OPEN_BODY }), sending);
    peer.socket.pause();
    for (let pieces = 0; pieces < PIECES; pieces += 1) exchange.write(PIECE);
    await waiting.ended.promise;
    assert.deepEqual(waiting.failure?.cause, STALL);
    await client.closed;
  });
});

describe("the end of a client's connection", () => {
  test("offers nobody its room while its exchanges are told, and stops its looks", async () => {
    let idle = 0;
    using target = await startRawTarget();
    using client = await openClientEngine(target.port, { timeouts: STALLS, onIdle: () => (idle += 1) });
    const { connection } = client;
    const { told } = await requestTo(target, connection);
    const before = idle;
    assert.ok(connection.capacity > 0);
    connection.destroy("test");
    assert.equal(await told.ended.promise, "closed");
    const { now } = connection.sweep;
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual([idle, connection.capacity, connection.sweep.now], [before, 0, now]);
  });

  test("comes with a GOAWAY where nothing is under way, and does not wait for ever for the target's", async () => {
    const targets: Socket[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      targets.push(socket);
      socket.on("error", () => {});
      socket.resume();
      socket.write(Buffer.concat([settings(), goaway(0, 0)]));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    using client = await openClientEngine((server.address() as AddressInfo).port);
    await until(() => targets[0]?.readableEnded === true, "the client's end", 5_000);
    const endedAt = performance.now();
    await client.closed;
    const tookMs = performance.now() - endedAt;
    assert.ok(tookMs > 1_500, `${tookMs} ms`);
    for (const socket of targets) socket.destroy();
    server.close();
  });
});

describe("the end of a server's connection", () => {
  test("comes with the answer to its farewell, and waits for no look", async () => {
    const wheel = new DeadlineWheel({ tickMs: 60_000, onFault: (error) => assert.fail(String(error)) });
    using server = await startServerEngine(recordingHandler().handler, { wheel });
    const peer = await openRawClient(server.port);
    await peer.frames.find(({ type, flags }) => type === SETTINGS && flags === ACK);
    for (const connection of server.connections) connection.drain();
    const { payload } = await peer.frames.find(({ type }) => type === PING);
    peer.socket.write(frame(PING, ACK, 0, payload));
    await until(() => peer.frames.ended, "the end", 5_000);
    assert.equal(peer.frames.frames.filter(({ type }) => type === GOAWAY).length, 2);
    wheel.close();
  });

  test("stops its looks", async () => {
    using server = await startServerEngine(recordingHandler().handler, { timeouts: STALLS });
    const peer = await openRawClient(server.port);
    await peer.frames.find(({ type, flags }) => type === SETTINGS && flags === ACK);
    const [connection] = server.connections;
    assert.ok(connection instanceof H2ServerConnection);
    connection.destroy("test");
    const { now } = connection.sweep;
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(connection.sweep.now, now);
    await peer.frames.closed();
  });
});
