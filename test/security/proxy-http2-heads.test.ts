// Heads in HTTP/2 frames that no library would write. What is malformed is reset by src/http2; what is left meets the same
// screens as HTTP/1.1. Nothing that a policy did not see is forwarded, and nothing that would be more than one field on the wire.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { SafeFields } from "../../src/proxy-tls/http/fields/index.ts";
import { answering, OK, startHttp } from "../proxy-tls/support/http.ts";
import { openClientEngine, type ServerEngine, startServerEngine } from "../proxy-tls/support/http2-engines.ts";
import { ClientTold, recordingHandler, requestHead } from "../proxy-tls/support/http2-events.ts";
import {
  block,
  END_HEADERS,
  END_STREAM,
  frame,
  HEADERS,
  headers,
  openingFrames,
  PREFACE,
  RST_STREAM,
} from "../proxy-tls/support/http2-frames.ts";
import { openRawClient, requestTo, startRawTarget } from "../proxy-tls/support/http2-raw.ts";
import { world } from "../proxy-tls/support/proxy.ts";
import { connectClient } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

const PSEUDO = [":method", "GET", ":scheme", "http", ":path", "/a", ":authority", "example.test"];

/** What becomes of a request: its head as the handler got it, or how it was turned away. */
async function outcome(
  server: ServerEngine,
  recorder: ReturnType<typeof recordingHandler>,
  ...fields: string[]
): Promise<{
  readonly fields?: readonly string[];
  readonly authority?: string;
  readonly status?: number;
  readonly reset?: number;
}> {
  const peer = await openRawClient(server.port);
  const index = recorder.exchanges.length;
  const refusedBefore = server.refused.length;
  peer.socket.write(frame(HEADERS, END_STREAM | END_HEADERS, 1, block(...fields)));
  const told = recorder.exchange(index).then(({ exchange }) => ({
    fields: exchange.request.fields,
    authority: exchange.request.authority,
  }));
  const turned = peer.frames
    .find(({ type, stream }) => stream === 1 && (type === RST_STREAM || type === HEADERS))
    .then(({ type, payload }) =>
      type === RST_STREAM ? { reset: payload.readUInt32BE(0) } : { status: server.refused[refusedBefore]?.status ?? 0 },
    )
    .catch(() => ({ reset: -1 }));
  const found = await Promise.race([told, turned]);
  peer.socket.destroy();
  return found;
}

describe("a head in HTTP/2", () => {
  const recorder = recordingHandler();
  let server: ServerEngine;
  before(async () => {
    server = await startServerEngine(recorder.handler);
  });
  after(() => server?.close());

  const refusedHeads: Readonly<Record<string, readonly string[]>> = {
    "extended CONNECT": [":method", "CONNECT", ":protocol", "websocket", ...PSEUDO.slice(2)],
    CONNECT: [":method", "CONNECT", ":authority", "example.test:443"],
    TRACE: [":method", "TRACE", ...PSEUDO.slice(2)],
    PRI: [":method", "PRI", ...PSEUDO.slice(2)],
    "a method in lower case": [":method", "get", ...PSEUDO.slice(2)],
    "two methods": [...PSEUDO, ":method", "GET"],
    "two paths": [...PSEUDO.slice(0, 6), ":path", "/b", ":authority", "example.test"],
    "two authorities": [...PSEUDO, ":authority", "other.test"],
    "an unknown pseudo-field": [...PSEUDO, ":secret", "x"],
    "a pseudo-field behind a field": [...PSEUDO.slice(0, 6), "x-first", "1", ":authority", "example.test"],
    "no path": [":method", "GET", ":scheme", "http", ":authority", "example.test"],
    "an empty path": [":method", "GET", ":scheme", "http", ":path", "", ":authority", "example.test"],
    "a path in absolute form": [
      ":method",
      "GET",
      ":scheme",
      "http",
      ":path",
      "http://o.test/",
      ":authority",
      "example.test",
    ],
    "a path with a fragment": [":method", "GET", ":scheme", "http", ":path", "/a#b", ":authority", "example.test"],
    "a path with a space": [":method", "GET", ":scheme", "http", ":path", "/a b", ":authority", "example.test"],
    "a path with CR LF": [":method", "GET", ":scheme", "http", ":path", "/a\r\nx: y", ":authority", "example.test"],
    "another scheme": [":method", "GET", ":scheme", "https", ":path", "/a", ":authority", "example.test"],
    "no scheme": [":method", "GET", ":path", "/a", ":authority", "example.test"],
    "no host at all": PSEUDO.slice(0, 6),
    "host that is another": [...PSEUDO, "host", "other.test"],
    "two hosts": [...PSEUDO, "host", "example.test", "host", "example.test"],
    "an authority with user information": [...PSEUDO.slice(0, 6), ":authority", "user@example.test"],
    connection: [...PSEUDO, "connection", "x-secret"],
    "transfer-encoding": [...PSEUDO, "transfer-encoding", "chunked"],
    upgrade: [...PSEUDO, "upgrade", "h2c"],
    "keep-alive": [...PSEUDO, "keep-alive", "1"],
    "te that is not trailers": [...PSEUDO, "te", "gzip"],
    "two lengths": [...PSEUDO, "content-length", "0", "content-length", "0"],
    "a length that is none": [...PSEUDO, "content-length", "0x0"],
    "a length, and no body": [...PSEUDO, "content-length", "5"],
    "an expectation that nobody knows": [...PSEUDO, "expect", "magic"],
    "a twin of a protected name": [...PSEUDO, "x_forwarded_client_cert", "By=spiffe://x"],
    "too many fields": [...PSEUDO, ...Array.from({ length: 101 }, (_, index) => [`x-${index}`, "y"]).flat()],
  };
  for (const [what, fields] of Object.entries(refusedHeads)) {
    test(`with ${what} never becomes a request`, async () => {
      const found = await outcome(server, recorder, ...fields);
      assert.ok(found.status !== undefined || found.reset !== undefined, JSON.stringify(found));
      assert.equal(found.fields, undefined);
      if (found.status !== undefined) assert.ok(found.status >= 400, `status ${found.status}`);
    });
  }

  test("says its host twice if it says the same, by the one parser", async () => {
    assert.equal((await outcome(server, recorder, ...PSEUDO, "host", "EXAMPLE.test.:80")).authority, "example.test");
    assert.equal((await outcome(server, recorder, ...PSEUDO.slice(0, 6), "host", "Only.test")).authority, "only.test");
  });

  test("is reset where a field is malformed: nothing is repaired or left out", async () => {
    const malformed = [
      ...["x-nul", "a\0b"],
      ...["x-crlf", "a\r\nx-injected: yes"],
      ...["x-lf", "a\nb"],
      ...["x-del", "a\x7fb"],
      ...["X-Upper", "a"],
      ...["x space", "a"],
      ...["x:colon", "a"],
      ...["", "a"],
      ...["x-space", " a"],
      ...["x-space", "a\t"],
    ];
    for (let index = 0; index < malformed.length; index += 2) {
      const field = malformed.slice(index, index + 2);
      const found = await outcome(server, recorder, ...PSEUDO, ...field, "x-good", "g");
      assert.deepEqual(found, { reset: 1 }, JSON.stringify(field));
    }
  });

  test("loses fields that are ours to say, in every spelling", async () => {
    const { fields } = await outcome(
      server,
      recorder,
      ...PSEUDO,
      ...[
        "x-forwarded-client-cert",
        "By=spiffe://example.test/admin",
        "x-forwarded-for",
        "1.2.3.4",
        "forwarded",
        "for=x",
      ],
      ...["x-kept", "1"],
    );
    assert.deepEqual(fields, ["x-kept", "1"]);
  });

  test("keeps fields that came twice apart, and joins the crumbs of a cookie", async () => {
    const twice = [...PSEUDO, "x-a", "1", "x-a", "2", "content-type", "a/b", "content-type", "c/d"];
    const { fields } = await outcome(server, recorder, ...twice, "cookie", "a=1", "cookie", "b=2");
    assert.deepEqual(fields, [
      ...["x-a", "1", "x-a", "2", "content-type", "a/b", "content-type", "c/d", "cookie", "a=1; b=2"],
    ]);
  });
});

