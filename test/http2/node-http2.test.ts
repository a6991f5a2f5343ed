// Our HTTP/2 and nghttp2's (node:http2) over real sockets, each side against the other: many streams, megabytes both ways, trailers, interim heads,
// cancels, tiny windows, no table, large frames and heads.
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  createServer as createHttp2,
  type Settings,
} from "node:http2";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { type FieldList, Http2Client, Http2Server, type Http2Stream } from "../../src/http2/index.ts";
import { Told, ToldConnection, ToldServer } from "./support/told.ts";

const MEBIBYTE = 1024 * 1024;

function attach(socket: Socket, connection: Http2Client | Http2Server): void {
  socket.on("data", (chunk: Buffer) => connection.receive(chunk));
  socket.on("drain", () => connection.drained());
  socket.on("error", () => {});
}

function port(server: { address(): AddressInfo | string | null }): number {
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}

function pattern(bytes: number, seed: number): Buffer {
  const body = Buffer.allocUnsafe(bytes);
  for (let index = 0; index < bytes; index += 1) body[index] = (index * 31 + seed + (index >> 8)) & 0xff;
  return body;
}

/** Sends back what comes, with its trailers, and pauses the sender while the taker is slow. */
function echo(stream: Http2Stream, told: Told, fields: FieldList): void {
  const value = (name: string): string | undefined => fields[fields.indexOf(name) + 1];
  told.act = (what) => {
    if (what.startsWith("data")) {
      const piece = told.body.pop();
      if (piece !== undefined && !stream.write(piece)) stream.pause();
    } else if (what === "writable") stream.resume();
    else if (what.startsWith("end")) stream.end(what === "end" ? [] : what.split(" ").slice(1));
  };
  if (fields.includes("x-interim")) stream.sendHead([":status", "103", "link", "<x>"], false);
  const long = fields.includes("x-long") ? ["x-long", value("x-long") ?? ""] : [];
  stream.sendHead([":status", "200", ...long], false);
}

async function read(
  stream: ClientHttp2Stream,
): Promise<{ body: Buffer; trailers: Record<string, unknown>; status: unknown }> {
  const parts: Buffer[] = [];
  let trailers: Record<string, unknown> = {};
  let status: unknown;
  stream.on("response", (headers) => {
    status = headers[":status"];
  });
  stream.on("trailers", (headers) => {
    trailers = headers;
  });
  stream.on("data", (chunk: Buffer) => parts.push(chunk));
  await once(stream, "end");
  return { body: Buffer.concat(parts), trailers, status };
}

describe("clients of node:http2 at our server", () => {
  const sockets = new Set<Socket>();
  const servers: { connection: Http2Server; told: ToldServer }[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    const told = new ToldServer();
    told.take = (request) => echo(request.stream, request.told, request.fields);
    const connection = new Http2Server(socket, told, 100);
    servers.push({ connection, told });
    attach(socket, connection);
  });
  before(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
  after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  async function session(settings: Settings = {}): Promise<ClientHttp2Session & Disposable> {
    const client = connectHttp2(`http://127.0.0.1:${port(server)}`, { settings, maxSessionMemory: 100 });
    client.on("error", () => {});
    await once(client, "remoteSettings");
    return Object.assign(client, { [Symbol.dispose]: () => client.destroy() });
  }

  function ours(): { connection: Http2Server; told: ToldServer } {
    const last = servers.at(-1);
    assert.ok(last !== undefined);
    return last;
  }

  for (const [what, settings, bytes] of [
    ["with nghttp2's own settings", {}, 256 * 1024],
    ["with windows of one byte", { initialWindowSize: 1 }, 200],
    [
      "with a window of 2^31-1, and frames of 2^24-1",
      { initialWindowSize: 2 ** 31 - 1, maxFrameSize: 2 ** 24 - 1 },
      256 * 1024,
    ],
    ["without a table", { headerTableSize: 0 }, 10_000],
    ["with a table that is larger than ours", { headerTableSize: 65_536 }, 10_000],
  ] as const) {
    test(`echo sixty bodies at once, ${what}`, async () => {
      using client = await session(settings);
      await Promise.all(
        Array.from({ length: 60 }, async (_, index) => {
          const body = pattern(bytes + index, index);
          const stream = client.request({ ":method": "POST", ":path": `/${index}`, "x-field": `v${index % 7}` });
          stream.end(body);
          const answer = await read(stream);
          assert.equal(answer.status, 200);
          assert.ok(answer.body.equals(body), `body ${index}`);
        }),
      );
      const { connection, told } = ours();
      assert.equal(connection.active, 0);
      assert.equal(told.fault, undefined);
    });
  }

  test("send eight megabytes and get them back, with trailers both ways", async () => {
    using client = await session();
    const body = pattern(8 * MEBIBYTE, 3);
    const stream = client.request({ ":method": "POST", ":path": "/" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-trailer": "last" }));
    stream.end(body);
    const answer = await read(stream);
    assert.ok(answer.body.equals(body));
    assert.equal(answer.trailers["x-trailer"], "last");
  });

  test("get an interim head, and a head that takes CONTINUATION both ways", async () => {
    using client = await session();
    const long = "v".repeat(20_000);
    const stream = client.request({ ":path": "/", "x-interim": "1", "x-long": long });
    const interim = once(stream, "headers");
    const [head] = await once(stream, "response");
    assert.equal((await interim)[0].link, "<x>");
    assert.equal(head["x-long"], long);
    await read(stream);
  });

  test("cancel half of what they ask, at any moment, and the rest is whole", async () => {
    using client = await session();
    const body = pattern(100_000, 9);
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const stream = client.request({ ":method": "POST", ":path": "/" });
        stream.on("error", () => {});
        if (index % 2 === 1) {
          stream.write(body.subarray(0, index * 100));
          for (let turn = 0; turn < index % 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
          stream.close(8);
          return;
        }
        stream.end(body);
        assert.ok((await read(stream)).body.equals(body));
      }),
    );
    const { connection, told } = ours();
    assert.equal(told.fault, undefined);
    // What was cancelled has come when this is answered.
    const last = client.request({ ":path": "/" });
    await read(last);
    assert.equal(connection.active, 0);
  });

  test("finish what they asked when the server says farewell", async () => {
    using client = await session();
    const stream = client.request({ ":method": "POST", ":path": "/" });
    stream.write("before");
    await once(stream, "response");
    const gone = once(client, "goaway");
    ours().connection.drain();
    assert.equal((await gone)[0], 0);
    stream.end(" and behind");
    assert.equal((await read(stream)).body.toString(), "before and behind");
    assert.equal(ours().connection.saidFarewell, true);
  });
});

