import assert from "node:assert/strict";
import { test } from "node:test";
import { ClockGuard } from "../../../src/ca/issuance/clock-guard.ts";
import { IssuanceError } from "../../../src/ca/issuance/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { FakeClock } from "./materials.ts";

const skewed = (error: unknown): boolean => error instanceof IssuanceError && error.code === "MCA_CLOCK_SKEW";

function makeGuard(offsetMs: number) {
  const clock = new FakeClock();
  const state = { offsetMs, asked: 0, fails: false };
  const database = {
    databaseNow: async () => {
      state.asked += 1;
      if (state.fails) throw new Error("the database is away");
      return clock.now() + state.offsetMs;
    },
  };
  return { clock, state, guard: new ClockGuard({ clock, database, maxDifferenceSeconds: 10, logger: silentLogger }) };
}

test("clocks that agree cost no question at each certificate", async () => {
  const { guard, state } = makeGuard(9_900);
  await guard.check();
  for (let i = 0; i < 1000; i++) assert.equal(guard.require(), undefined);
  assert.equal(state.asked, 1);
});

test("more than ten seconds apart, in either direction, nothing is issued", async () => {
  for (const offset of [10_100, -10_100, 3_600_000, -3_600_000]) {
    const { guard } = makeGuard(offset);
    await guard.check();
    assert.throws(() => guard.require(), skewed, `${offset}`);
  }
});

test("issuing resumes as soon as the clocks agree again", async () => {
  const { guard, state } = makeGuard(20_000);
  await guard.check();
  assert.throws(() => guard.require(), skewed);
  assert.ok(skewed(guard.problem()));
  state.offsetMs = 0;
  await guard.check();
  assert.equal(guard.require(), undefined);
  assert.equal(guard.problem(), undefined);
});

test("before the first answer, and after a clock has jumped, the database is asked before anything is issued", async () => {
  const { guard, state, clock } = makeGuard(20_000);
  await assert.rejects(async () => guard.require(), skewed);
  state.offsetMs = 0;
  await guard.check();
  for (const jump of [40, -80]) {
    clock.advance(jump);
    state.offsetMs = -jump * 1000;
    await assert.rejects(async () => guard.require(), skewed);
    state.offsetMs = 0;
    await guard.check();
  }
  assert.equal(guard.require(), undefined);
});

test("a database that cannot be asked is an error where no answer counts, and no error where one does", async () => {
  const { guard, state } = makeGuard(0);
  state.fails = true;
  await assert.rejects(async () => guard.require(), /away/);
  state.fails = false;
  await guard.check();
  state.fails = true;
  assert.equal(guard.require(), undefined);
  await guard.close();
});
