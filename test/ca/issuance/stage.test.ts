// The stage: together with those of the same turn, and never too many at once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Stage } from "../../../src/ca/issuance/stage.ts";

test("requests of one turn of the event loop go through together, a crowd in portions, nobody is left behind", async () => {
  const stage = new Stage();
  const order: string[] = [];
  const entered = Array.from({ length: 40 }, (_, index) => stage.enter().then(() => order.push(`request ${index}`)));
  for (let turn = 0; turn < 3; turn++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    order.push(`turn ${turn}`);
  }
  await Promise.all(entered);
  assert.deepEqual(
    order.filter((each) => each.startsWith("request")),
    Array.from({ length: 40 }, (_, index) => `request ${index}`),
  );
  assert.ok(order.indexOf("turn 0") <= 16, "more than a portion went at once");
});
