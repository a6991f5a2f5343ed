// Compressed requests: what they become is bounded, and answers are never compressed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { deflateSync, gzipSync } from "node:zlib";
import { type Fixture, startFixture } from "../transport-fixture.ts";
import { framed, issueMessage, rawCall } from "./raw-call.ts";

let fixture: Fixture;
let ttlSeconds = 0;
before(async () => {
  fixture = await startFixture(async (request) => {
    ttlSeconds = request.ttlSeconds;
    return {};
  });
});
after(() => fixture.close());

const call = (frame: Buffer, encoding?: string) =>
  rawCall(fixture.http2(), "IssueX509Svid", [frame], encoding === undefined ? {} : { "grpc-encoding": encoding });

test("gzip and deflate are taken, and a message that is not compressed beside them", async () => {
  const [first, second, third] = [11, 12, 13].map((ttl) => issueMessage({ ttlSeconds: ttl }));
  for (const [frame, encoding, ttl] of [
    [framed(gzipSync(first ?? ""), 1), "gzip", 11],
    [framed(deflateSync(second ?? ""), 1), "deflate", 12],
    [framed(third ?? Buffer.of(), 0), "gzip", 13],
  ] as const) {
    const { headers, trailers, body } = await call(frame, encoding);
    assert.equal(trailers["grpc-status"], "0");
    assert.equal(ttlSeconds, ttl);
    assert.equal(headers["grpc-encoding"], undefined);
    assert.equal(body[0], 0);
  }
});

test("a message that becomes larger than the limit is refused however small it came", async () => {
  const bomb = gzipSync(issueMessage({ csr: new Uint8Array(4_000_000) }));
  assert.ok(bomb.length < 20_000);
  assert.equal((await call(framed(bomb, 1), "gzip")).headers["mca-code"], "MCA_MESSAGE_TOO_LARGE");
  const fits = gzipSync(issueMessage({ csr: new Uint8Array(20_000) }));
  assert.equal((await call(framed(fits, 1), "gzip")).trailers["grpc-status"], "0");
});

test("another encoding is refused as unimplemented, and the answer says which are known", async () => {
  const { headers } = await call(framed(issueMessage(), 1), "snappy");
  assert.deepEqual([headers["grpc-status"], headers["mca-code"]], ["12", "MCA_ENCODING_UNSUPPORTED"]);
  assert.equal(headers["grpc-accept-encoding"], "identity,deflate,gzip");
});

test("what is not compressed as it says is refused", async () => {
  for (const encoding of ["gzip", "deflate", "identity", undefined]) {
    assert.equal((await call(framed(Buffer.from("no"), 1), encoding)).headers["mca-code"], "MCA_REQUEST_INVALID");
  }
  assert.equal((await call(framed(issueMessage(), 2), "gzip")).headers["mca-code"], "MCA_REQUEST_INVALID");
});
