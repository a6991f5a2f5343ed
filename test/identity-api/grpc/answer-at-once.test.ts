// An answer of the direct method leaves in one write, and is whole whatever the peer's window and patience.
import assert from "node:assert/strict";
import { connect, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { answerAtOnce, trailersOf } from "../../../src/identity-api/grpc/answer-at-once.ts";
import {
  IdentityServiceService,
  IssueX509SvidRequest,
  IssueX509SvidResponse,
} from "../../../src/proto/gen/meshca/identity/v1/identity.ts";
import { type Fixture, startFixture } from "./transport-fixture.ts";

const { path } = IdentityServiceService.issueX509Svid;
const ANSWER = { serial: "0a", spiffeId: `spiffe://example.test/${"x".repeat(1200)}` };
let fixture: Fixture;

before(async () => {
  fixture = await startFixture(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return ANSWER;
  });
});
after(() => fixture.close());

function frame(): Buffer {
  const message = IssueX509SvidRequest.encode(IssueX509SvidRequest.fromPartial({})).finish();
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

interface Answer {
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function call(session: ReturnType<typeof connect>): Promise<Answer> {
  const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
  const parts: Buffer[] = [];
  let trailers: IncomingHttpHeaders = {};
  stream.on("trailers", (given) => {
    trailers = given;
  });
  stream.on("data", (part: Buffer) => parts.push(part));
  stream.end(frame());
  return new Promise((resolve, reject) => {
    stream.on("close", () => resolve({ trailers, body: Buffer.concat(parts) }));
    stream.on("error", reject);
  });
}

function requireWhole({ trailers, body }: Answer): void {
  assert.equal(trailers["grpc-status"], "0");
  assert.equal(IssueX509SvidResponse.decode(body.subarray(5)).spiffeId, ANSWER.spiffeId);
}

test("the trailers are taken while the message has not left yet, without node's detour", async () => {
  const left: number[] = [];
  const server = createServer();
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.resume();
    stream.on("end", () => {
      stream.sendTrailers = () => assert.fail("node's way makes two writes: look at answer-at-once.ts");
      answerAtOnce(stream, { ":status": 200 }, Buffer.alloc(1000), trailersOf({ "grpc-status": "0" }));
      stream.on("wantTrailers", () => left.push(stream.writableLength));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const session = connect(`http://127.0.0.1:${port}`);
  try {
    for (let index = 0; index < 3; index++) {
      const { trailers, body } = await call(session);
      assert.equal(trailers["grpc-status"], "0");
      assert.equal(body.length, 1000);
    }
    assert.deepEqual(left, [1000, 1000, 1000]);
  } finally {
    session.destroy();
    server.close();
  }
});

test("an answer larger than the peer's window is whole, trailers included", async () => {
  const session = connect(`http://127.0.0.1:${fixture.port}`, { settings: { initialWindowSize: 100 } });
  try {
    for (const answer of await Promise.all(Array.from({ length: 10 }, () => call(session)))) requireWhole(answer);
  } finally {
    session.destroy();
  }
});

test("callers that go away while they are answered harm nobody", async () => {
  const session = connect(`http://127.0.0.1:${fixture.port}`, { settings: { initialWindowSize: 100 } });
  try {
    const left = Array.from({ length: 10 }, () => {
      const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
      stream.on("error", () => {});
      stream.on("data", () => stream.close(8));
      stream.end(frame());
      return new Promise((resolve) => stream.on("close", resolve));
    });
    await Promise.all(left);
    requireWhole(await call(session));
  } finally {
    session.destroy();
  }
});
