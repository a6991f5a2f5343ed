// Calls whose request has not wholly come: who is ended, and in which order.
import assert from "node:assert/strict";
import { test } from "node:test";
import { WaitingRequests } from "../../../src/identity-api/grpc/waiting-requests.ts";

function start(maxWaiting = 100) {
  const time = { now: 0 };
  const ended: string[] = [];
  const waiting = new WaitingRequests({ timeoutMs: 1000, maxWaiting, now: () => time.now });
  return { time, ended, waiting, begin: (name: string) => waiting.begin(() => ended.push(name)) };
}

test("whoever waits longer than the timeout is ended, once, and in the order of their beginning", () => {
  const { time, ended, waiting, begin } = start();
  begin("a");
  begin("b");
  time.now = 500;
  begin("c");
  time.now = 1000;
  waiting.sweep();
  assert.deepEqual(ended, ["a", "b"]);
  assert.equal(waiting.size, 1);
  time.now = 1500;
  waiting.sweep();
  waiting.sweep();
  assert.deepEqual(ended, ["a", "b", "c"]);
  assert.equal(waiting.size, 0);
});

test("who is done first, last or in the middle is not ended, also where that is said twice", () => {
  const { time, ended, waiting, begin } = start();
  const [first, , middle, , last] = ["a", "b", "c", "d", "e"].map(begin);
  for (const one of [middle, first, last, middle, first, last]) one?.done();
  assert.equal(waiting.size, 2);
  time.now = 1000;
  waiting.sweep();
  assert.deepEqual(ended, ["b", "d"]);
  first?.done();
  assert.equal(waiting.size, 0);
});

test("a part that came begins the time anew; one that was done or ended does not wait again", () => {
  const { time, ended, waiting, begin } = start();
  const a = begin("a");
  const b = begin("b");
  begin("c");
  time.now = 900;
  a.again();
  b.done();
  b.again();
  time.now = 1000;
  waiting.sweep();
  assert.deepEqual(ended, ["c"]);
  time.now = 1900;
  waiting.sweep();
  assert.deepEqual(ended, ["c", "a"]);
  a.again();
  assert.equal(waiting.size, 0);
});

test("of too many the oldest is ended, and its end may begin another", () => {
  const { ended, waiting, begin } = start(2);
  const a = begin("a");
  begin("b");
  a.again();
  begin("c");
  assert.deepEqual(ended, ["b"]);
  waiting.begin(() => begin("again"));
  assert.deepEqual(ended, ["b", "a"]);
  begin("d");
  assert.deepEqual(ended, ["b", "a", "c"]);
  assert.equal(waiting.size, 2);
});
