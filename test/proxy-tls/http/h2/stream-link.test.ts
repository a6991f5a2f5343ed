// The link between a stream and its exchange, on real streams: what is told, and that nothing is told or held when it was cut.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Stream, connect, createServer, type ServerHttp2Stream } from "node:http2";
import { after, test } from "node:test";
import {
  linkClientStream,
  linkServerStream,
  type RequestOwner,
  unlinkStream,
} from "../../../../src/proxy-tls/http/h2/stream-link.ts";

const server = createServer();
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
assert.ok(address !== null && typeof address === "object");
const session = connect(`http://127.0.0.1:${address.port}`);
after(() => {
  session.destroy();
  server.close();
});

class Told implements RequestOwner {
  readonly words: string[] = [];
  streamInterim(raw: readonly string[]): void {
    this.words.push(`interim ${raw.join(" ")}`);
  }
  streamResponse(_flags: number, raw: readonly string[]): void {
    this.words.push(`response ${raw.slice(0, 2).join(" ")}`);
  }
  streamTrailers(raw: readonly string[]): void {
    this.words.push(`trailers ${raw.join(" ")}`);
  }
  streamClosed(): void {
    this.words.push("closed");
    throw new Error("thrown at the close");
  }
  fault(error: unknown): void {
    this.words.push(String(error));
  }
}

function answer(stream: ServerHttp2Stream): void {
  stream.additionalHeaders({ ":status": 103, link: "x" });
  stream.respond({ ":status": 200 }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.resume();
  stream.end("body");
}

function heldBy(stream: ClientHttp2Stream | ServerHttp2Stream, owner: unknown): boolean {
  return Object.getOwnPropertySymbols(stream).some((symbol) => Reflect.get(stream, symbol) === owner);
}

test("both sides are told once: interim and final heads, trailers, the end", async () => {
  const [asked, answered] = [new Told(), new Told()];
  server.once("stream", (stream) => {
    linkServerStream(stream, answered, true);
    answer(stream);
  });
  const stream = session.request({ ":method": "POST" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "1" }));
  linkClientStream(stream, asked);
  stream.resume();
  stream.end("body");
  await once(stream, "close");
  await new Promise(setImmediate);
  const [interim, ...rest] = asked.words;
  assert.match(interim ?? "", /^interim :status 103 link x/);
  assert.deepEqual(rest, ["response :status 200", "trailers grpc-status 0", "closed", "Error: thrown at the close"]);
  assert.equal(answered.words[0], "trailers x-sum 1");
});

test("when the link was cut nothing is told, and the stream holds its owner no more", async () => {
  const told = new Told();
  server.once("stream", (stream) => {
    linkServerStream(stream, told, false);
    assert.equal(heldBy(stream, told), true);
    unlinkStream(stream);
    assert.equal(heldBy(stream, told), false);
    answer(stream);
  });
  const stream = session.request({ ":path": "/" });
  linkClientStream(stream, told);
  assert.equal(heldBy(stream, told), true);
  unlinkStream(stream);
  assert.equal(heldBy(stream, told), false);
  stream.resume();
  await once(stream, "close");
  assert.deepEqual(told.words, []);
});
