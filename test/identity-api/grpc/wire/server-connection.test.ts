// A connection's signs of life, its end, and what it may hold. Time is what `look` is told.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { Connection } from "../../../../src/identity-api/connection.ts";
import { describeError } from "../../../../src/identity-api/errors.ts";
import { frameOf } from "../../../../src/identity-api/grpc/wire/message-reader.ts";
import type { Conversation, IncomingCall, Method, UnaryAnswer } from "../../../../src/identity-api/grpc/wire/method.ts";
import { GrpcConnection } from "../../../../src/identity-api/grpc/wire/server-connection.ts";
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  type Frame,
  FrameReader,
  frame,
  GOAWAY,
  goaway,
  HEADERS,
  headers,
  openingFrames,
  PING,
  PREFACE,
  request,
  SETTINGS,
} from "../../../proxy-tls/support/http2-frames.ts";
import type { RawPeer } from "../../../proxy-tls/support/http2-raw.ts";
import { until } from "../../../support/until.ts";
import { beginCall, framed, rawCall, SERVICE } from "./raw-call.ts";

const KEEPALIVE_MS = 60_000;
const IDLE_MS = 300_000;

const faults: unknown[] = [];
const refused: string[] = [];
const methods = new Map<string, Method>();
let server: Server;
/** The server's sides of the connections, in order. */
const accepted: { readonly connection: GrpcConnection; readonly socket: Socket; closed: boolean }[] = [];
const sessions: ClientHttp2Session[] = [];

