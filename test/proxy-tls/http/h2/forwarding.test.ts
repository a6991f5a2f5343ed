// The two HTTP/2 engines joined, between peers of node:http2.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import {
  type ClientEngine,
  openClientEngine,
  type ServerEngine,
  startServerEngine,
} from "../../support/http2-engines.ts";
import { forwardTo } from "../../support/http2-forwarder.ts";

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly raw: readonly string[];
  readonly interims: readonly number[];
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly rstCode: number;
}

function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let headers: IncomingHttpHeaders = {};
  let raw: readonly string[] = [];
  let trailers: IncomingHttpHeaders = {};
  const interims: number[] = [];
  const chunks: Buffer[] = [];
  stream.on("headers", (got: IncomingHttpHeaders) => interims.push(Number(got[":status"])));
  stream.on("response", (got, _flags, list) => {
    headers = got;
    raw = list;
  });
  stream.on("trailers", (got) => {
    trailers = got;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => {});
  return new Promise((resolve) => {
    stream.on("close", () => {
      const { rstCode = 0 } = stream;
      resolve({ headers, raw, interims, trailers, body: Buffer.concat(chunks), rstCode });
    });
  });
}

describe("HTTP/2 through both engines", () => {
  let target: Http2Server;
  let serve: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[]) => void = () => {};
  let upstream: ClientEngine;
  let server: ServerEngine;
  let session: ClientHttp2Session;

  before(async () => {
    target = createServer();
    target.on("stream", (stream, headers, _flags, raw) => {
      stream.on("error", () => {});
      serve(stream, headers, raw);
    });
    await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
    const { port } = target.address() as AddressInfo;
    upstream = await openClientEngine(port);
    server = await startServerEngine(forwardTo(() => upstream.connection));
    session = connect(`http://127.0.0.1:${server.port}`);
  });
  after(() => {
    session?.destroy();
    server?.close();
    upstream?.close();
    target?.close();
  });

  test("a request without a body and its answer pass", async () => {
    let seen: readonly string[] = [];
    serve = (stream, _headers, raw) => {
      seen = raw;
      stream.respond({ ":status": 203, "x-answer": ["one", "two"] });
      stream.end("hello");
    };
    const answer = await answerOf(session.request({ ":path": "/a?b=c", "x-asked": "yes" }));
    assert.equal(answer.headers[":status"], 203);
    assert.equal(answer.body.toString(), "hello");
    assert.deepEqual(answer.raw.slice(2, 6), ["x-answer", "one", "x-answer", "two"]);
    assert.equal(answer.rstCode, 0);
    assert.deepEqual(seen.slice(0, 8), [
      ...[":method", "GET", ":scheme", "http", ":authority", `127.0.0.1:${server.port}`, ":path", "/a?b=c"],
    ]);
    assert.ok(seen.includes("x-asked"));
  });

  test("a megabyte each way arrives as it was sent, and memory is not what holds it", async () => {
    serve = (stream) => {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    };
    const body = Buffer.alloc(1 << 20, "0123456789abcdef");
    const stream = session.request({ ":method": "POST", ":path": "/echo" });
    const answer = answerOf(stream);
    stream.end(body);
    const { body: back } = await answer;
    assert.equal(createHash("sha256").update(back).digest("hex"), createHash("sha256").update(body).digest("hex"));
  });

  test("content-length is written from what was parsed, and the answer to HEAD keeps it", async () => {
    let length: string | undefined;
    serve = (stream, headers) => {
      length = headers["content-length"];
      stream.respond({ ":status": 200, "content-length": "5" }, { endStream: headers[":method"] === "HEAD" });
      if (headers[":method"] !== "HEAD") stream.end("hello");
    };
    const post = session.request({ ":method": "POST", ":path": "/", "content-length": "3" });
    const posted = answerOf(post);
    post.end("abc");
    assert.equal((await posted).headers["content-length"], "5");
    assert.equal(length, "3");
    const head = await answerOf(session.request({ ":method": "HEAD", ":path": "/" }));
    assert.equal(head.headers["content-length"], "5");
    assert.equal(head.body.length, 0);
    assert.equal(head.rstCode, 0);
  });

  test("interim answers pass, and trailers where the client takes them", async () => {
    serve = (stream) => {
      stream.additionalHeaders({ ":status": 103, link: "</a>; rel=preload" });
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "grpc-message": "fine" }));
      stream.end("body");
    };
    const answer = await answerOf(session.request({ ":path": "/", te: "trailers" }));
    assert.deepEqual(answer.interims, [103]);
    assert.equal(answer.body.toString(), "body");
    assert.equal(answer.trailers["grpc-status"], "0");
    const without = await answerOf(session.request({ ":path": "/" }));
    assert.equal(without.body.toString(), "body");
    assert.equal(without.trailers["grpc-status"], undefined);
  });

  test("a client that waits for 100 gets it once, from the target", async () => {
    serve = (stream) => {
      stream.additionalHeaders({ ":status": 100 });
      stream.additionalHeaders({ ":status": 100 });
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    };
    const stream = session.request({ ":method": "POST", ":path": "/", expect: "100-continue" });
    const answer = answerOf(stream);
    stream.once("continue", () => stream.end("waited"));
    const { body, interims } = await answer;
    assert.equal(body.toString(), "waited");
    assert.deepEqual(interims, [100]);
  });

  test("both directions stream at the same time", async () => {
    serve = (stream) => {
      stream.respond({ ":status": 200 });
      stream.on("data", (chunk: Buffer) => stream.write(`<${chunk}>`));
      stream.on("end", () => stream.end("."));
    };
    const stream = session.request({ ":method": "POST", ":path": "/" });
    const answer = answerOf(stream);
    for (const word of ["one", "two", "three"]) {
      const echoed = new Promise((resolve) => stream.once("data", resolve));
      stream.write(word);
      assert.equal(String(await echoed), `<${word}>`);
    }
    stream.end();
    assert.equal((await answer).body.toString(), "<one><two><three>.");
  });

  test("an answer before the whole request ends the request on both sides", async () => {
    const stopped = Promise.withResolvers<number>();
    serve = (stream) => {
      stream.on("close", () => stopped.resolve(stream.rstCode));
      stream.respond({ ":status": 413 });
      stream.end("too much");
    };
    const stream = session.request({ ":method": "POST", ":path": "/" });
    const answer = answerOf(stream);
    stream.write("some of it");
    const { headers, body, rstCode } = await answer;
    assert.equal(headers[":status"], 413);
    assert.equal(body.toString(), "too much");
    assert.equal(rstCode, 0);
    await stopped.promise;
  });

  test("a caller who leaves takes the request to the target along, as CANCEL", async () => {
    const code = Promise.withResolvers<number>();
    serve = (stream) => {
      stream.respond({ ":status": 200 });
      stream.write("first");
      stream.on("close", () => code.resolve(stream.rstCode));
    };
    const stream = session.request({ ":path": "/" });
    stream.on("error", () => {});
    await new Promise((resolve) => stream.once("data", resolve));
    stream.close(8);
    assert.equal(await code.promise, 8);
  });

  test("a thousand requests leave nothing behind", async () => {
    serve = (stream) => {
      stream.respond({ ":status": 200 });
      stream.end("x");
    };
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => answerOf(session.request({ ":path": "/" }))));
      for (const { body } of answers) assert.equal(body.toString(), "x");
    }
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(upstream.connection.active, 0);
    for (const connection of server.connections) assert.equal(connection.active, 0);
  });
});
