// One message in, any number out: how it ends, and what a reader who does not read holds.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { ApiError } from "../../../../src/identity-api/api-error.ts";
import type { Call, OutgoingStream } from "../../../../src/identity-api/grpc/calls.ts";
import { WatchTrustResponse } from "../../../../src/proto/gen/meshca/identity/v1/identity.ts";
import { until } from "../../../support/until.ts";
import { type Fixture, startFixture } from "../transport-fixture.ts";
import { beginCall, framed, rawCall } from "./raw-call.ts";

type Out = OutgoingStream<WatchTrustResponse>;
let fixture: Fixture;
let handler: (stream: Out, call: Call) => Promise<void>;
const watch = (session = fixture.http2()) => rawCall(session, "WatchTrust", [framed(Buffer.of())]);

before(async () => {
  fixture = await startFixture(
    async () => ({}),
    {},
    (stream, call) => handler(stream, call),
  );
});
after(() => fixture.close());

function message(revision: bigint): WatchTrustResponse {
  return WatchTrustResponse.fromPartial({ revision });
}

function revisions(body: Buffer): bigint[] {
  const found: bigint[] = [];
  for (let at = 0; at < body.length; at += 5 + body.readUInt32BE(at + 1)) {
    found.push(WatchTrustResponse.decode(body.subarray(at + 5, at + 5 + body.readUInt32BE(at + 1))).revision);
  }
  return found;
}

test("messages come in order, and the status behind them", async () => {
  handler = async (stream) => {
    for (const revision of [1n, 2n, 3n]) stream.write(message(revision));
  };
  const { trailers, body } = await watch();
  assert.deepEqual([trailers["grpc-status"], revisions(body)], ["0", [1n, 2n, 3n]]);
});

test("a stream without messages ends with OK all the same", async () => {
  handler = async () => {};
  const { headers, trailers } = await watch();
  assert.deepEqual([headers[":status"], trailers["grpc-status"]], [200, "0"]);
});

test("an error behind messages is told in the trailers, and before any in the headers", async () => {
  handler = async (stream) => {
    stream.write(message(7n));
    throw new ApiError("MCA_WATCH_TOO_SLOW", "Read it.");
  };
  const { trailers, body } = await watch();
  assert.deepEqual(
    [trailers["grpc-status"], trailers["mca-code"], revisions(body)],
    ["14", "MCA_WATCH_TOO_SLOW", [7n]],
  );
  handler = async () => {
    throw new Error("a secret inside");
  };
  const { headers } = await watch();
  assert.deepEqual([headers["grpc-status"], headers["mca-code"]], ["13", "MCA_INTERNAL"]);
});

test("a caller that goes away closes the stream, and what is written then goes nowhere", async () => {
  let out: Out | undefined;
  let closed = 0;
  let cancelled = (): boolean => false;
  handler = (stream, call) =>
    new Promise((resolve) => {
      out = stream;
      cancelled = () => call.cancelled();
      stream.write(message(1n));
      stream.once("close", () => {
        closed += 1;
        resolve();
      });
    });
  const stream = beginCall(fixture.http2(), "WatchTrust");
  stream.end(framed(Buffer.of()));
  await once(stream, "data");
  stream.close(8);
  await until(() => closed === 1, "the handler is told");
  assert.equal(cancelled(), true);
  assert.equal(out?.write(message(2n)), true);
});

test("who does not read is told of: a write is not taken, until it reads again", async () => {
  let out: Out | undefined;
  let drained = 0;
  handler = (stream) =>
    new Promise((resolve) => {
      out = stream;
      stream.once("close", resolve);
      stream.once("drain", () => {
        drained += 1;
      });
    });
  const session = fixture.http2({ initialWindowSize: 1 });
  const stream = beginCall(session, "WatchTrust");
  stream.end(framed(Buffer.of()));
  await until(() => out !== undefined, "the call");
  assert.equal(out?.writableNeedDrain, false);
  assert.equal(out?.write(message(1n)), false);
  assert.equal(out?.writableNeedDrain, true);
  await new Promise((resolve) => session.ping(resolve));
  assert.equal(drained, 0);
  stream.resume();
  await until(() => drained === 1, "it reads again");
  assert.equal(out?.writableNeedDrain, false);
  stream.close(8);
});

test("a fault when it reads again ends the call with INTERNAL, and not the connection", async () => {
  handler = (stream) =>
    new Promise((resolve) => {
      stream.once("close", resolve);
      stream.once("drain", () => {
        throw new Error("a secret inside");
      });
      stream.write(message(1n));
    });
  const session = fixture.http2({ initialWindowSize: 3 });
  const { trailers } = await watch(session);
  assert.deepEqual([trailers["grpc-status"], trailers["mca-code"]], ["13", "MCA_INTERNAL"]);
  handler = async () => {};
  assert.equal((await watch(session)).trailers["grpc-status"], "0");
  assert.deepEqual(fixture.faults, []);
});

test("a stream that was ended for not being read leaves in a second, though nobody reads its status", async () => {
  handler = async (stream) => {
    stream.write(message(1n));
    throw new ApiError("MCA_WATCH_TOO_SLOW", "Read it.");
  };
  const session = fixture.http2({ initialWindowSize: 0 });
  const stream = beginCall(session, "WatchTrust");
  stream.end(framed(Buffer.of()));
  await once(stream, "close");
  assert.equal(stream.rstCode, 8);
});