before(async () => {
  server = createServer((socket) => {
    socket.on("error", () => {});
    const peer = new Connection({ kind: "anonymous" }, "192.0.2.1", 0);
    const connection = new GrpcConnection(socket, peer, {
      methods,
      maxConcurrentStreams: 100,
      maxMessageBytes: 20_000,
      maxHeldBytes: 100_000,
      streamResetBurst: 20,
      streamResetPerSecond: 1,
      keepaliveMs: KEEPALIVE_MS,
      idleMs: IDLE_MS,
      headMs: 30_000,
      begin: () => ({ done() {}, again() {} }),
      onRefused: (_method, error) => refused.push(describeError(error).code),
      onFault: (error) => faults.push(error),
      onClosed: () => {
        own.closed = true;
      },
    });
    const own = { connection, socket, closed: false };
    accepted.push(own);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
after(() => {
  for (const session of sessions) session.destroy();
  for (const { socket } of accepted) socket.destroy();
  server.close();
});

function newest() {
  const own = accepted.at(-1);
  if (own === undefined) throw new Error("the server has no connection");
  return own;
}

const port = (): number => (server.address() as AddressInfo).port;

async function open(settings = {}) {
  const session = connectHttp2(`http://127.0.0.1:${port()}`, { settings });
  session.on("error", () => {});
  sessions.push(session);
  await once(session, "remoteSettings");
  const own = newest();
  const startedAt = performance.now();
  return { session, own, look: (ms: number) => own.connection.look(startedAt + ms) };
}

function serve(method: Method): void {
  methods.set(`${SERVICE}/${method.path}`, method);
}

function answering(path: string, answer: () => Promise<UnaryAnswer>): void {
  serve({ kind: "unary", path, answer });
}

/** A method that answers when it is told. @returns what tells it, once there is a call */
function answeringLate(path: string): () => (() => void) | undefined {
  let release: (() => void) | undefined;
  answering(
    path,
    () =>
      new Promise((resolve) => {
        release = () => resolve({ kind: "frame", frame: frameOf(0).frame });
      }),
  );
  return () => release;
}

/** What was sent before has come, when a ping is answered. */
const ping = (session: ClientHttp2Session) => new Promise((resolve) => session.ping(resolve));

test("a silent peer is asked for a sign of life; one that answers stays, one that does not is let go", async () => {
  const alive = await open();
  alive.look(KEEPALIVE_MS - 1_000);
  const asked = once(alive.session, "ping");
  alive.look(KEEPALIVE_MS + 1_000);
  await asked;
  // Its answer is here when the next thing that it sends is.
  await ping(alive.session);
  alive.look(KEEPALIVE_MS + 20_000);
  alive.look(KEEPALIVE_MS + 22_000);
  assert.equal(alive.own.closed, false);

  const { socket } = await openRaw();
  const silent = newest();
  const startedAt = performance.now();
  silent.connection.look(startedAt + 100);
  silent.connection.look(startedAt + KEEPALIVE_MS + 1_000);
  assert.equal(silent.closed, false);
  silent.connection.look(startedAt + KEEPALIVE_MS + 22_000);
  assert.equal(silent.closed, true);
  socket.destroy();
});

/** A client that has begun, and does nothing more by itself. */
async function openRaw(allowHalfOpen = false): Promise<RawPeer> {
  const socket = connect({ port: port(), host: "127.0.0.1", allowHalfOpen });
  const frames = new FrameReader(socket, { acknowledge: false });
  socket.write(Buffer.concat([PREFACE, openingFrames()]));
  await frames.find(({ type, flags }) => type === SETTINGS && flags === ACK);
  return { socket, frames };
}

test("a connection without calls is closed after its time, and not one that had a call or has one", async () => {
  answering("Quick", async () => ({ kind: "frame", frame: frameOf(0).frame }));
  const release = answeringLate("Slow");
  const { session, own, look } = await open();
  const answer = rawCall(session, "Slow", [framed(Buffer.of())]);
  await until(() => release() !== undefined, "the call");
  await rawCall(session, "Quick", [framed(Buffer.of())]);
  // It shows that it lives, too.
  look(1_000);
  await ping(session);
  look(IDLE_MS + 2_000);
  await ping(session);
  assert.equal(session.closed, false, "a call is under way");
  release()?.();
  await answer;
  look(IDLE_MS * 2);
  await rawCall(session, "Quick", [framed(Buffer.of())]);
  look(IDLE_MS * 3 + 1_000);
  await ping(session);
  assert.equal(session.closed, false, "there was a call since the last look");
  const goodbye = once(session, "goaway");
  look(IDLE_MS * 4 + 2_000);
  await goodbye;
  await once(session, "close");
  await until(() => own.closed, "the server's side is closed too");
});

test("a header block that does not come to its end is not waited for", async () => {
  const { socket } = await openRaw();
  const own = newest();
  // Without END_HEADERS, and nothing behind it.
  socket.write(frame(HEADERS, 0, 1, Buffer.of(0x83)));
  const startedAt = performance.now();
  await until(() => own.socket.bytesRead >= 24 + 9 + 10, "it came");
  own.connection.look(startedAt + 1_000);
  own.connection.look(startedAt + 25_000);
  assert.equal(own.closed, false);
  own.connection.look(startedAt + 32_000);
  assert.equal(own.closed, true);
});

test("a connection that is drained closes when its last call is answered, without waiting for anything", async () => {
  const release = answeringLate("Slow");
  const { session, own } = await open();
  const answer = rawCall(session, "Slow", [framed(Buffer.of())]);
  await until(() => release() !== undefined, "the call");
  const goodbye = once(session, "goaway");
  own.connection.drain();
  await goodbye;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(own.closed, false);
  release()?.();
  assert.equal((await answer).trailers["grpc-status"], "0");
  await until(() => own.closed, "it closes");
});

test("a peer that does not close behind our end is closed", async () => {
  const { socket } = await openRaw(true);
  const own = newest();
  const startedAt = performance.now();
  own.connection.drain();
  own.connection.look(startedAt + 1_500);
  await once(socket, "end");
  own.connection.look(startedAt + 1_600);
  assert.equal(own.closed, false);
  own.connection.look(startedAt + 10_000);
  assert.equal(own.closed, true);
  socket.destroy();
});

test("the farewell waits for its own ping to be answered, and for no other", async () => {
  const { socket, frames } = await openRaw(true);
  const own = newest();
  const startedAt = performance.now();
  own.connection.look(startedAt + 100);
  own.connection.look(startedAt + KEEPALIVE_MS + 1_000);
  own.connection.drain();
  const [sign, farewell] = [await pingFrom(frames, "alive???"), await pingFrom(frames, "farewell")];
  socket.write(frame(PING, ACK, 0, sign.payload));
  // A ping of the client's: its answer comes behind what the one before did.
  socket.write(frame(PING, 0, 0, Buffer.from("question")));
  await frames.find(({ type, flags }) => type === PING && flags === ACK);
  assert.equal(frames.ended, false);
  socket.write(frame(PING, ACK, 0, farewell.payload));
  await until(() => frames.ended, "the end");
  socket.destroy();
});

function pingFrom(frames: FrameReader, payload: string): Promise<Frame> {
  return frames.find(
    ({ type, flags, payload: said }) => type === PING && flags === 0 && said.equals(Buffer.from(payload)),
  );
}

const farewells: Readonly<Record<string, (peer: RawPeer, connection: GrpcConnection) => Promise<unknown>>> = {
  async "that is drained"({ socket, frames }, connection) {
    connection.drain();
    socket.write(frame(PING, ACK, 0, (await pingFrom(frames, "farewell")).payload));
    await frames.find(({ type, payload }) => type === GOAWAY && payload.readUInt32BE(0) === 1);
  },
  async "whose client leaves"({ socket, frames }) {
    socket.write(Buffer.concat([goaway(0, 0), frame(PING, 0, 0, Buffer.from("question"))]));
    await frames.find(({ type, flags }) => type === PING && flags === ACK);
  },
};
for (const [what, farewell] of Object.entries(farewells)) {
  test(`a connection ${what} ends with its last call, though the client says nothing more`, async () => {
    const release = answeringLate("Slow");
    const peer = await openRaw();
    const { connection } = newest();
    const head = request(1, 0, "POST", `${SERVICE}/Slow`, "content-type", "application/grpc");
    peer.socket.write(Buffer.concat([head, data(1, END_STREAM, framed(Buffer.of()))]));
    await until(() => release() !== undefined, "the call");
    await farewell(peer, connection);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(peer.frames.ended, false, "a call is under way");
    release()?.();
    await until(() => peer.frames.ended, "the end");
    const last = peer.frames.of(1).at(-1);
    assert.deepEqual([last?.type, last?.flags], [HEADERS, END_HEADERS | END_STREAM]);
  });
}

test("a call is cancelled when its connection is gone", async () => {
  let call: IncomingCall | undefined;
  serve({
    kind: "unary",
    path: "Gone",
    answer: (_message, from) => {
      call = from;
      return new Promise(() => {});
    },
  });
  const { session } = await open();
  rawCall(session, "Gone", [framed(Buffer.of())]).catch(() => {});
  await until(() => call !== undefined, "the call");
  assert.equal(call?.cancelled(), false);
  session.destroy();
  await until(() => call?.cancelled() === true, "it is told");
});

test("head, message and trailers of an answer leave in one write", async () => {
  answering("Whole", async () => ({ kind: "frame", frame: frameOf(3_000).frame }));
  const { session, own } = await open();
  await rawCall(session, "Whole", [framed(Buffer.of())]);
  let writes = 0;
  const { socket } = own;
  const write = socket.write.bind(socket);
  socket.write = ((chunk: Uint8Array) => {
    writes += 1;
    return write(chunk);
  }) as typeof socket.write;
  const { trailers, body } = await rawCall(session, "Whole", [framed(Buffer.of())]);
  assert.deepEqual([trailers["grpc-status"], body.length], ["0", 3_005]);
  assert.equal(writes, 1);
});

test("requests that are not whole are bounded for a connection: those beyond are refused, and room comes back", async () => {
  answering("Quick", async () => ({ kind: "frame", frame: frameOf(0).frame }));
  const { session, own } = await open();
  const begun = Array.from({ length: 7 }, () => {
    const stream = beginCall(session, "Quick");
    stream.resume();
    stream.write(framed(Buffer.alloc(16_000)).subarray(0, 15_000));
    return { stream, code: once(stream, "response").then(([headers]) => headers["mca-code"]) };
  });
  assert.equal(await begun[6]?.code, "MCA_OVERLOADED");
  for (const { stream } of begun) stream.close(8);
  await until(
    async () => (await rawCall(session, "Quick", [framed(Buffer.alloc(18_000))])).trailers["grpc-status"] === "0",
    "room",
  );
  assert.equal(own.closed, false);
});

test("answers that nobody reads count into the same bound", async () => {
  answering("Large", async () => ({ kind: "frame", frame: frameOf(30_000).frame }));
  const { session } = await open({ initialWindowSize: 0 });
  const asked = Array.from({ length: 8 }, async () => {
    const stream = beginCall(session, "Large");
    stream.write(framed(Buffer.alloc(10)));
    await new Promise((resolve) => setTimeout(resolve, 20));
    return stream;
  });
  for (const stream of await Promise.all(asked)) stream.end();
  await ping(session);
  await until(
    async () => (await rawCall(session, "Large", [framed(Buffer.alloc(10))])).headers["mca-code"] === "MCA_OVERLOADED",
    "the bound",
  );
});

test("a conversation takes no message while its answers wait for the peer, and goes on when they are read", async () => {
  let messages = 0;
  let ended = 0;
  serve({
    kind: "conversation",
    path: "Talk",
    open: (answers): Conversation => ({
      onMessage() {
        messages += 1;
        answers.write(frameOf(1_000).frame);
      },
      onEnd() {
        ended += 1;
        answers.end();
      },
    }),
  });
  const { session } = await open({ initialWindowSize: 2_000 });
  const stream = beginCall(session, "Talk");
  stream.end(Buffer.concat(Array.from({ length: 500 }, () => framed(Buffer.alloc(400)))));
  await until(() => messages > 0, "the first");
  await ping(session);
  assert.ok(messages <= 10, `${messages} were taken`);
  assert.equal(ended, 0);
  let received = 0;
  stream.on("data", (chunk: Buffer) => {
    received += chunk.length;
  });
  await once(stream, "close");
  // More than a connection may hold has come: it was not read before there was room.
  assert.deepEqual([messages, ended, received], [500, 1, 500 * 1_005]);
  const { headers } = await rawCall(session, "Talk", [framed(Buffer.alloc(9)).subarray(0, 8)]);
  assert.equal(headers["mca-code"], "MCA_REQUEST_INVALID", "it ends within a message");
});

test("conversations that wait for their peer count into what a connection may hold", async () => {
  serve({
    kind: "conversation",
    path: "Wait",
    open: (answers): Conversation => ({
      onMessage: () => answers.write(frameOf(10).frame),
      onEnd: () => answers.end(),
    }),
  });
  refused.length = 0;
  const { session } = await open({ initialWindowSize: 0 });
  const begin = () => {
    const stream = beginCall(session, "Wait");
    stream.write(framed(Buffer.of()));
    return stream;
  };
  begin();
  await ping(session);
  assert.deepEqual(refused, []);
  const beyond = begin();
  await once(beyond, "close");
  assert.deepEqual(refused, ["MCA_OVERLOADED"]);
});

test("a fault in a method's messages ends its call with INTERNAL; one of the connection ends that, and is told", async () => {
  serve({
    kind: "conversation",
    path: "Broken",
    open: (): Conversation => ({
      onMessage() {
        throw new Error("a fault");
      },
      onEnd() {},
    }),
  });
  const { session, own } = await open();
  const { headers } = await rawCall(session, "Broken", [framed(Buffer.of())]);
  assert.deepEqual([headers["grpc-status"], headers["mca-code"]], ["13", "MCA_INTERNAL"]);
  assert.equal(own.closed, false);
  answering("Wrong", async () => ({ kind: "frame", frame: undefined as unknown as Buffer }));
  await rawCall(session, "Wrong", [framed(Buffer.of())]).catch(() => {});
  await until(() => own.closed, "the connection is closed");
  serve({
    kind: "unary",
    path: "Reject",
    answer: () => Promise.reject(new Error("it never does")),
  });
  const another = await open();
  await rawCall(another.session, "Reject", [framed(Buffer.of())]).catch(() => {});
  await until(() => another.own.closed, "the connection is closed");
  assert.equal(faults.length, 2);
});

test("what a refused caller still sends is dropped, up to a bound in bytes and in time", async () => {
  const { session, own } = await open();
  const quiet = beginCall(session, "Unknown");
  quiet.resume();
  const [headers] = await once(quiet, "response");
  assert.equal(headers["mca-code"], "MCA_METHOD_UNKNOWN");
  await once(quiet, "close");
  const flood = beginCall(session, "Unknown");
  flood.resume();
  let sent = 0;
  const chunk = Buffer.alloc(65_536);
  const more = (): void => {
    while (!flood.destroyed && !flood.closed && sent < 64 * 1024 * 1024) {
      sent += chunk.length;
      if (!flood.write(chunk)) {
        flood.once("drain", more);
        return;
      }
    }
  };
  more();
  await once(flood, "close");
  assert.ok(sent > 4 * 1024 * 1024 && sent < 16 * 1024 * 1024, `${sent} bytes`);
  assert.equal(own.closed, false);
});

test("a request that is malformed is reset, counted and told in its code", async () => {
  refused.length = 0;
  const { socket } = await openRaw();
  socket.write(headers(1, END_STREAM, ":method", "POST"));
  await until(() => refused.length === 1, "it is counted");
  assert.deepEqual(refused, ["MCA_REQUEST_INVALID"]);
  socket.destroy();
});
