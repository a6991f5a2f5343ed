// The method that is answered without grpc-js speaks the same protocol: judged with a raw HTTP/2 client, byte for byte.
import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http2";
import { after, before, test } from "node:test";
import {
  IdentityServiceService,
  IssueX509SvidRequest,
  IssueX509SvidResponse,
} from "../../../src/proto/gen/meshca/identity/v1/identity.ts";
import { until } from "../../support/until.ts";
import { type Fixture, startFixture } from "./transport-fixture.ts";

const { path } = IdentityServiceService.issueX509Svid;
let fixture: Fixture;
let seen: { readonly reason: string | undefined; readonly cancelled: () => boolean } | undefined;

before(async () => {
  fixture = await startFixture(async ({ ttlSeconds }, call) => {
    seen = { reason: call.header("mca-reason"), cancelled: () => call.cancelled() };
    if (ttlSeconds > 1) await new Promise((resolve) => setTimeout(resolve, ttlSeconds));
    return { serial: "0a", spiffeId: `spiffe://example.test/${call.requestId}` };
  });
});
after(() => fixture.close());

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One call: `chunks` are written apart from each other. */
async function call(chunks: readonly Buffer[], headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const stream = fixture.http2().request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  const parts: Buffer[] = [];
  let response: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  stream.on("response", (given) => {
    response = given;
  });
  stream.on("trailers", (given) => {
    trailers = given;
  });
  stream.on("data", (part: Buffer) => parts.push(part));
  const ended = new Promise((resolve, reject) => {
    stream.on("close", resolve);
    stream.on("error", reject);
  });
  for (const chunk of chunks) {
    stream.write(chunk);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  stream.end();
  await ended;
  return { headers: response, trailers, body: Buffer.concat(parts) };
}

function frame(request: Partial<IssueX509SvidRequest> = {}): Buffer {
  const message = IssueX509SvidRequest.encode(IssueX509SvidRequest.fromPartial(request)).finish();
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

test("a call is answered with one message and the status in trailers", async () => {
  const { headers, trailers, body } = await call([frame()], { "x-request-id": "abc" });
  assert.equal(headers[":status"], 200);
  assert.equal(headers["content-type"], "application/grpc+proto");
  assert.equal(trailers["grpc-status"], "0");
  assert.equal(body[0], 0);
  assert.equal(body.readUInt32BE(1), body.length - 5);
  assert.equal(IssueX509SvidResponse.decode(body.subarray(5)).spiffeId, "spiffe://example.test/abc");
});

test("a message that comes in pieces is put together", async () => {
  const whole = frame({ csr: new Uint8Array(300).fill(7) });
  const { trailers } = await call([whole.subarray(0, 3), whole.subarray(3, 100), whole.subarray(100)]);
  assert.equal(trailers["grpc-status"], "0");
});

test("a message that comes byte by byte is put together, and judged by the length that it announced", async () => {
  const { trailers } = await call([...frame()].map((byte) => Buffer.of(byte)));
  assert.equal(trailers["grpc-status"], "0");
  const { headers } = await call([0, 0xff, 0xff, 0xff, 0xff].map((byte) => Buffer.of(byte)));
  assert.equal(headers["mca-code"], "MCA_MESSAGE_TOO_LARGE");
});

test("headers reach the handler, and a request id that is not well formed is replaced", async () => {
  const { body } = await call([frame()], { "mca-reason": "drill", "x-request-id": "no spaces allowed" });
  assert.equal(seen?.reason, "drill");
  assert.match(IssueX509SvidResponse.decode(body.subarray(5)).spiffeId, /^spiffe:\/\/example\.test\/[\w-]{16}$/);
});

const broken: readonly (readonly [string, readonly Buffer[], string])[] = [
  ["no message", [], "MCA_REQUEST_INVALID"],
  ["half a header", [Buffer.alloc(3)], "MCA_REQUEST_INVALID"],
  ["a message shorter than it says", [frame({ csr: new Uint8Array(10) }).subarray(0, 9)], "MCA_REQUEST_INVALID"],
  ["two messages", [frame(), frame()], "MCA_REQUEST_INVALID"],
  ["a message that claims to be compressed", [Buffer.from([1, 0, 0, 0, 0])], "MCA_REQUEST_INVALID"],
  ["what is no protobuf", [Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff])], "MCA_REQUEST_INVALID"],
  ["more than the server takes", [frame({ csr: new Uint8Array(30_000) })], "MCA_MESSAGE_TOO_LARGE"],
];
for (const [what, chunks, code] of broken) {
  test(`${what} is refused with ${code} in the headers, and no message`, async () => {
    const { headers, body } = await call(chunks);
    assert.equal(headers["mca-code"], code);
    assert.notEqual(headers["grpc-status"], "0");
    assert.equal(body.length, 0);
  });
}

test("a call whose deadline passes is answered so, and its handler is told", async () => {
  const { headers } = await call([frame({ ttlSeconds: 400 })], { "grpc-timeout": "50m" });
  assert.equal(headers["grpc-status"], "4");
  assert.equal(headers["mca-code"], "MCA_DEADLINE_EXCEEDED");
  assert.equal(seen?.cancelled(), true);
});

test("what is unusual is answered by grpc-js", async () => {
  const { headers } = await call([frame()], { "grpc-timeout": "soon" });
  assert.equal(headers["mca-code"], "MCA_REQUEST_INVALID");
  const { trailers } = await call([frame()], { "content-type": "application/grpc+anything" });
  assert.equal(trailers["grpc-status"], "0");
});

test("a caller that goes away is noticed by the handler", async () => {
  const stream = fixture.http2().request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
  stream.on("error", () => {});
  seen = undefined;
  stream.end(frame({ ttlSeconds: 300 }));
  await until(() => seen !== undefined, "the call is handled");
  stream.destroy();
  await until(() => seen?.cancelled() === true, "the handler notices");
});
