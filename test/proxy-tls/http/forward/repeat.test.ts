// When a request is said again, by the forwarder alone: the engines on both sides are scripted, so that each moment can be hit in which
// policies change, a body is no longer held, or an end comes from within an end. The pool between them is the real one.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { DeadlineWheel } from "../../../../src/proxy-tls/http/deadlines.ts";
import type {
  ClientEvents,
  ClientExchange,
  HttpClientConnection,
  RequestHead,
  ServerEvents,
  ServerExchange,
  UpstreamFailure,
} from "../../../../src/proxy-tls/http/exchange.ts";
import { NO_SAFE_FIELDS } from "../../../../src/proxy-tls/http/fields/index.ts";
import { Forwarder } from "../../../../src/proxy-tls/http/forward/forwarder.ts";
import { RetryBudget } from "../../../../src/proxy-tls/http/forward/retry-budget.ts";
import { badResponse, type HttpRefusal } from "../../../../src/proxy-tls/http/refusal.ts";
import { parsePolicies } from "../../../../src/proxy-tls/policy/parse.ts";
import { UpstreamPool } from "../../../../src/proxy-tls/upstream/pool.ts";
import { systemClock, systemRandom } from "../../../../src/runtime/index.ts";
import { SpiffeId } from "../../../../src/spiffe/index.ts";
import { until } from "../../../tls/support/endpoints.ts";
import { requestHead } from "../../support/http2-events.ts";
import { ALLOW_ALL, CapturingObserver, world } from "../../support/proxy.ts";
import { TestState } from "../../support/state.ts";

const GONE: UpstreamFailure = { cause: { kind: "peer-gone" }, received: false, unprocessed: false };
const BAD = badResponse("status");
const REFUSED_STREAM: UpstreamFailure = { ...GONE, unprocessed: true };

/** A target's connection: it takes one exchange, and ends as the test says. */
class Target implements HttpClientConnection {
  readonly protocol = "http/1.1";
  capacity = 1;
  active = 0;
  events: ClientEvents | undefined;
  bytes = 0;
  aborted = 0;

  request(_head: RequestHead, events: ClientEvents): ClientExchange {
    this.capacity = 0;
    this.active = 1;
    this.events = events;
    return {
      write: (chunk) => {
        this.bytes += chunk.length;
        return true;
      },
      abort: () => {
        this.aborted += 1;
      },
      end() {},
      pauseBody() {},
      resumeBody() {},
    };
  }

  drain(): void {}
  destroy(): void {}
}

/** The client's half, which keeps what it is told. */
class Downstream implements ServerExchange {
  readonly request: RequestHead;
  readonly told: string[] = [];
  refusal: HttpRefusal | undefined;
  pauses = 0;
  onEnd = (): void => {};

  constructor(request: RequestHead) {
    this.request = request;
  }

  pauseBody(): void {
    this.pauses += 1;
  }
  resumeBody(): void {}
  interim(): void {}
  respond(): void {
    this.told.push("respond");
  }
  write(): boolean {
    return true;
  }
  end(): void {
    this.told.push("end");
    this.onEnd();
  }
  abort(): void {
    this.told.push("abort");
  }
  refuse(refusal: HttpRefusal): void {
    this.told.push("refuse");
    this.refusal = refusal;
  }
}

interface Given {
  readonly state: TestState;
  readonly observer: CapturingObserver;
  readonly targets: Target[];
  readonly inProgress: { exchanges: number };
  /** Begins an exchange, with the first piece of its body where there is one, and waits until a target has it. */
  begin(
    head?: Partial<RequestHead>,
    first?: Uint8Array,
  ): Promise<{ readonly downstream: Downstream; readonly events: ServerEvents }>;
}

