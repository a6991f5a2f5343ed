// What the transport sees to: who calls, a code for every refusal, limits, and an orderly end.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { ApiError } from "../../../src/identity-api/api-error.ts";
import { reflectionService } from "../../../src/identity-api/grpc/reflection.ts";
import type { IdentityServiceClient } from "../../../src/proto/gen/meshca/identity/v1/identity.ts";
import {
  ExplainIdentityRequest,
  IssueX509SvidRequest,
  type IssueX509SvidResponse,
} from "../../../src/proto/gen/meshca/identity/v1/identity.ts";
import { until } from "../../support/until.ts";
import { startFixture } from "./transport-fixture.ts";

const ISSUE = "/meshca.identity.v1.IdentityService/IssueX509Svid";

function issue(
  client: IdentityServiceClient,
  request: Partial<IssueX509SvidRequest> = {},
  metadata = new Metadata(),
): Promise<IssueX509SvidResponse> {
  return new Promise((resolve, reject) =>
    client.issueX509Svid(IssueX509SvidRequest.fromPartial(request), metadata, (error, response) =>
      error === null ? resolve(response) : reject(error),
    ),
  );
}

async function refusal(promise: Promise<unknown>): Promise<ServiceError & { mca: string | undefined }> {
  const error = await promise.then(
    () => assert.fail("the call was answered"),
    (failure: ServiceError) => failure,
  );
  return Object.assign(error, { mca: error.metadata.get("mca-code")[0]?.toString() });
}

test("each call sees the connection that it came over, with many calls on many connections at once", async () => {
  await using fixture = await startFixture(async (_request, call) => {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
    return { rule: call.connection.address };
  });
  const clients = Array.from({ length: 24 }, () => fixture.client());
  const own = new Map<IdentityServiceClient, string>();
  let wrong = 0;
  for (const client of clients) own.set(client, (await issue(client)).rule);
  assert.equal(new Set(own.values()).size, 24);
  await Promise.all(
    clients.flatMap((client) =>
      Array.from({ length: 50 }, async () => {
        if ((await issue(client)).rule !== own.get(client)) wrong++;
      }),
    ),
  );
  assert.equal(wrong, 0);
});

test("a message over the limit is refused with MCA_MESSAGE_TOO_LARGE and a log line, and the connection goes on", async () => {
  await using fixture = await startFixture(async () => ({}));
  const client = fixture.client();
  const error = await refusal(issue(client, { csr: new Uint8Array(30_000) }));
  assert.equal(error.code, status.RESOURCE_EXHAUSTED);
  assert.equal(error.mca, "MCA_MESSAGE_TOO_LARGE");
  assert.ok(fixture.lines.some((line) => line.event === "call.refused" && line["code"] === "MCA_MESSAGE_TOO_LARGE"));
  await issue(client);
  assert.equal((await issue(client, { csr: new Uint8Array(20_000) })).rule, "");
});

test("a message of the largest size fits, whatever a connection may hold", async () => {
  await using fixture = await startFixture(async () => ({}), {
    maxMessageBytes: 3_000_000,
    maxSessionMemoryMegabytes: 1,
  });
  assert.equal((await issue(fixture.client(), { csr: new Uint8Array(2_900_000) })).rule, "");
  assert.throws(() => fixture.transport.add(reflectionService()), TypeError);
});

test("an unknown method or service is refused with MCA_METHOD_UNKNOWN, and its name becomes no label", async () => {
  await using fixture = await startFixture(async () => ({}));
  const client = fixture.client();
  for (const path of ["/meshca.identity.v1.IdentityService/Nothing", "/evil.Service/Method"]) {
    const error = await refusal(
      new Promise((resolve, reject) =>
        client.makeUnaryRequest(
          path,
          (value: Buffer) => value,
          (value: Buffer) => value,
          Buffer.alloc(0),
          (failure, value) => (failure === null ? resolve(value) : reject(failure)),
        ),
      ),
    );
    assert.equal(error.code, status.UNIMPLEMENTED);
    assert.equal(error.mca, "MCA_METHOD_UNKNOWN");
  }
  const lines = fixture.lines.filter((line) => line["code"] === "MCA_METHOD_UNKNOWN");
  assert.equal(lines.length, 2);
  assert.ok(lines.every((line) => line["method"] === "unknown"));
  await issue(client);
});

