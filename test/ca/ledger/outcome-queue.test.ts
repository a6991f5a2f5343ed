// Outcomes on their way into the log: each can be asked for until it is recorded, and none is recorded twice.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutcomeReport } from "../../../src/ca/ledger/intent.ts";
import { OutcomeQueue } from "../../../src/ca/ledger/outcome-queue.ts";

const signed = (index: number, bytes = 70): OutcomeReport => ({
  logIndex: BigInt(index),
  result: "signed",
  signature: new Uint8Array(bytes),
});
const indexes = (outcomes: readonly OutcomeReport[]): number[] => outcomes.map(({ logIndex }) => Number(logIndex));

function queueOf(...outcomes: readonly OutcomeReport[]): OutcomeQueue {
  const queue = new OutcomeQueue();
  for (const outcome of outcomes) queue.add(outcome);
  return queue;
}

test("what a batch has taken can be asked for until it is recorded, and is not taken again", () => {
  const queue = queueOf(signed(1), signed(2));
  const taken = queue.take();
  assert.deepEqual(indexes(taken), [1, 2]);
  assert.equal(queue.size, 0);
  assert.deepEqual(queue.take(), []);
  assert.notEqual(queue.find(1n), undefined);
  assert.throws(() => queue.add(signed(2)), TypeError);
  queue.add(signed(3));
  queue.done(taken);
  assert.equal(queue.find(1n), undefined);
  assert.notEqual(queue.find(3n), undefined);
  assert.deepEqual(indexes(queue.take()), [3]);
});

test("a refused batch is put back in parts, and each part ends by itself", () => {
  const queue = queueOf(signed(1), signed(2), signed(3));
  const [one, ...others] = queue.take();
  assert.ok(one);
  queue.putBack(others);
  queue.done([one]);
  assert.equal(queue.find(1n), undefined);
  assert.deepEqual(indexes(queue.take()), [2, 3]);
});

test("while one batch's fate is unknown another's end leaves its outcomes alone", () => {
  const queue = queueOf(signed(1), signed(2));
  const first = queue.take();
  queue.add(signed(3));
  const second = queue.take();
  assert.deepEqual(indexes(second), [3]);
  queue.done(second);
  assert.equal(queue.find(3n), undefined);
  assert.notEqual(queue.find(1n), undefined, "the first batch may still be lost");
  queue.putBack(first);
  assert.deepEqual(indexes(queue.take()), [1, 2]);
});

test("the end of a batch that was taken whole leaves alone what another took after it", () => {
  const queue = queueOf(signed(1));
  const first = queue.take();
  queue.add(signed(2));
  const second = queue.take();
  queue.done(first);
  assert.equal(queue.find(1n), undefined);
  assert.notEqual(queue.find(2n), undefined);
  queue.putBack(second);
  assert.deepEqual(indexes(queue.take()), [2]);
});

test("one entry holds as many as fit; the rest goes with the next", () => {
  const queue = queueOf(...Array.from({ length: 500 }, (_, index) => signed(index, 100)));
  const first = queue.take();
  assert.ok(first.length > 200 && first.length < 500, `${first.length} in one entry`);
  queue.done(first);
  const second = queue.take();
  assert.deepEqual(
    indexes([...first, ...second]).slice(0, 400),
    Array.from({ length: 400 }, (_, index) => index),
  );
});