/** @param connects rejects where a connection is not to succeed */
function given(
  t: TestContext,
  connects: (attempt: number) => void | Promise<void> = () => {},
  responseMs = 60_000,
): Given {
  const onFault = (error: unknown): void => {
    throw error;
  };
  const wheel = new DeadlineWheel({ onFault });
  t.after(() => wheel.close());
  const policies = parsePolicies({ policies: [ALLOW_ALL] });
  const state = new TestState("spiffe://example.test/proxy", world.identity("/proxy"), [world.trust()], policies);
  const observer = new CapturingObserver();
  const targets: Target[] = [];
  let attempts = 0;
  const pool = new UpstreamPool({
    targets: ["target"],
    async connect() {
      await connects(attempts++);
      const connection = new Target();
      targets.push(connection);
      return { connection, target: "target", peer: undefined };
    },
    ...{ state, wheel, onFault, verify() {}, now: () => systemClock.now(), count() {} },
    ...{ maxConnections: 10, maxPending: 10, idleMs: 60_000 },
  });
  const inProgress = { exchanges: 0 };
  const id = SpiffeId.parse("spiffe://example.test/client");
  const peer = { id, idText: id.toString(), chain: [], certificateSha256: "00", notAfter: Number.MAX_SAFE_INTEGER };
  const forwarder = new Forwarder(
    {
      ...{ listener: "in", direction: "inbound", pool, shareUpstream: false, setsClientCert: false },
      ...{ state, observer, clock: systemClock, random: systemRandom, wheel, inProgress },
      ...{ retries: new RetryBudget({ percent: 100, minimumPerSecond: 10 }), requestMs: 60_000, responseMs },
      via: () => "mesh-ca-test",
    },
    { peer, remoteAddress: "127.0.0.1", port: 1 },
  );
  return {
    ...{ state, observer, targets, inProgress },
    async begin(head = {}, first) {
      const downstream = new Downstream(requestHead(head));
      const events = forwarder.handler(downstream);
      if (first !== undefined) events.data(first);
      if (downstream.request.body.kind === "none") events.end(NO_SAFE_FIELDS);
      await turns();
      return { downstream, events };
    },
  };
}

/** Until the pool has served what was asked of it. */
async function turns(): Promise<void> {
  for (let count = 0; count < 5; count++) await turn();
}

test("a GET that was lost is said again, once", async (t) => {
  const { targets, begin, observer } = given(t);
  const { downstream } = await begin();
  targets[0]?.events?.failed(GONE);
  await turns();
  assert.equal(targets.length, 2);
  targets[1]?.events?.failed(GONE);
  await turns();
  assert.equal(targets.length, 2);
  assert.equal(downstream.refusal?.reason, "upstream-closed");
  assert.equal(observer.exchanges[0]?.attempts, 2);
});

test("policies that changed since, and that nobody has told the exchange of, are asked before it is said again", async (t) => {
  const { state, targets, begin, observer } = given(t);
  const { downstream } = await begin();
  state.set({ policies: parsePolicies({ policies: [] }) });
  targets[0]?.events?.failed(GONE);
  await turns();
  assert.equal(targets.length, 1, "the target hears nothing more");
  assert.deepEqual(downstream.told, ["refuse"]);
  assert.equal(observer.exchanges[0]?.decision?.effect, "deny", "what the log tells is what counted last");
  assert.equal(observer.counted("retry"), 0);
});

test("the same before another connection is tried, where one could not be made", async (t) => {
  const world = given(t, (attempt) => {
    if (attempt === 0) {
      world.state.set({ policies: parsePolicies({ policies: [] }) });
      throw new Error("refused");
    }
  });
  const { downstream } = await world.begin();
  await turns();
  assert.equal(world.targets.length, 0);
  assert.equal(downstream.refusal?.reason, "connect-failed");
});

for (const [what, bytes, failure, again, size, early] of [
  ["is held as a whole", 60 * 1024, GONE, true, 4_096, true],
  ["is held as a whole, and came when the target was connected", 64 * 1024, GONE, true, 4_096, false],
  ["is no longer held", 100 * 1024, GONE, false, 4_096, true],
  ["is a byte more than what is held", 64 * 1024 + 1, GONE, false, 64 * 1024, false],
  ["came in more pieces than are held", 66, GONE, false, 1, false],
  ["is no longer held, although the target says that it did nothing", 100 * 1024, REFUSED_STREAM, false, 4_096, true],
] as const) {
  test(`a PUT whose body ${what} is ${again ? "said again with all of it" : "not said again"}`, async (t) => {
    const { targets, begin } = given(t);
    const piece = new Uint8Array(size);
    const { downstream, events } = await begin(
      { method: "PUT", body: { kind: "length", bytes } },
      early ? piece : undefined,
    );
    for (let sent = early ? size : 0; sent < bytes; sent += size) events.data(piece.subarray(0, bytes - sent));
    events.end(NO_SAFE_FIELDS);
    assert.equal(targets[0]?.bytes, bytes);
    targets[0]?.events?.failed(failure);
    await turns();
    assert.deepEqual(
      targets.map((target) => target.bytes),
      again ? [bytes, bytes] : [bytes],
    );
    assert.equal(downstream.refusal?.reason, again ? undefined : "upstream-closed");
  });
}

