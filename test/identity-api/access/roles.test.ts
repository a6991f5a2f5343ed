import assert from "node:assert/strict";
import { test } from "node:test";
import { type RoleLineage, rolesOf } from "../../../src/identity-api/access/index.ts";
import { attributes, parse, rule } from "../registry/support.ts";
import { leaf, verdicts } from "./support.ts";

const adminRule = rule({
  name: "admins",
  match: { "token.service": "admin" },
  roles: ["admin"],
});
const lineage: RoleLineage = {
  id: "6e3ad7e0-0000-4000-8000-000000000000",
  rule: "admins",
  spiffeId: "spiffe://example.test/admin",
  attributes: attributes({ "token.service": "admin" }),
  openedAt: Date.now(),
};

/** Roles of a peer whose certificate belongs to `found`. */
async function roles(
  found: RoleLineage | undefined,
  frozen = false,
  rules = parse(adminRule),
  verdict = verdicts.svid,
) {
  const granted = await rolesOf(verdict, rules, {
    async find(shown) {
      const { serialHex: serial, publicKey } = leaf.certificate;
      assert.deepEqual(shown, { serial, spkiSha256: publicKey.spkiSha256 });
      return found === undefined ? { kind: "no-lineage" } : { kind: "lineage", lineage: found };
    },
    async isFrozen(id) {
      assert.equal(id, found?.id);
      return frozen;
    },
  });
  return [...granted];
}

test("roles come from the rule of the certificate's lineage", async () => {
  assert.deepEqual(await roles(lineage), ["auditor", "operator", "admin"]);
});

test("only a live SVID has roles", async () => {
  for (const kind of ["anonymous", "local", "expired-svid", "enterprise", "refused"] as const) {
    assert.deepEqual(await roles(lineage, false, parse(adminRule), verdicts[kind]), [], kind);
  }
});

test("a certificate without a lineage has no roles", async () => {
  assert.deepEqual(await roles(undefined), []);
});

test("a certificate that the ledger does not hold, or holds under another key, has no roles", async () => {
  const unrecorded = { find: async () => ({ kind: "unrecorded" }) as const, isFrozen: async () => false };
  assert.deepEqual([...(await rolesOf(verdicts.svid, parse(adminRule), unrecorded))], []);
});

test("a frozen lineage has no roles", async () => {
  assert.deepEqual(await roles(lineage, true), []);
});

test("a lineage of another SPIFFE ID gives no roles, also where its own rule would grant that ID", async () => {
  const other = {
    ...lineage,
    spiffeId: "spiffe://example.test/other",
    attributes: attributes({ "token.service": "other" }),
  };
  const rules = parse({ ...adminRule, match: { "token.service": "*" } });
  assert.deepEqual(await roles(other, false, rules), []);
  assert.deepEqual(await roles(lineage, false, rules), ["auditor", "operator", "admin"]);
});

test("the same SPIFFE ID by a rule without roles has none", async () => {
  const rules = parse(adminRule, rule({ name: "plain" }));
  assert.deepEqual(await roles({ ...lineage, rule: "plain" }, false, rules), []);
});

test("a rule that was deleted, or lost its roles, gives none at the next call", async () => {
  assert.deepEqual(await roles(lineage, false, parse(rule({ name: "another" }))), []);
  assert.deepEqual(await roles(lineage, false, parse({ ...adminRule, roles: ["auditor"] })), ["auditor"]);
});

test("when the database cannot be asked the lookup fails, and nobody is an admin by default", async () => {
  const down = { find: () => Promise.reject(new Error("down")), isFrozen: async () => false };
  await assert.rejects(rolesOf(verdicts.svid, parse(adminRule), down), /down/);
});
