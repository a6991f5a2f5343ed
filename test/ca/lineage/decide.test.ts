import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decideRenewal, withChild } from "../../../src/ca/lineage/decide.ts";
import type { LineageState } from "../../../src/ca/lineage/lineage.ts";

const HOUR = 3_600_000;
const state: LineageState = {
  frozen: false,
  currentSerial: "02",
  currentSpki: "b",
  currentIndex: 2n,
  currentUsed: false,
  currentIssuedAt: 0,
  currentNotAfter: HOUR,
  parentSerial: "01",
};
const attempt = { presentedSerial: "02", spkiSha256: "c", now: HOUR / 2 };

test("renewing by the current certificate makes a child, and the current one its parent", () => {
  assert.deepEqual(decideRenewal(state, attempt), { kind: "child", parentSerial: "02" });
});

test("a parent whose child is unused may renew again: the answer may have been lost", () => {
  assert.deepEqual(decideRenewal(state, { ...attempt, presentedSerial: "01" }), { kind: "child", parentSerial: "01" });
});

test("a parent whose child has been used freezes the lineage", () => {
  assert.deepEqual(decideRenewal({ ...state, currentUsed: true }, { ...attempt, presentedSerial: "01" }), {
    kind: "freeze",
    cause: "parent-after-child-was-used",
  });
});

test("a superseded child freezes the lineage", () => {
  // P issues B, then, B unused, C. B comes back: somebody holds an answer that was thought lost.
  const afterSecondChild = withChild("01", {
    serial: "03",
    spkiSha256: "c",
    logIndex: 3n,
    issuedAt: 0,
    notAfter: HOUR,
  });
  assert.deepEqual(decideRenewal(afterSecondChild, attempt), {
    kind: "freeze",
    cause: "superseded-certificate-presented",
  });
});

test("a certificate without lineage state in common freezes, also where there is no parent yet", () => {
  assert.equal(
    decideRenewal({ ...state, parentSerial: undefined }, { ...attempt, presentedSerial: "09" }).kind,
    "freeze",
  );
});

test("a frozen lineage stays frozen, whoever asks", () => {
  assert.deepEqual(decideRenewal({ ...state, frozen: true }, attempt), { kind: "frozen" });
});

test("the same key again, soon, is a retry and yields no new child", () => {
  const soon = { spkiSha256: "b", now: HOUR / 3 - 1 };
  for (const presentedSerial of ["01", "02"]) {
    assert.deepEqual(decideRenewal(state, { ...soon, presentedSerial }), { kind: "replay", logIndex: 2n });
  }
});

test("the same key again, late, is an ordinary renewal", () => {
  assert.equal(decideRenewal(state, { presentedSerial: "02", spkiSha256: "b", now: HOUR / 3 }).kind, "child");
});

test("a replay that was never signed is replaced by a child, once", () => {
  const retry = { presentedSerial: "01", spkiSha256: "b", now: 1 };
  assert.equal(decideRenewal(state, { ...retry, replacing: 2n }).kind, "child");
  assert.equal(decideRenewal(state, { ...retry, replacing: 1n }).kind, "replay");
});

// A model of the world: an honest holder that may lose answers, and a thief who copied one certificate at some moment.
test("an honest client that loses answers is never frozen; a thief beside it is found at the next renewal of either", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("answer", "lost"), { maxLength: 30 }), fc.nat(30), (course, theftAt) => {
      let now = 0;
      let index = 0n;
      let lineage = withChild(undefined, {
        serial: "0",
        spkiSha256: "key0",
        logIndex: 0n,
        issuedAt: 0,
        notAfter: HOUR,
      });
      let held = "0";
      let stolen: string | undefined;
      const renew = (presentedSerial: string): string | undefined => {
        now += HOUR / 2;
        index += 1n;
        const spkiSha256 = `key${index}`;
        const decision = decideRenewal(lineage, { presentedSerial, spkiSha256, now });
        if (decision.kind !== "child") return undefined;
        const serial = index.toString(16);
        lineage = withChild(decision.parentSerial, {
          serial,
          spkiSha256,
          logIndex: index,
          issuedAt: now,
          notAfter: now + HOUR,
        });
        return serial;
      };
      course.forEach((event, step) => {
        if (step === theftAt) stolen = held;
        const child = renew(held);
        assert.ok(child !== undefined, "the honest client was refused");
        if (event === "lost") return;
        held = child;
        // The honest client uses what it got: the connection of its next call.
        lineage = { ...lineage, currentUsed: true };
      });
      if (stolen === undefined || stolen === held) return;
      const decision = decideRenewal(lineage, { presentedSerial: stolen, spkiSha256: "thief", now });
      assert.equal(decision.kind, "freeze");
    }),
  );
});