test("while a connection is awaited a client is paused behind 16 KiB, and behind 64 pieces, each of which costs more than its bytes", async (t) => {
  for (const [size, pieces] of [
    [4_096, 5],
    [1, 64],
  ] as const) {
    const { begin, targets } = given(t, () => new Promise(() => {}));
    const { downstream, events } = await begin({ method: "PUT", body: { kind: "open" } });
    for (let count = 1; count <= pieces; count += 1) {
      assert.equal(downstream.pauses, 0, `${count} pieces`);
      events.data(new Uint8Array(size));
    }
    assert.equal(downstream.pauses, 1);
    assert.equal(targets.length, 0);
  }
});

test("a PUT that is answered while its body comes holds nothing of what follows", async (t) => {
  const { targets, begin, observer } = given(t);
  const { downstream, events } = await begin({ method: "PUT", body: { kind: "length", bytes: 10 } });
  targets[0]?.events?.head({ status: 200, fields: NO_SAFE_FIELDS, body: { kind: "length", bytes: 2 }, close: false });
  events.data(new Uint8Array(10));
  events.end(NO_SAFE_FIELDS);
  targets[0]?.events?.failed(GONE);
  await turns();
  assert.deepEqual(downstream.told, ["respond", "abort"]);
  assert.equal(targets.length, 1);
  assert.equal(observer.exchanges[0]?.attempts, 1);
});

test("the time for an answer begins anew when a request has been said again, and does not run while it has no connection", async (t) => {
  const { targets, begin } = given(t, (attempt) => (attempt === 0 ? undefined : sleep(400)), 200);
  const { downstream } = await begin();
  targets[0]?.events?.failed(GONE);
  await until(() => targets.length === 2, "the second connection");
  assert.deepEqual(downstream.told, []);
  await until(() => downstream.refusal !== undefined, "the end of the second attempt");
  assert.equal(downstream.refusal?.reason, "response-timeout");
});

for (const [method, what, failure, again] of [
  ["POST", "was lost", GONE, false],
  ["POST", "the target says that it did not process", REFUSED_STREAM, true],
  ["PATCH", "was lost", GONE, false],
  ["GET", "a byte of the answer had come for", { ...GONE, received: true }, false],
  ["GET", "the target answered with nonsense", { ...GONE, cause: { kind: "malformed", refusal: BAD } }, false],
  ["DELETE", "was lost", GONE, true],
] as const) {
  test(`a ${method} that ${what} is ${again ? "" : "not "}said again`, async (t) => {
    const { targets, begin } = given(t);
    const { downstream } = await begin({ method });
    targets[0]?.events?.failed(failure);
    await turns();
    assert.equal(targets.length, again ? 2 : 1);
    assert.equal(downstream.refusal === undefined, again);
  });
}

test("an exchange that its client's engine ends from within the response's end is recorded once, and its deadlines have one owner", async (t) => {
  const { targets, begin, observer, inProgress } = given(t);
  const { downstream, events } = await begin();
  // As the HTTP/2 engine does where the stream has ended in this very turn.
  downstream.onEnd = () => events.aborted({ kind: "peer-gone" });
  const told = targets[0]?.events;
  told?.head({ status: 200, fields: NO_SAFE_FIELDS, body: { kind: "length", bytes: 0 }, close: false });
  told?.end(NO_SAFE_FIELDS);
  assert.equal(observer.exchanges.length, 1);
  assert.equal(observer.exchanges[0]?.aborted?.by, "downstream");
  assert.equal(inProgress.exchanges, 0);
  // Deadlines that were given back twice would be set for two exchanges at once: one of them would never expire, or the wrong one would.
  const [first, second] = [await begin(), await begin()];
  assert.equal(inProgress.exchanges, 2);
  first.events.aborted({ kind: "peer-gone" });
  second.events.aborted({ kind: "peer-gone" });
  assert.equal(observer.exchanges.length, 3);
  assert.equal(inProgress.exchanges, 0);
});