describe("what is written", () => {
  /** Past the validator, as only a bug could. */
  function unchecked(...fields: string[]): SafeFields {
    return fields as unknown as SafeFields;
  }

  test("fields that came twice are written twice, whatever node thinks of them", async () => {
    using target = await startRawTarget();
    using client = await openClientEngine(target.port);
    const { told, peer, stream } = await requestTo(
      target,
      client.connection,
      requestHead({ fields: unchecked("content-type", "a/b", "content-type", "c/d") }),
    );
    const twice = [
      "content-type",
      "a/b",
      "content-type",
      "c/d",
      "set-cookie",
      "a=1",
      "set-cookie",
      "b=2",
      "age",
      "1",
      "age",
      "2",
    ];
    peer.socket.write(headers(stream, END_STREAM, ":status", "200", ...twice));
    assert.equal(await told.ended.promise, "end");
    assert.deepEqual(told.response?.fields, twice);
  });

  test("a response is never given a date or anything else that the target did not say", async () => {
    const recorder = recordingHandler(({ exchange }) => {
      exchange.respond({ status: 200, fields: unchecked(), body: { kind: "length", bytes: 0 }, close: false });
      exchange.end(unchecked());
    });
    using server = await startServerEngine(recorder.handler);
    using client = await openClientEngine(server.port);
    const told = new ClientTold();
    client.connection.request(requestHead(), told);
    assert.equal(await told.ended.promise, "end");
    assert.deepEqual(told.response?.fields, []);
    assert.deepEqual(told.response?.body, { kind: "length", bytes: 0 });
  });
});

test("a malformed request is in the access log: as HTTP/2, refused, and without a status, since it was reset", async () => {
  await using served = await startHttp(answering(OK));
  const { socket } = await connectClient(served.proxy.port("in"), world.identity("/client"), { alpn: ["h2"] });
  const malformed = headers(1, END_STREAM, ...PSEUDO, "connection", "close");
  socket.write(Buffer.concat([PREFACE, openingFrames(), malformed]));
  await until(() => served.proxy.observer.exchanges.length === 1, "the record");
  const [record] = served.proxy.observer.exchanges;
  assert.deepEqual(
    [record?.protocol, record?.status, record?.refusal?.status, record?.refusal?.reason],
    ["2", undefined, 400, "http2-protocol"],
  );
  assert.equal(served.backend.ends.length, 0);
  socket.destroy();
});