describe("our client at a server of node:http2", () => {
  const server = createHttp2({ settings: { maxConcurrentStreams: 100 } });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    if (headers["x-interim"] === "1") stream.additionalHeaders({ ":status": 103, link: "<x>" });
    const long = headers["x-long"] ?? "";
    stream.respond({ ":status": 200, "x-long": long }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-trailer": "last" }));
    stream.pipe(stream);
  });
  before(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
  after(() => {
    server.close();
  });

  async function open(to = port(server)): Promise<{ client: Http2Client; told: ToldConnection } & Disposable> {
    const socket = connect({ port: to, host: "127.0.0.1" });
    await once(socket, "connect");
    const told = new ToldConnection();
    const client = new Http2Client(socket, told, 100);
    attach(socket, client);
    return { client, told, [Symbol.dispose]: () => socket.destroy() };
  }

  /** Sends a body as the windows let it out. @returns the body that comes back */
  function call(client: Http2Client, body: Buffer, ...fields: string[]): Promise<{ told: Told; bytes: Buffer }> {
    return new Promise((resolve, reject) => {
      const told = new Told();
      const head = [":method", "POST", ":scheme", "http", ":path", "/", ":authority", "x", ...fields];
      let at = 0;
      const more = (stream: Http2Stream): void => {
        while (at < body.length) {
          const piece = body.subarray(at, at + 50_000);
          at += piece.length;
          if (!stream.write(piece)) return;
        }
        stream.end();
      };
      told.act = (what) => {
        if (what === "writable") more(stream);
        else if (what.startsWith("end")) resolve({ told, bytes: told.bytes });
        else if (what.startsWith("reset") || what.startsWith("malformed") || what === "connection")
          reject(new Error(what));
      };
      const stream = client.request(head, false, told);
      more(stream);
    });
  }

  test("gets eight megabytes back that it sent, with trailers, and sixty bodies at once", async () => {
    using opened = await open();
    const { client, told } = opened;
    const body = pattern(8 * MEBIBYTE, 5);
    const one = await call(client, body);
    assert.ok(one.bytes.equals(body));
    assert.equal(one.told.log.at(-1), "end x-trailer last");
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const small = pattern(50_000 + index, index);
        assert.ok((await call(client, small)).bytes.equals(small));
      }),
    );
    assert.equal(client.active, 0);
    assert.equal(told.fault, undefined);
  });

  test("gets interim heads, and long heads, which it sends too", async () => {
    using opened = await open();
    const long = "v".repeat(20_000);
    const { told } = await call(opened.client, Buffer.from("x"), "x-interim", "1", "x-long", long);
    const log = told.log.filter((what) => what !== "sent");
    assert.equal(log[0], "interim :status 103 link <x>");
    assert.ok(log[1]?.includes(long));
  });

  for (const [what, settings] of [
    ["windows of one byte", { initialWindowSize: 1 }],
    ["no table", { headerTableSize: 0 }],
    ["frames of 2^24-1", { maxFrameSize: 2 ** 24 - 1, initialWindowSize: 2 ** 24 }],
  ] as const) {
    test(`goes on with ${what}`, async () => {
      const other = createHttp2({ settings });
      other.on("stream", (stream) => {
        stream.respond({ ":status": 200, "x-field": "value" });
        stream.pipe(stream);
      });
      other.listen(0, "127.0.0.1");
      await once(other, "listening");
      using opened = await open(port(other));
      for (let index = 0; index < 5; index += 1) {
        const body = pattern(300, index);
        assert.ok((await call(opened.client, body, "x-field", "value")).bytes.equals(body));
      }
      other.close();
    });
  }

  test("cancels by the hundred, and what it still asks is whole", async () => {
    using opened = await open();
    const { client, told } = opened;
    const body = pattern(30_000, 2);
    for (let round = 0; round < 6; round += 1) {
      for (let index = 0; index < 50; index += 1) {
        const head = [":method", "POST", ":scheme", "http", ":path", "/", ":authority", "x"];
        const stream = client.request(head, false, new Told());
        stream.write(body);
        stream.reset(8);
      }
      assert.ok((await call(client, body)).bytes.equals(body));
    }
    assert.equal(told.fault, undefined);
    assert.equal(client.active, 0);
  });
});
