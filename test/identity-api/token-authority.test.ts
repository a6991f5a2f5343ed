// Which authorities a join token pins: its holder must reach the server that made it, however many replicas there are.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tokenAuthority } from "../../src/identity-api/token-authority.ts";

const pin = (n: number): string => n.toString(16).padStart(64, "0");

function authorities(published: readonly (readonly [string, number])[], own: number) {
  return {
    active: () => ({ spkiSha256: pin(own), certificate: { notBefore: 1_000_000, notAfter: 1_000_000 + 604_800_500 } }),
    published: () => published.map(([state, n]) => ({ state, spkiSha256: pin(n) })),
  };
}

test("the own active authority is pinned first, then what is active elsewhere, then what is prepared, never what is retired", () => {
  const published = [
    ["retired", 1],
    ["prepared", 2],
    ["active", 3],
    ["prepared", 4],
    ["active", 5],
  ] as const;
  const { pins, lifetimeSeconds } = tokenAuthority(authorities(published, 5));
  assert.deepEqual(pins, [pin(5), pin(3), pin(2), pin(4)]);
  assert.equal(lifetimeSeconds, 604_800);
});

test("with more authorities than a token takes, the active ones stay and prepared ones are left out", () => {
  const published = Array.from({ length: 60 }, (_, n) => [n % 2 === 0 ? "prepared" : "active", n] as const);
  const { pins } = tokenAuthority(authorities(published, 59));
  assert.equal(pins.length, 32);
  assert.equal(pins[0], pin(59));
  assert.equal(pins.filter((each) => Number.parseInt(each, 16) % 2 === 1).length, 30, "every active one");
});
