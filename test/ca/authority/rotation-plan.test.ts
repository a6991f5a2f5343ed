import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AuthorityError, checkRotationSettings, DEFAULT_AUTHORITY_SETTINGS } from "../../../src/ca/authority/index.ts";
import type { AuthorityRecord } from "../../../src/ca/authority/records.ts";
import { nextStep } from "../../../src/ca/authority/rotation-plan.ts";
import { propagationSeconds } from "../../../src/ca/authority/settings.ts";
import { AUTHORITY_STATES, type AuthorityState, isPublished, mayBecome } from "../../../src/ca/authority/state.ts";
import { makeAuthority, NOW } from "../issuance/materials.ts";

const settings = DEFAULT_AUTHORITY_SETTINGS;
const impossible = (what: RegExp) => (error: unknown) =>
  error instanceof AuthorityError && error.code === "MCA_ROTATION_IMPOSSIBLE" && what.test(error.message);

test("the default settings allow a rotation without an outage", () => {
  checkRotationSettings(settings);
});

test("settings that will end in an outage are refused with their arithmetic: leaves that live too long", () => {
  // 86,400 + 2 x 60 + 10 = 86,530 s; six times that is the least lifetime.
  checkRotationSettings({ ...settings, lifetimeSeconds: 519_180 });
  assert.throws(
    () => checkRotationSettings({ ...settings, lifetimeSeconds: 519_179 }),
    impossible(/86400 s \+ 2 x clock skew 60 s \+ rotator tick 10 s = 86530 s .* 519180/),
  );
});

test("settings that will end in an outage are refused with their arithmetic: news that travel too slowly", () => {
  const short = { ...settings, maxLeafTtlSeconds: 600, lifetimeSeconds: 4500 };
  checkRotationSettings(short);
  assert.throws(
    () => checkRotationSettings({ ...short, refreshHintSeconds: 301 }),
    impossible(/5 x refresh hint 301 s/),
  );
  assert.equal(propagationSeconds(settings), 1500);
  assert.equal(propagationSeconds({ ...settings, refreshHintSeconds: 10 }), 600);
});

test("a floor above the upper bound is refused", () => {
  assert.throws(() => checkRotationSettings({ ...settings, minLeafTtlSeconds: 90_000 }), impossible(/floor/));
});

test("whatever settings are accepted: a leaf signed just before the hand-over ends before its issuer does", () => {
  const any = fc.record({
    lifetimeSeconds: fc.integer({ min: 60, max: 3_000_000 }),
    maxLeafTtlSeconds: fc.integer({ min: 5, max: 100_000 }),
    clockSkewSeconds: fc.integer({ min: 0, max: 600 }),
    refreshHintSeconds: fc.integer({ min: 1, max: 3600 }),
    propagationFloorSeconds: fc.integer({ min: 0, max: 3600 }),
    rotatorTickSeconds: fc.integer({ min: 1, max: 60 }),
  });
  fc.assert(
    fc.property(any, (some) => {
      const all = { ...settings, ...some, minLeafTtlSeconds: 5 };
      try {
        checkRotationSettings(all);
      } catch {
        return;
      }
      const handOver = Math.max(
        (all.lifetimeSeconds * 5) / 6,
        all.lifetimeSeconds / 2 + propagationSeconds(all) + all.rotatorTickSeconds,
      );
      const late = handOver + all.rotatorTickSeconds + all.maxLeafTtlSeconds + all.clockSkewSeconds;
      // Where the propagation time takes a whole third, the tick of preparing adds to it; the second skew pays for that.
      assert.ok(late <= all.lifetimeSeconds + all.rotatorTickSeconds);
    }),
    { numRuns: 3000 },
  );
});

const authority = await makeAuthority();
const L = settings.lifetimeSeconds * 1000;
const START = authority.certificate.notBefore;
const LIFE = authority.certificate.notAfter - START;

