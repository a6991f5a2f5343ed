// HTTP/2 in plaintext is taken only where all 24 bytes of the preface come first, whatever the pieces they come in.
import assert from "node:assert/strict";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { DeadlineWheel } from "../../../../src/proxy-tls/http/deadlines.ts";
import { detectPreface, type PlaintextProtocol } from "../../../../src/proxy-tls/http/h2/preface.ts";
import { PREFACE } from "../../support/http2-frames.ts";

interface Found {
  readonly protocol: PlaintextProtocol;
  readonly first: string;
  /** What the socket gives afterwards. */
  readonly rest: Promise<string>;
}

/** @returns what was found; undefined: the socket was closed */
async function detect(
  pieces: readonly Uint8Array[],
  options: {
    readonly end?: boolean;
    readonly idleMs?: number;
    readonly prefaceMs?: number;
    readonly gapMs?: number;
  } = {},
): Promise<Found | undefined> {
  const wheel = new DeadlineWheel({ tickMs: 5, onFault: (error) => assert.fail(String(error)) });
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer((socket) => accepted.resolve(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", noDelay: true });
  client.on("error", () => {});
  const socket = await accepted.promise;
  socket.on("error", () => {});
  const found = await new Promise<Found | undefined>((resolve) => {
    socket.on("close", () => resolve(undefined));
    detectPreface(socket, {
      ...{ wheel, idleMs: options.idleMs ?? 0, prefaceMs: options.prefaceMs ?? 0 },
      onProtocol: (protocol, first) => {
        const rest = new Promise<string>((told) => {
          let text = "";
          socket.on("data", (chunk: Buffer) => {
            text += chunk.toString("latin1");
          });
          socket.on("end", () => told(text));
        });
        resolve({ protocol, first: Buffer.from(first).toString("latin1"), rest });
      },
    });
    (async () => {
      for (const piece of pieces) {
        client.write(piece);
        await new Promise((again) => setTimeout(again, options.gapMs ?? 1));
      }
      if (options.end !== false) client.end();
    })();
  });
  await found?.rest;
  client.destroy();
  server.close();
  wheel.close();
  return found;
}

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const oneByOne = (text: Uint8Array): Uint8Array[] => [...text].map((byte) => Uint8Array.of(byte));

describe("the preface", () => {
  test("is found whole, in two halves and byte by byte, and handed on with what follows", async () => {
    const whole = Buffer.concat([PREFACE, bytes("frames")]);
    for (const pieces of [[whole], [whole.subarray(0, 11), whole.subarray(11)], oneByOne(whole)]) {
      const found = await detect(pieces);
      assert.equal(found?.protocol, "h2");
      assert.equal(`${found?.first}${await found?.rest}`, whole.toString("latin1"));
    }
  });

  test("that differs anywhere is HTTP/1.1, and nothing of it is lost", async () => {
    for (let at = 0; at < PREFACE.length; at++) {
      const other = Buffer.from(PREFACE);
      other[at] = (other[at] ?? 0) ^ 1;
      for (const pieces of [
        [other],
        [other.subarray(0, at), other.subarray(at)],
        [other.subarray(0, at + 1), other.subarray(at + 1)],
      ]) {
        const found = await detect(pieces);
        assert.equal(found?.protocol, "http/1.1");
        assert.equal(`${found?.first}${await found?.rest}`, other.toString("latin1"));
      }
    }
  });

  test("is not looked for behind a request, and a request that begins like it waits for its third byte at most", async () => {
    for (const request of [
      "GET / HTTP/1.1\r\n\r\n",
      "PUT / HTTP/1.1\r\n\r\n",
      "PRX",
      "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]) {
      const found = await detect(oneByOne(bytes(request)));
      assert.equal(found?.protocol, "http/1.1");
      assert.ok((found?.first.length ?? 0) <= 3);
    }
  });

  test("that does not come in time closes the connection: a byte does not extend it", async () => {
    assert.equal(await detect([], { end: false, idleMs: 50 }), undefined);
    assert.equal(await detect(oneByOne(PREFACE), { end: false, prefaceMs: 30, gapMs: 5 }), undefined);
  });

  test("that ends in the middle closes the connection", async () => {
    assert.equal(await detect([PREFACE.subarray(0, 10)]), undefined);
    assert.equal(await detect([]), undefined);
  });
});
