// Who answers lives, however slowly; who leaves two questions unanswered is lost at the third.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Pulse } from "../../../src/proxy-tls/process/pulse.ts";

function beating(t: TestContext) {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const told = { asked: 0, lost: 0 };
  const pulse = new Pulse({ everyMs: 100, ask: () => told.asked++, onLost: () => told.lost++ });
  return { pulse, told, beat: () => t.mock.timers.tick(100) };
}

test("an answer between any three questions is enough", (t) => {
  const { pulse, told, beat } = beating(t);
  for (let round = 0; round < 20; round++) {
    beat();
    beat();
    pulse.answered();
  }
  assert.deepEqual(told, { asked: 40, lost: 0 });
  pulse.stop();
  beat();
  assert.equal(told.asked, 40);
});

test("no answer is told once, and nothing is asked any more", (t) => {
  const { told, beat } = beating(t);
  for (let round = 0; round < 10; round++) beat();
  assert.deepEqual(told, { asked: 2, lost: 1 });
});
