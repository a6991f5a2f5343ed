// Smuggling through a whole proxy over raw sockets. The victim is a node:http server behind it, strict in one run and as lenient as it can
// be in another. What it takes for a request must be one that the proxy wrote: with one XFCC element of the real caller and our Via, neither
// of which a smuggler can write. The other way round, a client must get a target's response as it was, or an answer of the proxy's.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { inboundHttp, startHttp } from "../proxy-tls/support/http.ts";
import { keptStreams } from "../proxy-tls/support/http1-corpus.ts";
import { faulty, requestStream, responseStream } from "../proxy-tls/support/http1-streams.ts";
import { type ResponseReader, startResponseReader } from "../proxy-tls/support/node-http.ts";
import { parseResponses, split } from "../proxy-tls/support/parsed-streams.ts";
import { ALLOW_ALL, startProxy, type TestProxy, world } from "../proxy-tls/support/proxy.ts";
import { connectClient } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

const SMUGGLED =
  "GET /smuggled HTTP/1.1\r\nhost: service.test\r\nx-forwarded-client-cert: By=x;URI=spiffe://example.test/admin\r\n\r\n";
const START = "POST /front HTTP/1.1\r\nhost: service.test\r\n";

/** What smugglers write, each with a whole request behind it. */
const TRICKS: readonly string[] = [
  `content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  `transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
  `content-length: 0\r\ncontent-length: ${SMUGGLED.length}\r\n\r\n`,
  ...["xchunked", "chunked, identity", "identity", "chunked\x0b", "\x00chunked", '"chunked"', "gzip"].map(
    (value) => `transfer-encoding: ${value}\r\n\r\n0\r\n\r\n`,
  ),
  ...["transfer-encoding : chunked", "transfer-encoding\t:chunked", " transfer-encoding: chunked"].map(
    (line) => `content-length: 5\r\n${line}\r\n\r\n0\r\n\r\n`,
  ),
  "a: b\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
  "a: b\rtransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
  "a: b\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
  "transfer_encoding: chunked\r\n\r\n",
  "transfer-encoding: chunked\r\n\r\n0;a=b\r\n\r\n",
  "transfer-encoding: chunked\r\n\r\n1\r\nxx0\r\n\r\n",
  "transfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 200\r\nhost: other.test\r\n\r\n",
  "transfer-encoding: chunked\r\n\r\n0\n\r\n",
  "connection: content-length\r\ncontent-length: 5\r\n\r\nhello",
  "connection: transfer-encoding, close\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
  "expect: 100-continue\r\ncontent-length: 5\r\n\r\nhello",
  "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n",
  "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  `${"a: b\r\n".repeat(2_001)}content-length: ${SMUGGLED.length}\r\n\r\n`,
  "content-length: 0\r\n\r\n\r\n\r\n",
  `a: ${"x".repeat(33_000)}\r\ncontent-length: 3\r\n\r\n`,
].map((rest) => START + rest + SMUGGLED);

const seeded = { numRuns: 60, seed: 1 };

