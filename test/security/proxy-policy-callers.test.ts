// Nobody is taken for another caller because a name begins, ends or looks like his; and who is not known gets nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SpiffeId } from "../../src/spiffe/index.ts";
import { allow, CART, deny, input, policySet, refusedPolicies } from "../proxy-tls/support/policy.ts";

function allows(pattern: string, id: string): boolean {
  return policySet(allow({ from: { ids: [pattern] } })).decide(input({ id })).effect === "allow";
}

test("a prefix ends at a segment, whatever the segments are", () => {
  const segment = fc.stringMatching(/^[ab._-]{1,3}$/).filter((text) => text !== "." && text !== "..");
  const path = fc.array(segment, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(path, path, (base, other) => {
      const id = `spiffe://example.test/${other.join("/")}`;
      const below = base.every((text, index) => other[index] === text);
      assert.equal(allows(`spiffe://example.test/${base.join("/")}/**`, id), below);
    }),
    { numRuns: 1_000 },
  );
});

test("a trust domain is one whole name", () => {
  const pattern = "spiffe://example.test/*";
  assert(allows(pattern, CART));
  for (const domain of [
    "example.test.evil",
    "evil-example.test",
    "sub.example.test",
    "example-test",
    "example.tes",
    "example.testt",
  ]) {
    assert(!allows(pattern, `spiffe://${domain}/ns/shop/sa/cart`), domain);
    // The other domain's name in the path is a path.
    assert(!allows(pattern, `spiffe://${domain}/example.test/ns/shop`), domain);
  }
});

test("IDs differ by case, and by nothing that looks alike, because that is no ID", () => {
  assert(!allows(CART, CART.replace("cart", "Cart")));
  for (const id of [
    `${CART}/`,
    CART.replace("cart", "c%61rt"),
    CART.replace("cart", "c\u0430rt"),
    `${CART}/../admin`,
    CART.toUpperCase(),
  ]) {
    assert.throws(() => SpiffeId.parse(id), id);
    refusedPolicies(deny({ from: { ids: [id] } }));
  }
});

test("a caller without an identity is nobody, also for policies that say whom they do not mean", () => {
  for (const from of [{ notIds: [CART] }, { ids: ["spiffe://example.test/*"] }, { ids: [CART], notIds: [CART] }]) {
    assert.equal(policySet(allow({ from })).decide(input({ id: undefined })).effect, "deny");
    assert.equal(
      policySet(allow({ to: { ports: [8443] } }), deny({ from })).decide(input({ id: undefined })).reason,
      "denied",
    );
  }
});

test("addresses that are not clear count as missing", () => {
  const set = policySet(allow({ to: { ports: [8443] } }), deny({ when: { notSourceCidrs: ["10.0.0.0/8"] } }));
  assert.equal(set.decide(input({ sourceAddress: "10.0.0.1" })).effect, "allow");
  for (const sourceAddress of [
    "",
    "10.1",
    "010.0.0.1",
    "0x0a000001",
    "167772161",
    "10.0.0.1 ",
    "10.0.0.1:80",
    "::ffff:10.0.0.1:80",
    "::10.0.0.1",
    "64:ff9b::10.0.0.1",
  ]) {
    assert.equal(set.decide(input({ sourceAddress })).effect, "deny", sourceAddress);
  }
});
