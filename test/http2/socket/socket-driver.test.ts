// A connection on a real socket: what is read, what our own side throws, and its ends in their order.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { openSocket } from "../../proxy-tls/support/http2-engines.ts";
import {
  DATA,
  END_STREAM,
  type Frame,
  GOAWAY,
  HEADERS,
  openingFrames,
  PREFACE,
  RST_STREAM,
  request,
  settings,
  windowUpdate,
} from "../../proxy-tls/support/http2-frames.ts";
import { openRawClient, type RawPeer } from "../../proxy-tls/support/http2-raw.ts";
import { until } from "../../support/until.ts";
import { closeOf } from "../../tls/support/endpoints.ts";
import { behindNextWrite, DrivenOwner, openTlsClient, startDriven, startDrivenTls } from "../support/driven-socket.ts";
import type { Taken } from "../support/told.ts";

const GET = request(1, END_STREAM, "GET", "/");
const WIDE = Buffer.concat([settings([4, 1 << 30]), windowUpdate(0, 1 << 30)]);
const isGoaway = ({ type }: Frame): boolean => type === GOAWAY;

function answer({ stream }: Taken): void {
  stream.sendHead([":status", "200"], false);
  stream.write(Buffer.from("answer"));
  stream.end();
}

/** Writes pieces for as long as the socket takes them, and on when it has drained. @returns how many were written */
function pour({ stream, told }: Taken, pieces: number): () => number {
  let written = 0;
  const go = (): void => {
    while (written < pieces) {
      written += 1;
      if (!stream.write(Buffer.alloc(64 * 1024))) return;
    }
    stream.end();
  };
  told.act = (what) => {
    if (what === "writable") go();
  };
  stream.sendHead([":status", "200"], false);
  go();
  return () => written;
}

/** The types of what came behind the settings and windows. */
function typesOf({ frames }: RawPeer): number[] {
  return frames.frames.map(({ type }) => type).filter((type) => [DATA, HEADERS, RST_STREAM, GOAWAY].includes(type));
}

describe("a socket's driver", () => {
  test("reads what comes and was read before, tells of each read, and what is written leaves", async () => {
    await using server = await startDriven((owner) => {
      owner.told.take = answer;
      owner.driver.receive(PREFACE);
    });
    const socket = await openSocket(server.port);
    const { promise, resolve } = Promise.withResolvers<void>();
    let got = 0;
    socket.on("data", (chunk: Buffer) => {
      got += chunk.includes("answer") ? 1 : 0;
      if (got > 0) resolve();
    });
    // The preface is there already.
    socket.write(Buffer.concat([openingFrames(), GET]));
    await promise;
    const owner = await server.owner(0);
    assert.deepEqual([owner.taken.length, owner.reads, owner.said, owner.driver.isOpen], [1, 2, [], true]);
    socket.destroy();
  });

  test("tells the engine that the socket has drained", async () => {
    let written = (): number => 0;
    await using server = await startDriven((owner) => {
      owner.told.take = (taken) => {
        written = pour(taken, 200);
      };
    });
    const peer = await openRawClient(server.port, Buffer.concat([WIDE, GET]));
    await until(() => written() === 200, "all is written", 10_000);
    await peer.frames.find(({ flags, type }) => type === DATA && (flags & END_STREAM) !== 0);
    peer.socket.destroy();
  });

  for (const [where, act] of Object.entries({
    "a read": (owner: DrivenOwner) => {
      owner.told.take = () => {
        throw new TypeError("ours");
      };
    },
    "the note of a read": (owner: DrivenOwner) => {
      owner.acts.read = () => {
        throw new TypeError("ours");
      };
    },
    "a drain": (owner: DrivenOwner) => {
      owner.told.take = (taken) => {
        pour(taken, 200);
        taken.told.act = (what) => {
          if (what === "writable") throw new TypeError("ours");
        };
      };
    },
  })) {
    test(`tells what is thrown in ${where}, and ends this connection alone`, async () => {
      await using server = await startDriven((owner) => {
        if (server.owners.length === 1) act(owner);
      });
      const peer = await openRawClient(server.port, Buffer.concat([WIDE, GET]));
      await peer.frames.closed();
      const owner = await server.owner(0);
      assert.deepEqual(owner.faults.map(String), ["TypeError: ours"]);
      assert.deepEqual(owner.said, ["cut: fault", "closed"]);
      const other = await openRawClient(server.port, GET);
      await until(() => server.owners[1]?.taken.length === 1, "another is served");
      other.socket.destroy();
    });
  }

  test("ends a connection whose streams throw when they are told of it", async () => {
    await using server = await startDriven();
    const peer = await openRawClient(server.port, GET);
    const owner = await server.owner(0);
    await until(() => owner.taken.length === 1, "the request");
    owner.acts.cut = () => {
      throw new TypeError("ours");
    };
    owner.driver.end("test");
    await peer.frames.closed();
    assert.deepEqual([owner.faults.map(String), owner.said], [["TypeError: ours"], ["cut: test", "closed"]]);
    assert.deepEqual(typesOf(peer), [RST_STREAM, GOAWAY]);
    assert.equal(owner.socket.destroyed, true);
  });
});

