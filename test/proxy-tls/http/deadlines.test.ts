import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { Deadline, DeadlineWheel } from "../../../src/proxy-tls/http/deadlines.ts";
import { until } from "../../support/until.ts";

const TICK_MS = 50;

/** A wheel whose time is moved by the test. */
function testWheel() {
  let now = 1_000;
  const faults: unknown[] = [];
  const wheel = new DeadlineWheel({ tickMs: TICK_MS, now: () => now, onFault: (error) => faults.push(error) });
  return {
    wheel,
    faults,
    now: () => now,
    pass(ms: number): void {
      now += ms;
      wheel.advance();
    },
  };
}

test("a deadline fires once, not before its time and at most two ticks after it", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 120_000 }), fc.integer({ min: 1, max: 400 }), (ms, stepMs) => {
      const { wheel, now, pass } = testWheel();
      const fired: number[] = [];
      const start = now();
      new Deadline(wheel, () => fired.push(now() - start)).set(ms);
      while (now() < start + ms + stepMs + 4 * TICK_MS) pass(stepMs);
      wheel.close();
      assert.equal(fired.length, 1);
      assert.ok(
        fired[0] !== undefined && fired[0] >= ms && fired[0] <= ms + stepMs + 2 * TICK_MS,
        `${fired[0]} of ${ms}`,
      );
    }),
    { numRuns: 200 },
  );
});

test("whatever is set, set again and cleared, only the last setting counts", () => {
  const command = fc.record({
    passMs: fc.integer({ min: 0, max: 9_000 }),
    setMs: fc.integer({ min: 0, max: 70_000 }),
    clear: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(command, { minLength: 1, maxLength: 40 }), (commands) => {
      const { wheel, now, pass } = testWheel();
      let due = Number.POSITIVE_INFINITY;
      const deadline = new Deadline(wheel, () => {
        assert.ok(now() >= due, "before its time");
        due = Number.POSITIVE_INFINITY;
      });
      const passInTicks = (ms: number): void => {
        for (let left = ms; left > 0; left -= TICK_MS) {
          pass(Math.min(left, TICK_MS));
          assert.ok(now() <= due + 3 * TICK_MS, "too late");
        }
      };
      for (const { passMs, setMs, clear } of commands) {
        passInTicks(passMs);
        if (clear) deadline.clear();
        else deadline.set(setMs);
        due = clear || setMs === 0 ? Number.POSITIVE_INFINITY : now() + setMs;
      }
      passInTicks(75_000);
      wheel.close();
      assert.equal(due, Number.POSITIVE_INFINITY, "it never fired");
      assert.equal(deadline.isSet, false);
    }),
    { numRuns: 60 },
  );
});

test("after a long stop everything that is due fires at once, and nothing else", () => {
  const { wheel, pass } = testWheel();
  const fired: string[] = [];
  new Deadline(wheel, () => fired.push("a")).set(100);
  new Deadline(wheel, () => fired.push("b")).set(40_000);
  new Deadline(wheel, () => fired.push("c")).set(7_200_000);
  pass(3_600_000);
  assert.deepEqual(fired.sort(), ["a", "b"]);
  pass(3_600_200);
  wheel.close();
  assert.deepEqual(fired.sort(), ["a", "b", "c"]);
});

test("what came in time while the process stood still is read before its deadline is judged", async () => {
  const wheel = new DeadlineWheel({ tickMs: 10, onFault: assert.ifError });
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect(port, "127.0.0.1");
  const [[accepted]] = await Promise.all([once(server, "connection"), once(client, "connect")]);
  const told: string[] = [];
  const idle = new Deadline(wheel, () => told.push("over"));
  accepted.on("data", (chunk: Buffer) => {
    told.push(chunk.toString());
    idle.clear();
  });
  client.write("first");
  await once(accepted, "data");
  idle.set(50);
  client.write("second");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  await until(() => told.includes("second"), "it is read");
  wheel.close();
  client.destroy();
  server.close();
  assert.deepEqual(told, ["first", "second"]);
});

test("a standstill between the wheel's timer and the end of its turn is no reason either", (context) => {
  let timer = (): void => {};
  let turnsEnd = (): void => {};
  context.mock.method(globalThis, "setInterval", (callback: () => void) => {
    timer = callback;
    return setTimeout(() => {}, 0);
  });
  context.mock.method(globalThis, "setImmediate", (callback: () => void) => {
    turnsEnd = callback;
  });
  let now = 0;
  const wheel = new DeadlineWheel({ tickMs: 10, now: () => now, onFault: assert.ifError });
  const told: string[] = [];
  new Deadline(wheel, () => told.push("over")).set(50);
  now = 10;
  timer();
  now = 500;
  turnsEnd();
  assert.deepEqual(told, [], "nothing was read since");
  timer();
  turnsEnd();
  assert.deepEqual(told, ["over"]);
  wheel.close();
});

test("a deadline that was given back and taken again fires for its new owner only", () => {
  const { wheel, pass } = testWheel();
  const fired: string[] = [];
  const first = wheel.take(() => fired.push("first"));
  first.set(1_000);
  wheel.give(first);
  const second = wheel.take(() => fired.push("second"));
  assert.equal(second, first, "it is the same object");
  second.set(5_000);
  for (let i = 0; i < 200; i += 1) pass(TICK_MS);
  wheel.close();
  assert.deepEqual(fired, ["second"]);
});

test("what a deadline's owner throws is told, and the others fire all the same", () => {
  const { wheel, faults, pass } = testWheel();
  const fired: string[] = [];
  new Deadline(wheel, () => {
    throw new Error("owner");
  }).set(100);
  new Deadline(wheel, () => fired.push("other")).set(100);
  pass(500);
  wheel.close();
  assert.equal(faults.length, 1);
  assert.deepEqual(fired, ["other"]);
});

test("a deadline that was released never fires, and serves nobody again by accident", () => {
  const { wheel, pass } = testWheel();
  let fired = 0;
  const deadline = new Deadline(wheel, () => {
    fired += 1;
  });
  deadline.set(100);
  deadline.release();
  deadline.set(100);
  pass(1_000);
  wheel.close();
  assert.equal(fired, 0);
});
