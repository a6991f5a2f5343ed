// nghttp2 (node:http2) as a second opinion, over sockets: it reads what our encoder writes, and our decoder reads what it writes.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2, createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, connect, createServer } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import type { HpackDecoder } from "../../../src/http2/hpack/decoder.ts";
import { HpackEncoder } from "../../../src/http2/hpack/encoder.ts";
import * as h2 from "../../proxy-tls/support/http2-frames.ts";
import { until } from "../../support/until.ts";
import { encoded, newDecoder } from "./support/blocks.ts";

const HEADER_TABLE_SIZE = 1;
const PRIORITY_FLAG = 0x20;
const PRIORITY_BYTES = 5;

/** Fields beside the pseudo-headers: few names and many values, so that tables fill, hit and evict. */
const fields = fc.array(
  fc.tuple(
    fc.oneof(
      fc.constantFrom(
        "x-a",
        "x-b",
        "x-request-id",
        "traceparent",
        "accept",
        "user-agent",
        "authorization",
        "cookie",
        "via",
      ),
      fc.stringMatching(/^x-[a-z0-9_.!~-]{1,30}$/),
    ),
    fc.oneof(
      fc.constantFrom("", "1", "2", "application/grpc", "a b"),
      fc.array(fc.integer({ min: 0x21, max: 0x7e }), { maxLength: 60 }).map((codes) => String.fromCharCode(...codes)),
      fc.integer({ min: 1, max: 1200 }).map((length) => "v".repeat(length)),
    ),
  ),
  { maxLength: 10 },
);

/** The same lists on every run: draws by a fixed seed. */
function lists(count: number, seed: number): [name: string, value: string][][] {
  return fc.sample(fields, { numRuns: count, seed });
}

test("node:http2 reads the blocks of our encoder, while its table's size changes", async () => {
  const sizes = [4096, 0, 70, 65_536, 200, 4096];
  const heard: string[][] = [];
  let session: ServerHttp2Session | undefined;
  const server = createHttp2Server({ settings: { headerTableSize: 4096, maxHeaderListSize: 60_000 } });
  server.on("session", (opened) => {
    session = opened;
  });
  server.on("stream", (stream, _headers, _flags, raw) => {
    heard.push(raw);
    stream.respond({ ":status": 204 }, { endStream: true });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, "127.0.0.1");
  try {
    const frames = new h2.FrameReader(socket);
    socket.write(Buffer.concat([h2.PREFACE, h2.settings()]));
    const encoder = new HpackEncoder();
    let stream = 1;
    let told = 0;
    for (const [round, size] of sizes.entries()) {
      await until(() => session !== undefined, "the session is there");
      if (round > 0) session?.settings({ headerTableSize: size });
      const announced = (): h2.Frame[] => frames.frames.filter((one) => one.type === h2.SETTINGS && one.flags === 0);
      await until(() => announced().length > round, "the settings have come");
      for (; told <= round; told += 1) {
        const payload = announced()[told]?.payload ?? assert.fail();
        for (let at = 0; at < payload.length; at += 6) {
          if (payload.readUInt16BE(at) === HEADER_TABLE_SIZE) encoder.setPeerTableBytes(payload.readUInt32BE(at + 2));
        }
      }
      const sent: string[][] = [];
      heard.length = 0;
      const out: Buffer[] = [];
      for (const [index, list] of lists(40, round + 1).entries()) {
        const head = [":method", "POST", ":scheme", "http", ":path", `/${index % 3}`, ":authority", "example.test"];
        const all = [...head, ...list.flat()];
        sent.push(all);
        out.push(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, encoded(encoder, all)));
        stream += 2;
      }
      socket.write(Buffer.concat(out));
      const isRefused = (one: h2.Frame): boolean => one.type === h2.RST_STREAM || one.type === h2.GOAWAY;
      await until(() => heard.length === sent.length || frames.frames.some(isRefused), "every request was read");
      assert.deepEqual(heard, sent);
    }
  } finally {
    socket.destroy();
    session?.destroy();
    server.close();
  }
});

/** Sends `requests` with node's client; gives what our decoder reads of them. */
async function readFromNode(requests: readonly Record<string, string>[], tableBytes: number): Promise<string[][]> {
  const decoder: HpackDecoder = newDecoder({ maxTableBytes: Math.max(4096, tableBytes) });
  const read: string[][] = [];
  const server = createServer((socket) => {
    const frames = new h2.FrameReader(socket, { preface: h2.PREFACE.length });
    socket.write(h2.settings([HEADER_TABLE_SIZE, tableBytes]));
    let seen = 0;
    socket.on("data", () => {
      try {
        for (; seen < frames.frames.length; seen += 1) {
          const one = frames.frames[seen] ?? assert.fail();
          if (one.type !== h2.HEADERS) continue;
          assert.equal(one.flags & (h2.END_HEADERS | h2.PADDED), h2.END_HEADERS, "the test expects whole heads");
          read.push([...decoder.decode(one.payload, (one.flags & PRIORITY_FLAG) === 0 ? 0 : PRIORITY_BYTES)]);
          assert.equal(decoder.fault, undefined);
          socket.write(h2.headers(one.stream, h2.END_STREAM, ":status", "204"));
        }
      } catch (error) {
        client.destroy(error instanceof Error ? error : undefined);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = connectHttp2(`http://127.0.0.1:${port}`);
  // Its streams tell what it was.
  client.on("error", () => {});
  try {
    await once(client, "remoteSettings");
    for (let start = 0; start < requests.length; start += 50) {
      const ended = requests.slice(start, start + 50).map((headers) => {
        const stream = client.request(headers, { endStream: true });
        stream.resume();
        return once(stream, "close");
      });
      await Promise.all(ended);
    }
  } finally {
    client.destroy();
    server.close();
  }
  return read;
}

/** As node writes them: pseudo-headers and then the rest; a Map, so that a name comes once. */
function asRequest(list: readonly (readonly [name: string, value: string])[], path: string): Record<string, string> {
  const head = { ":method": "POST", ":path": path, ":scheme": "http", ":authority": "example.test" };
  return { ...head, ...Object.fromEntries(new Map(list)) };
}

for (const tableBytes of [4096, 0, 120, 65_536]) {
  test(`our decoder reads the blocks of node's client, with a table of ${tableBytes} bytes`, async () => {
    const requests = lists(60, tableBytes + 7).map((list, index) => asRequest(list, `/${index % 5}`));
    const read = await readFromNode(requests, tableBytes);
    const sorted = (list: readonly string[]): string[] => {
      const pairs = Array.from({ length: list.length / 2 }, (_, index) => `${list[2 * index]}: ${list[2 * index + 1]}`);
      return pairs.sort();
    };
    assert.deepEqual(
      read.map(sorted),
      requests.map((request) => sorted(Object.entries(request).flat())),
    );
  });
}