function record(state: AuthorityState, times: Partial<AuthorityRecord> = {}): AuthorityRecord {
  const { certificate } = authority;
  return {
    spkiSha256: `${state}-key`,
    replica: 1,
    state,
    upstream: "self-signed",
    issued: { certificate, intermediates: [], anchor: certificate, selfSigned: true },
    createdAt: START,
    since: START,
    preparedAt: START,
    retiredAt: undefined,
    taintedAt: undefined,
    csr: undefined,
    cause: "test",
    activateWhenPropagated: false,
    renewSpreadSeconds: undefined,
    upstreamRevocation: undefined,
    keyDestroyedAt: undefined,
    ...times,
  };
}
const kinds = (own: readonly AuthorityRecord[], now: number, ready = true): readonly string[] =>
  nextStep(own, { ready, now, settings, answersAtOnce: true }).map(({ kind }) => kind);

test("before half its life an authority has no successor, from then on one is prepared", () => {
  assert.deepEqual(kinds([record("active")], START + LIFE / 2 - 1), ["nothing"]);
  assert.deepEqual(kinds([record("active")], START + LIFE / 2), ["prepare"]);
  const prepared = record("prepared", { preparedAt: START + LIFE / 2 });
  assert.deepEqual(kinds([record("active"), prepared], START + LIFE / 2 + 1), ["nothing"]);
});

test("a successor takes over at five sixths, not before", () => {
  const prepared = record("prepared", { preparedAt: START + LIFE / 2 });
  assert.deepEqual(kinds([record("active"), prepared], START + (LIFE * 5) / 6 - 1), ["nothing"]);
  assert.deepEqual(kinds([record("active"), prepared], START + (LIFE * 5) / 6), ["activate"]);
});

test("a successor never takes over before the propagation time has passed, however late it is", () => {
  const late = START + (LIFE * 5) / 6 + 1000;
  const prepared = record("prepared", { preparedAt: late });
  const wait = propagationSeconds(settings) * 1000;
  assert.deepEqual(kinds([record("active"), prepared], late + wait - 1), ["overdue"]);
  assert.deepEqual(kinds([record("active"), prepared], late + wait), ["activate"]);
});

test("without a successor at five sixths there is an alarm, and one is still prepared", () => {
  assert.deepEqual(kinds([record("active")], START + (LIFE * 5) / 6), ["overdue", "prepare"]);
});

test("an unhealthy authority gets no successor by itself, whatever the time", () => {
  for (const share of [0.5, 0.9, 1.5])
    assert.deepEqual(kinds([record("active")], START + LIFE * share, false), ["nothing"]);
  assert.deepEqual(kinds([], NOW, false), ["nothing"]);
});

test("a retired authority is cleared away when the last leaf it can have signed has expired", () => {
  const retiredAt = START + (LIFE * 5) / 6;
  const last = (settings.maxLeafTtlSeconds + settings.clockSkewSeconds) * 1000;
  const own = [record("retired", { retiredAt })];
  assert.deepEqual(kinds(own, retiredAt + last), ["nothing"]);
  assert.deepEqual(kinds(own, retiredAt + last + 1), ["clear"]);
  assert.ok(L > 0);
});

test("states lead only where the table says, and nothing leads out of removed", () => {
  const allowed = AUTHORITY_STATES.flatMap((from) =>
    AUTHORITY_STATES.filter((to) => mayBecome(from, to)).map((to) => `${from}>${to}`),
  );
  assert.deepEqual(allowed.sort(), [
    "active>retired",
    "active>tainted",
    "prepared>active",
    "prepared>retired",
    "prepared>tainted",
    "requested>prepared",
    "requested>removed",
    "retired>removed",
    "retired>tainted",
    "revoked>removed",
    "tainted>revoked",
  ]);
  assert.deepEqual(AUTHORITY_STATES.filter(isPublished), ["prepared", "active", "retired", "tainted"]);
});