for (const lenient of [false, true]) {
  describe(`request streams, before a server that is ${lenient ? "as lenient as it can be" : "strict"}`, () => {
    const seen: { readonly start: string; readonly fields: string[]; body: string }[] = [];
    const server = createServer(
      { insecureHTTPParser: lenient, requireHostHeader: false, keepAliveTimeout: 0 },
      (incoming: IncomingMessage, response) => {
        const entry = { start: `${incoming.method} ${incoming.url}`, fields: incoming.rawHeaders, body: "" };
        seen.push(entry);
        incoming.on("data", (chunk: Buffer) => {
          entry.body += chunk.toString("latin1");
        });
        incoming.on("error", () => {});
        incoming.on("end", () => response.end("answer"));
      },
    );
    server.on("clientError", (_error, socket: Socket) => socket.destroy());
    let proxy: TestProxy;
    before(async () => {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      proxy = await startProxy({ listeners: [inboundHttp(port, { allowHttp10: true })], policies: [ALLOW_ALL] });
    });
    after(async () => {
      await proxy[Symbol.asyncDispose]();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });

    /**
     * Sends a stream (whole, or in the lenient run in TLS records of odd sizes) and the client's end, and waits until the proxy has said
     * all that it has to say.
     */
    async function send(stream: string): Promise<string> {
      const client = await connectClient(proxy.port("in"), identity, { alpn: ["http/1.1"] });
      if (lenient) {
        for (const piece of split(stream, [1, 17, 40, 3, stream.length])) client.socket.write(piece);
        client.socket.end();
      } else client.socket.end(stream, "latin1");
      await client.whenEnded();
      client.socket.destroy();
      return client.text;
    }
    const identity = world.identity("/client");

    test("the server sees no request but those that the proxy wrote, and the client no answer to another", async () => {
      const streams = [...TRICKS, ...keptStreams("requests"), ...fc.sample(faulty(requestStream), seeded)];
      for (const stream of streams) {
        const [before, exchanges] = [seen.length, proxy.observer.exchanges.length];
        const text = await send(stream);
        const records = proxy.observer.exchanges.slice(exchanges);
        const forwarded = records.filter(({ attempts }) => attempts > 0).length;
        const requests = seen.slice(before);
        assert.ok(requests.length <= forwarded, JSON.stringify([stream, requests, records]));
        for (const { fields } of requests) {
          const of = (name: string) => fields.filter((_, i) => i % 2 === 1 && fields[i - 1]?.toLowerCase() === name);
          const [xfcc, ...others] = of("x-forwarded-client-cert");
          assert.match(xfcc ?? "", /URI=spiffe:\/\/example\.test\/client$/, JSON.stringify(stream));
          assert.deepEqual([others.length, of("via").at(-1)?.startsWith("1.")], [0, true], JSON.stringify(stream));
          assert.equal(of("host").length, 1);
          assert.ok(of("content-length").length + of("transfer-encoding").length <= 1, JSON.stringify(stream));
        }
        const answers = text.split("answer").length - 1;
        assert.ok(answers <= requests.length, JSON.stringify([stream, text]));
        const refused = records.filter(({ refusal }) => refusal !== undefined);
        assert.ok(refused.length <= 1, "a refusal is terminal");
      }
    });

    test("requests within bodies are bodies, however those are framed", async () => {
      const size = SMUGGLED.length.toString(16);
      for (const framed of [
        `content-length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
        `transfer-encoding: chunked\r\n\r\n${size}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
        `transfer-encoding: chunked\r\n\r\n1\r\n${SMUGGLED[0]}\r\n${(SMUGGLED.length - 1).toString(16)}\r\n${SMUGGLED.slice(1)}\r\n0\r\nx: y\r\n\r\n`,
      ]) {
        const before = seen.length;
        await send(`${START}${framed}${START}content-length: 2\r\n\r\nhi`);
        const requests = seen.slice(before).map(({ start, body }) => [start, body]);
        assert.deepEqual(requests, [
          ["POST /front", SMUGGLED],
          ["POST /front", "hi"],
        ]);
      }
    });

    test("each trick is refused, or forwarded as what it says to everybody", async () => {
      for (const stream of TRICKS) {
        const before = seen.length;
        const text = await send(stream);
        const starts = seen.slice(before).map(({ start }) => start);
        if (/^HTTP\/1\.1 4\d\d /.test(text)) assert.deepEqual(starts, [], JSON.stringify(stream));
        else assert.equal(starts[0], "POST /front", JSON.stringify(stream));
      }
    });
  });
}

describe("response streams", () => {
  let node: ResponseReader;
  before(async () => {
    node = await startResponseReader();
  });
  after(() => node[Symbol.asyncDispose]());

  test("the client gets what the target said, or an answer of the proxy's, or is cut", async () => {
    let answer = "";
    await using proxied = await startHttp(({ socket }) => socket.once("data", () => socket.end(answer, "latin1")));
    const tails = ["", "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"];
    const streams = [...keptStreams("responses-GET"), ...fc.sample(faulty(responseStream), seeded)];
    for (const [index, stream] of streams.entries()) {
      answer = stream + (tails[index % 2] ?? "");
      const client = await proxied.client();
      client.socket.end("GET / HTTP/1.1\r\nhost: service.test\r\nconnection: close\r\n\r\n");
      await until(() => client.ended || client.closed !== "no", JSON.stringify(answer));
      const { text } = client;
      const { messages, refusal } = parseResponses(answer, { untilClose: "allow", end: true });
      const [message] = messages;
      const [read] = (await node.read(text, "GET")).messages;
      const complete = message?.trailers !== undefined;
      if (read === undefined) {
        // Cut: never a complete message.
        assert.ok(client.error !== undefined || !complete, JSON.stringify([answer, text]));
      } else if (text.includes('"reason"')) {
        assert.match(read.start, /^50[234]$/, JSON.stringify([answer, text]));
      } else {
        assert.ok(complete, JSON.stringify([answer, text, refusal]));
        assert.deepEqual([read.start, read.body], [`${message.head.status}`, message.body], JSON.stringify(answer));
      }
      client.socket.destroy();
    }
  });
});