test("a message that is no protobuf is refused with MCA_REQUEST_INVALID and a log line", async () => {
  await using fixture = await startFixture(async () => ({}));
  const session = fixture.http2();
  const stream = session.request({
    ":method": "POST",
    ":path": ISSUE,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const trailers = new Promise<Record<string, unknown>>((resolve) => {
    stream.on("response", (headers) => {
      if (headers["grpc-status"] !== undefined) resolve({ ...headers });
    });
    stream.on("trailers", (headers) => resolve({ ...headers }));
  });
  stream.resume();
  stream.end(Buffer.from([0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]));
  const got = await trailers;
  assert.equal(got["mca-code"], "MCA_REQUEST_INVALID");
  assert.equal(Number(got["grpc-status"]), status.INVALID_ARGUMENT);
  assert.ok(fixture.lines.some((line) => line["code"] === "MCA_REQUEST_INVALID"));
});

/** Begins a call on a raw session, without an end; resolves to the trailers. */
function beginOnly(session: ReturnType<Awaited<ReturnType<typeof startFixture>>["http2"]>): Promise<string> {
  const stream = session.request({
    ":method": "POST",
    ":path": ISSUE,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  stream.write(Buffer.from([0, 0, 0, 0, 9, 1]));
  stream.resume();
  let code = "none";
  stream.on("response", (headers) => {
    code = String(headers["mca-code"]);
  });
  return new Promise((resolve) => stream.on("close", () => resolve(code)));
}

test("a request that never ends is ended with MCA_REQUEST_TIMEOUT and a log line, and the connection goes on", {
  timeout: 10_000,
}, async () => {
  await using fixture = await startFixture(async () => ({}), { requestTimeoutSeconds: 0.2 });
  const session = fixture.http2();
  assert.deepEqual(await Promise.all([beginOnly(session), beginOnly(session)]), [
    "MCA_REQUEST_TIMEOUT",
    "MCA_REQUEST_TIMEOUT",
  ]);
  assert.equal(fixture.transport.waiting, 0);
  assert.equal(fixture.lines.filter((line) => line["code"] === "MCA_REQUEST_TIMEOUT").length, 2);
  assert.equal(session.closed, false);
  await issue(fixture.client());
});

test("of too many requests that have not come the oldest is ended; a call that waits for its handler is none of them", {
  timeout: 10_000,
}, async () => {
  let release = (): void => {};
  await using fixture = await startFixture(
    () =>
      new Promise((resolve) => {
        release = () => resolve({ rule: "answered" });
      }),
    { maxWaitingRequests: 3 },
  );
  const inFlight = issue(fixture.client());
  while (fixture.calls.inFlight === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(fixture.transport.waiting, 0);
  const session = fixture.http2();
  const first = beginOnly(session);
  for (let n = 0; n < 3; n++) beginOnly(session).catch(() => {});
  assert.equal(await first, "MCA_REQUEST_TIMEOUT");
  assert.equal(fixture.transport.waiting, 3);
  release();
  assert.equal((await inFlight).rule, "answered");
});

test("a request that was refused, or left, while it came is waited for no more", async () => {
  await using fixture = await startFixture(async () => ({}));
  const session = fixture.http2();
  const head = { ":method": "POST", ":path": ISSUE, "content-type": "application/grpc" };
  const [tooLarge, left] = [session.request(head), session.request(head)];
  for (const stream of [tooLarge, left]) stream.on("error", () => {});
  left.write(Buffer.alloc(3));
  await until(() => fixture.transport.waiting === 2, "both are begun");
  tooLarge.write(Buffer.from([0, 0xff, 0, 0, 0]));
  await once(tooLarge, "response");
  assert.equal(fixture.transport.waiting, 1);
  left.close(8);
  await until(() => fixture.transport.waiting === 0, "nobody is waited for");
});

test("a stream of requests is waited for anew with each message", async () => {
  await using fixture = await startFixture(async () => ({}), { maxWaitingRequests: 2 });
  const session = fixture.http2();
  const reflection = session.request({
    ":method": "POST",
    ":path": "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "content-type": "application/grpc",
  });
  await until(() => fixture.transport.waiting === 1, "it is begun");
  const older = beginOnly(session);
  await until(() => fixture.transport.waiting === 2, "another one is begun");
  // ServerReflectionRequest {list_services: ""}
  reflection.write(Buffer.from([0, 0, 0, 0, 2, 0x3a, 0]));
  await once(reflection, "data");
  beginOnly(session).catch(() => {});
  assert.equal(await older, "MCA_REQUEST_TIMEOUT");
  assert.equal(reflection.closed, false);
  reflection.end();
  reflection.resume();
  const [trailers] = await once(reflection, "trailers");
  assert.equal(trailers["grpc-status"], "0");
});

test("what a handler throws reaches the caller as its code, with the request's id, and the log once", async () => {
  await using fixture = await startFixture(async () => {
    throw new ApiError("MCA_NOT_RENEWABLE", "Enrol again.", { details: { serial: "01" } });
  });
  const metadata = new Metadata();
  metadata.set("x-request-id", "my-id.1");
  const error = await refusal(issue(fixture.client(), {}, metadata));
  assert.equal(error.code, status.FAILED_PRECONDITION);
  assert.equal(error.mca, "MCA_NOT_RENEWABLE");
  assert.equal(error.details, "Enrol again.");
  assert.equal(error.metadata.get("mca-request-id")[0], "my-id.1");
  assert.ok(error.metadata.get("grpc-status-details-bin").length > 0);
  const lines = fixture.lines.filter((line) => line.event === "call.refused");
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.["requestId"], "my-id.1");
});

test("a malformed request id is replaced by one of ours", async () => {
  const seen: string[] = [];
  await using fixture = await startFixture(async (_request, call) => {
    seen.push(call.requestId);
    return {};
  });
  const client = fixture.client();
  for (const id of ["a b", "x".repeat(65), 'a"b']) {
    const metadata = new Metadata();
    metadata.set("x-request-id", id);
    await issue(client, {}, metadata);
  }
  await issue(client);
  for (const id of seen) assert.match(id, /^[\w-]{16}$/);
  assert.equal(new Set(seen).size, 4);
});

test("a bug inside is MCA_INTERNAL to the caller, who learns nothing of it; the log has it", async () => {
  await using fixture = await startFixture(async () => ({}));
  const client = fixture.client();
  const error = await refusal(
    new Promise((resolve, reject) =>
      client.explainIdentity(ExplainIdentityRequest.fromPartial({}), (failure, response) =>
        failure === null ? resolve(response) : reject(failure),
      ),
    ),
  );
  assert.equal(error.mca, "MCA_INTERNAL");
  assert.equal(JSON.stringify([error.details, error.metadata.toJSON()]).includes("a secret inside"), false);
  const line = fixture.lines.find((each) => each["code"] === "MCA_INTERNAL");
  assert.ok(line?.["error"] instanceof Error);
});

test("a peer may reset as many calls as it is allowed, and loses its connection beyond (rapid reset)", {
  timeout: 20_000,
}, async () => {
  await using fixture = await startFixture(() => new Promise(() => {}), {
    streamResetBurst: 200,
    maxConcurrentStreams: 100,
  });
  const session = fixture.http2();
  await once(session, "remoteSettings");
  const ping = () => new Promise((resolve) => session.ping(resolve));
  const reset = async (calls: number) => {
    for (let n = 0; n < calls && !session.destroyed; n++) {
      const stream = session.request({ ":method": "POST", ":path": ISSUE, "content-type": "application/grpc" });
      stream.on("error", () => {});
      stream.end(Buffer.alloc(5));
      stream.close(8);
      if (n % 20 === 19 && !session.destroyed) await ping().catch(() => {});
    }
  };
  await reset(180);
  assert.equal(session.destroyed, false);
  const closed = new Promise((resolve) => session.on("close", resolve));
  await reset(200);
  await closed;
});

test("the number of calls on a connection is bounded: the client is told, and of more none is looked at", async () => {
  await using fixture = await startFixture(() => new Promise(() => {}), { maxConcurrentStreams: 3 });
  const session = fixture.http2();
  await once(session, "remoteSettings");
  assert.equal(session.remoteSettings.maxConcurrentStreams, 3);
});

test("draining lets a call in flight finish, refuses new ones, and closes idle connections", async () => {
  let release = (): void => {};
  await using fixture = await startFixture(
    () =>
      new Promise((resolve) => {
        release = () => resolve({ rule: "finished" });
      }),
  );
  const busy = fixture.client();
  const idle = fixture.http2();
  await once(idle, "connect");
  const inFlight = issue(busy);
  while (fixture.calls.inFlight === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const idleClosed = once(idle, "close");
  const drained = fixture.transport.drain(5_000);
  await idleClosed;
  while (fixture.transport.connections > 1) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(fixture.transport.connections, 1, "the busy connection is still open");
  release();
  assert.equal((await inFlight).rule, "finished");
  await drained;
  assert.equal(fixture.transport.connections, 0);
});

test("who connects while the server drains is told so at once", async () => {
  let release = (): void => {};
  await using fixture = await startFixture(
    () =>
      new Promise((resolve) => {
        release = () => resolve({});
      }),
  );
  const pending = issue(fixture.client());
  await until(() => fixture.calls.inFlight === 1, "the call");
  const drained = fixture.transport.drain(5_000);
  const late = fixture.http2();
  await new Promise((resolve) => late.on("close", resolve));
  await until(() => fixture.transport.connections === 1, "it is closed here, too");
  release();
  await Promise.all([drained, pending]);
});

test("draining ends what does not finish in time", async () => {
  await using fixture = await startFixture(() => new Promise(() => {}));
  const error = refusal(issue(fixture.client()));
  while (fixture.calls.inFlight === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const startedAt = performance.now();
  await fixture.transport.drain(200);
  assert.ok(performance.now() - startedAt < 3_000);
  assert.ok([status.UNAVAILABLE, status.CANCELLED].includes((await error).code));
});
