// One message in, one out (gRPC over HTTP/2): judged with a raw HTTP/2 client, byte for byte.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import {
  IdentityServiceService,
  type IssueX509SvidRequest,
  IssueX509SvidResponse,
} from "../../../../src/proto/gen/meshca/identity/v1/identity.ts";
import { until } from "../../../support/until.ts";
import { type Fixture, startFixture } from "../transport-fixture.ts";
import { beginCall, framed, issueMessage, type RawAnswer, rawCall } from "./raw-call.ts";

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

const call = (chunks: readonly Buffer[], headers?: Readonly<Record<string, string>>): Promise<RawAnswer> =>
  rawCall(fixture.http2(), "IssueX509Svid", chunks, headers);

const frame = (request: Partial<IssueX509SvidRequest> = {}): Buffer => framed(issueMessage(request));

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

test("a deadline that cannot be read is refused; a subtype of gRPC's content-type is taken", async () => {
  const { headers } = await call([frame()], { "grpc-timeout": "soon" });
  assert.equal(headers["mca-code"], "MCA_REQUEST_INVALID");
  const { trailers } = await call([frame()], { "content-type": "application/grpc+anything" });
  assert.equal(trailers["grpc-status"], "0");
});

test("what is no gRPC is refused as HTTP knows it, with a code", async () => {
  for (const [changed, status, code] of [
    [{ "content-type": "application/json" }, 415, "MCA_REQUEST_INVALID"],
    [{ "content-type": "application/grpc-web" }, 415, "MCA_REQUEST_INVALID"],
    [{ ":method": "PUT" }, 405, "MCA_METHOD_NOT_ALLOWED"],
  ] as const) {
    const { headers } = await call([frame()], changed);
    assert.deepEqual([headers[":status"], headers["mca-code"]], [status, code]);
  }
});

test("headers that are too many are refused with MCA_HEADERS_TOO_LARGE, and the connection goes on", async () => {
  const session = fixture.http2();
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`x-${n}`, "v".repeat(1_000)]));
  const { headers } = await rawCall(session, "IssueX509Svid", [frame()], many);
  assert.deepEqual([headers["grpc-status"], headers["mca-code"]], ["8", "MCA_HEADERS_TOO_LARGE"]);
  const { trailers } = await rawCall(session, "IssueX509Svid", [frame()]);
  assert.equal(trailers["grpc-status"], "0");
});

test("a header that came twice has no value", async () => {
  const session = fixture.http2();
  const stream = session.request([
    ...[":method", "POST", ":path", path, ":scheme", "http", ":authority", "x"],
    ...["content-type", "application/grpc", "mca-reason", "a", "mca-reason", "b"],
  ]);
  stream.resume();
  stream.end(frame());
  await once(stream, "close");
  assert.equal(seen?.reason, undefined);
});

test("the sentence of an error is percent-encoded, and its details are base64 without line breaks", async () => {
  const { headers } = await call([Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff])]);
  assert.match(String(headers["grpc-message"]), /^[!-~]+$/);
  assert.match(decodeURIComponent(String(headers["grpc-message"])), /^The message cannot be read: /);
  assert.ok(Buffer.from(String(headers["grpc-status-details-bin"]), "base64").includes("MCA_REQUEST_INVALID"));
});

test("a caller that goes away is noticed by the handler", async () => {
  const stream = beginCall(fixture.http2(), "IssueX509Svid");
  seen = undefined;
  stream.end(frame({ ttlSeconds: 300 }));
  await until(() => seen !== undefined, "the call is handled");
  stream.destroy();
  await until(() => seen?.cancelled() === true, "the handler notices");
});

test("an answer larger than the peer's window is whole, trailers included, and callers that go away harm nobody", async () => {
  const session = fixture.http2({ initialWindowSize: 10 });
  for (const { trailers, body } of await Promise.all(
    Array.from({ length: 10 }, () => rawCall(session, "IssueX509Svid", [frame()])),
  )) {
    assert.equal(trailers["grpc-status"], "0");
    assert.match(IssueX509SvidResponse.decode(body.subarray(5)).spiffeId, /^spiffe:/);
  }
  const left = Array.from({ length: 10 }, () => {
    const stream = beginCall(session, "IssueX509Svid");
    stream.on("data", () => stream.close(8));
    stream.end(frame());
    return once(stream, "close");
  });
  await Promise.all(left);
  assert.equal((await rawCall(session, "IssueX509Svid", [frame()])).trailers["grpc-status"], "0");
});
