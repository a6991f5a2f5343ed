// What either end marks as never to be indexed reaches the other end so, through two whole proxies: in heads, interim heads and trailers, both
// ways (RFC 7541 section 6.2.3). Node marks and tells marks as `sensitiveHeaders`.
import assert from "node:assert/strict";
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  sensitiveHeaders,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { AUTHORITY, startPair } from "../../support/proxy-pair.ts";

const TRAILERS = ["x-sum", "x-key"];

/** `headers`, of which these are marked. */
function marked(headers: OutgoingHttpHeaders, ...names: string[]): OutgoingHttpHeaders {
  return { ...headers, [sensitiveHeaders]: names };
}

/** What of the fields came marked, and the values of some. */
function seen(
  headers: IncomingHttpHeaders,
  ...names: string[]
): readonly [marks: readonly string[], values: unknown[]] {
  const marks: unknown = Reflect.get(headers, sensitiveHeaders);
  assert.ok(Array.isArray(marks));
  return [marks.map(String).sort(), names.map((name) => headers[name])];
}

describe("A mark as never to be indexed", () => {
  let target: Http2Server;
  let pair: Awaited<ReturnType<typeof startPair>>;
  let session: ClientHttp2Session;
  let serve: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void = () => {};

  before(async () => {
    target = createServer();
    target.on("stream", (stream, headers) => serve(stream, headers));
    await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
    const { port } = target.address() as AddressInfo;
    const trailers = { requestTrailers: TRAILERS, responseTrailers: TRAILERS };
    pair = await startPair(port, { ...trailers, upstreamProtocol: "h2" }, trailers);
    session = connect(`http://127.0.0.1:${pair.port}`);
  });
  after(async () => {
    session?.destroy();
    for (const proxy of pair?.proxies.toReversed() ?? []) await proxy[Symbol.asyncDispose]();
    target?.close();
  });

  test("goes along with a request's head and trailers, and is no other request's", async () => {
    const heads: unknown[] = [];
    const trailers: unknown[] = [];
    serve = (stream, headers) => {
      heads.push(seen(headers, "x-key", "x-open"));
      stream.on("trailers", (got) => trailers.push(seen(got, "x-key", "x-sum")));
      stream.resume().on("end", () => stream.respond({ ":status": 204 }, { endStream: true }));
    };
    // An id that is replaced: the list is made once more.
    const replaced = { "x-request-id": "not an id" };
    const fields = { ":method": "POST", ":authority": AUTHORITY, ...replaced, "x-key": "one", "x-open": "two" };
    for (const names of [[], ["x-key"], []]) {
      const stream = session.request(marked(fields, ...names), { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers(marked({ "x-key": "three", "x-sum": "four" }, ...names)));
      stream.resume().end("body");
      await new Promise((resolve) => stream.on("close", resolve));
    }
    const open = [[], ["one", "two"]];
    assert.deepEqual(heads, [open, [["x-key"], ["one", "two"]], open]);
    const openEnd = [[], ["three", "four"]];
    assert.deepEqual(trailers, [openEnd, [["x-key"], ["three", "four"]], openEnd]);
  });

  test("goes along with a response's interim head, head and trailers, and is no other response's", async () => {
    let marks: readonly string[] = [];
    serve = (stream) => {
      stream.additionalHeaders(marked({ ":status": 103, link: "</a>" }, ...marks.map(() => "link")));
      stream.respond(marked({ ":status": 200, "x-key": "one" }, ...marks), { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers(marked({ "x-key": "two" }, ...marks)));
      stream.end("body");
    };
    for (marks of [[], ["x-key"], []]) {
      const stream = session.request({ ":authority": AUTHORITY, te: "trailers" });
      const told: unknown[] = [];
      stream.on("headers", (headers) => told.push(seen(headers, "link")));
      stream.on("response", (headers) => told.push(seen(headers, "x-key")));
      stream.on("trailers", (headers) => told.push(seen(headers, "x-key")));
      stream.resume();
      await new Promise((resolve) => stream.on("close", resolve));
      assert.deepEqual(told, [
        [marks.map(() => "link"), ["</a>"]],
        [marks, ["one"]],
        [marks, ["two"]],
      ]);
    }
  });

  test("of credentials is set by us, whether they came so or not", async () => {
    let got: unknown;
    serve = (stream, headers) => {
      got = seen(headers, "authorization", "cookie");
      stream.respond({ ":status": 204 }, { endStream: true });
    };
    const stream = session.request({ ":authority": AUTHORITY, authorization: "Bearer secret", cookie: "a=b" });
    stream.resume();
    await new Promise((resolve) => stream.on("close", resolve));
    assert.deepEqual(got, [
      ["authorization", "cookie"],
      ["Bearer secret", "a=b"],
    ]);
  });
});