describe("a connection's end", () => {
  for (const [how, leave] of Object.entries({
    "ends its side": (socket: Socket) => socket.end(),
    "is destroyed": (socket: Socket) => socket.destroy(),
    "is reset": (socket: Socket) => socket.resetAndDestroy(),
  })) {
    test(`is told once when the peer ${how}`, async () => {
      await using server = await startDriven();
      const peer = await openRawClient(server.port, GET);
      const owner = await server.owner(0);
      await until(() => owner.taken.length === 1, "the request");
      leave(peer.socket);
      await closeOf(owner.socket);
      assert.deepEqual(owner.said, ["peer gone", "cut: peer gone", "closed"]);
      assert.deepEqual(owner.faults, []);
    });
  }

  for (const [how, go] of Object.entries({
    "was destroyed just now": async (socket: Socket) => void socket.destroy(),
    "has closed": async (socket: Socket) => {
      socket.destroy();
      await once(socket, "close");
    },
    "has been read to its end": async (socket: Socket, peer: Socket) => {
      peer.end();
      await once(socket.resume(), "end");
    },
  })) {
    test(`is told where the socket ${how} when its driver comes`, async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      const accepted = once(server, "connection");
      const { port } = server.address() as AddressInfo;
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      const [peer] = (await accepted) as [Socket];
      await go(socket, peer);
      const owner = new DrivenOwner(socket);
      assert.deepEqual(owner.said, [], "nobody hears of it while he makes the driver");
      await until(() => owner.said.length > 0, "it is told", 5_000);
      assert.deepEqual(owner.said, ["peer gone", "cut: peer gone", "closed"]);
      assert.equal(socket.destroyed, true);
      peer.destroy();
      server.close();
    });
  }

  test("comes once, however often it is asked for", async () => {
    await using server = await startDriven((owner) => {
      owner.acts = { cut: () => owner.driver.end("inside"), closed: () => owner.driver.finish() };
    });
    const peer = await openRawClient(server.port, GET);
    const owner = await server.owner(0);
    await until(() => owner.taken.length === 1, "the request");
    owner.driver.end("first");
    owner.driver.end("second");
    owner.fault(new TypeError("behind the end"));
    await peer.frames.closed();
    await closeOf(owner.socket);
    owner.driver.end("third");
    assert.deepEqual(owner.said, ["cut: first", "closed"]);
    assert.deepEqual([owner.driver.isOpen, owner.driver.isFinishing], [false, false]);
    // The stream is told first: what ended with its connection alone could look complete.
    assert.deepEqual(typesOf(peer), [RST_STREAM, GOAWAY]);
  });

  test("over TLS comes behind what is on its way, also where the client reads slowly", async () => {
    await using server = await startDrivenTls();
    const peer = openTlsClient(server.port);
    const owner = await server.owner(0);
    await until(() => owner.said.length === 0 && owner.told.log.length === 1, "the client's settings");
    owner.told.take = answer;
    const ended = Promise.withResolvers<void>();
    behindNextWrite(owner.socket, () => {
      owner.driver.end("test");
      ended.resolve();
    });
    peer.socket.pause();
    peer.socket.write(GET);
    await ended.promise;
    await closeOf(owner.socket);
    assert.equal(peer.frames.frames.some(isGoaway), false, "it has not read yet");
    peer.socket.resume();
    await peer.frames.closed();
    assert.deepEqual(typesOf(peer), [HEADERS, DATA, GOAWAY]);
  });

  test("that is announced waits for the peer to read and to close, and drops what still comes", async () => {
    await using server = await startDriven();
    const peer = await openRawClient(server.port);
    const owner = await server.owner(0);
    await until(() => owner.told.log.length === 1, "the client's settings");
    const before = performance.now();
    assert.equal(owner.driver.isOverdue(before + 60_000), false, "it is open");
    owner.driver.finish();
    owner.driver.finish();
    const after = performance.now();
    assert.deepEqual([owner.driver.isOpen, owner.driver.isFinishing], [false, true]);
    await peer.frames.closed();
    assert.deepEqual(typesOf(peer), [GOAWAY]);
    assert.equal(owner.driver.isOverdue(before + 2_000), false);
    assert.equal(owner.driver.isOverdue(after + 2_001), true);
    assert.deepEqual([owner.said, owner.taken.length, owner.socket.destroyed], [[], 0, false]);
    owner.driver.end("too long");
    await closeOf(owner.socket);
    assert.deepEqual(owner.said, ["cut: too long", "closed"]);
    assert.equal(owner.driver.isOverdue(after + 60_000), false, "it is closed");
  });

  test("that was announced is over when the peer closes, whatever it sends before", async () => {
    await using server = await startDriven();
    const socket = await openSocket(server.port);
    socket.on("data", () => {});
    const owner = await server.owner(0);
    owner.driver.finish();
    socket.end(Buffer.concat([PREFACE, openingFrames(), GET]));
    await closeOf(owner.socket);
    assert.deepEqual([owner.told.log, owner.taken.length], [["peer gone", "cut: peer gone", "closed"], 0]);
  });
});
