// How a connection ends: the server's farewell in two steps, the client's, the numbers of streams, and what still comes behind the last GOAWAY.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ACK,
  block,
  DATA,
  data,
  END_STREAM,
  type Frame,
  frame,
  GOAWAY,
  HEADERS,
  headers,
  PING,
  request,
  reset,
  SETTINGS,
  windowUpdate,
} from "../proxy-tls/support/http2-frames.ts";
import { type DrivenServer, openClient, openServer } from "./support/driven.ts";

const MAX_ID = 2 ** 31 - 1;

function goaways(frames: readonly Frame[]): number[][] {
  return frames
    .filter(({ type }) => type === GOAWAY)
    .map(({ payload }) => [payload.readUInt32BE(0), payload.readUInt32BE(4)]);
}

function answerPing(frames: readonly Frame[]): Buffer {
  const ping = frames.find(({ type, flags }) => type === PING && flags === 0);
  assert.ok(ping !== undefined);
  return frame(PING, ACK, 0, ping.payload);
}

function finalServer(): DrivenServer {
  const server = openServer();
  server.send(request(1, 0, "POST", "/"));
  server.connection.drain();
  server.send(answerPing(server.frames()));
  server.frames();
  return server;
}

describe("a server's farewell (RFC 9113 section 6.8)", () => {
  test("refuses nothing at first, and names its last stream when the client has answered", () => {
    const server = openServer();
    server.send(request(1, 0, "POST", "/"));
    server.connection.drain();
    server.connection.drain();
    const frames = server.frames();
    assert.deepEqual(goaways(frames), [[MAX_ID, 0]]);
    assert.equal(server.connection.saidFarewell, false);
    server.send(request(3, END_STREAM, "GET", "/under-way"), answerPing(frames));
    assert.equal(server.taken.length, 2, "what was under way is served");
    assert.equal(server.connection.saidFarewell, true);
    assert.deepEqual(goaways(server.frames()), [[3, 0]]);
    for (const { stream } of server.taken) stream.sendHead([":status", "204"], true);
    server.send(data(1, END_STREAM, "x"));
    assert.equal(server.connection.active, 0);
    server.connection.stop();
    assert.deepEqual(goaways(server.frames()), [], "once is enough");
  });

  test("names it a second later where the client does not answer", () => {
    const server = openServer();
    server.connection.tick(5_000);
    server.connection.drain();
    server.connection.tick(999);
    assert.equal(server.connection.saidFarewell, false);
    server.connection.tick(1);
    assert.equal(server.connection.saidFarewell, true);
    assert.deepEqual(goaways(server.frames()), [
      [MAX_ID, 0],
      [0, 0],
    ]);
  });

  test("ignores what is newer, heads, bodies and trailers of any number, and what is older goes on", () => {
    const server = finalServer();
    for (let id = 3; id < 403; id += 2) {
      server.send(request(id, 0, "POST", "/"), data(id, 0, Buffer.alloc(1_000)));
      server.send(id % 4 === 1 ? reset(id, 8) : headers(id, END_STREAM, "x-trailer", "1"), windowUpdate(id, 5));
    }
    assert.equal(server.code, undefined, server.told.fault?.message);
    assert.equal(server.taken.length, 1);
    assert.deepEqual(server.said(), []);
    // The table of heads is in step still.
    server.send(frame(HEADERS, 5, 1, block("x-trailer", "2")));
    assert.deepEqual(server.request(0).told.log, ["end x-trailer 2"]);
  });

  test("is no licence: streams beyond it for ever are a flood", () => {
    const server = finalServer();
    let sent = 0;
    for (let id = 3; server.code === undefined && sent < 2 ** 20; id += 2) {
      const head = request(id, END_STREAM, "GET", "/");
      sent += head.length;
      server.send(head);
    }
    assert.equal(server.code, 11);
    assert.deepEqual(goaways(server.frames()), [[1, 11]], "the same last stream");
  });

  test("counts the connection's window of what is beyond it", () => {
    const server = finalServer();
    let given = 0;
    for (let id = 3, sent = 0; sent < 300 * 1024; id += 2, sent += 16_000) {
      server.send(request(id, 0, "POST", "/"), data(id, END_STREAM, Buffer.alloc(16_000)));
      for (const { type, stream, payload } of server.frames()) {
        if (type === 8 && stream === 0) given += payload.readUInt32BE(0);
      }
    }
    assert.ok(given >= 256 * 1024, `${given} bytes`);
  });
});

describe("the end of a connection", () => {
  test("of ours says so once, with the last stream, and drops what is written behind it", () => {
    const server = openServer();
    server.send(request(1, 0, "POST", "/"), request(3, 0, "POST", "/"));
    const { stream } = server.request(0);
    server.connection.stop();
    server.sink.ended = true;
    stream.sendHead([":status", "200"], false);
    stream.write(Buffer.alloc(70_000));
    stream.end();
    server.request(1).stream.reset(8);
    server.send(frame(PING, 0, 0, Buffer.alloc(8)));
    assert.deepEqual(goaways(server.frames()), [[3, 0]]);
    server.connection.stop();
    assert.deepEqual(server.frames(), []);
  });

  test("within what a stream is told, in the middle of a chunk, is one", () => {
    const server = openServer();
    server.told.take = ({ told }) => {
      told.act = () => {
        server.connection.stop();
        server.sink.ended = true;
      };
    };
    server.send(
      request(1, 0, "POST", "/"),
      data(1, 0, Buffer.alloc(40_000).subarray(0, 16_384)),
      data(1, END_STREAM, "x"),
      request(3, 0, "GET", "/"),
    );
    assert.deepEqual(server.request(0).told.log, ["data 16384"]);
    assert.equal(server.taken.length, 1);
    assert.equal(goaways(server.frames()).length, 1);
  });

  test("of a sink that is gone writes nothing", () => {
    const server = openServer();
    server.send(frame(PING, 0, 0, Buffer.alloc(8)));
    server.sink.destroyed = true;
    server.connection.stop();
    assert.deepEqual(server.frames(), []);
  });

  test("a client says that it opens no more, and takes what it asked for", () => {
    const client = openClient();
    const { told } = client.request();
    client.connection.drain();
    client.connection.drain();
    assert.equal(client.connection.capacity, 0);
    assert.deepEqual(goaways(client.frames()), [[0, 0]]);
    client.send(headers(1, 0, ":status", "200"), data(1, END_STREAM, "x"));
    assert.deepEqual(told.log, ["sent", "head :status 200", "data 1", "end"]);
  });
});

describe("the numbers of streams (RFC 9113 section 5.1.1)", () => {
  test("may be passed over up to the last, which is served, and none is behind it", () => {
    const server = openServer();
    server.send(request(MAX_ID, END_STREAM, "GET", "/"));
    server.request(0).stream.sendHead([":status", "204"], true);
    assert.deepEqual(server.said(), [`${MAX_ID} :status 204 end`]);
    server.send(frame(SETTINGS, ACK, 0), reset(5, 8), windowUpdate(7, 1));
    assert.equal(server.code, undefined);
    server.send(request(MAX_ID - 2, END_STREAM, "GET", "/"));
    assert.equal(server.code, 1);
    assert.equal(goaways(server.frames())[0]?.[0], MAX_ID);
  });

  test("a client counts by two from 1, and what comes for another number is refused", () => {
    const client = openClient();
    for (const id of [1, 3, 5]) assert.equal(client.request().stream.id, id);
    client.send(frame(DATA, 0, 7));
    assert.equal(client.code, 1);
  });
});
