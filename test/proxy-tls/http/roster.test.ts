import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Listed, Roster } from "../../../src/proxy-tls/http/roster.ts";

test("a roster holds whom a Set would hold, whatever comes and goes", () => {
  const members: Listed[] = Array.from({ length: 8 }, () => ({ place: -1 }));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(7)), { maxLength: 60 }), (steps) => {
      const roster = new Roster<Listed>();
      const set = new Set<Listed>();
      for (const [comes, index] of steps) {
        const member = members[index] ?? { place: -1 };
        if (!comes) assert.equal(roster.delete(member), set.delete(member));
        else if (!set.has(member)) {
          roster.add(member);
          set.add(member);
        }
        assert.equal(roster.size, set.size);
        assert.deepEqual(new Set(roster.all()), set);
      }
      for (const member of set) roster.delete(member);
    }),
  );
});

test("who leaves while all are looked at harms nobody", () => {
  const roster = new Roster<Listed>();
  const members = [{ place: -1 }, { place: -1 }, { place: -1 }];
  for (const member of members) roster.add(member);
  const seen = roster.all().filter((member) => roster.delete(member));
  assert.equal(seen.length, 3);
  assert.equal(roster.size, 0);
});

test("a member of another roster is not taken out of this one", () => {
  const one = new Roster<Listed>();
  const other = new Roster<Listed>();
  const member = { place: -1 };
  one.add(member);
  other.add({ place: -1 });
  assert.equal(other.delete(member), false);
  assert.equal(other.size, 1);
  assert.equal(one.delete(member), true);
  assert.equal(one.delete(member), false);
});
