import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { Registry } from "../../../src/identity-api/registry/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { intentOf } from "../../ca/ledger/support.ts";
import { until } from "../../support/until.ts";
import { deaf, type Replica, TestDomain, withFaults } from "./database.ts";
import { attributes, idOf, rule } from "./support.ts";

let domain: TestDomain;
let one: Replica;
beforeEach(async () => {
  domain = await TestDomain.create();
  one = await domain.replica();
});
afterEach(() => domain.close());

/** Polls rarely, so that only NOTIFY can be what brings a change. */
const rarely = { pollMs: 3_600_000 };
const cart = { "token.service": "cart" };

test("the rules of the configuration become one revision, with their entries in the ledger", async () => {
  const registry = await one.registry([rule({ name: "a" }), rule({ name: "b", priority: 2 })]);
  assert.deepEqual(
    registry.rules().rules.map(({ definition, source }) => [definition.name, source]),
    [
      ["b", "config"],
      ["a", "config"],
    ],
  );
  assert.equal(new Set(registry.rules().rules.map(({ revision }) => revision)).size, 1);
  assert.deepEqual(registry.health(), { kind: "ready" });
  const entries = await domain.entries();
  assert.deepEqual(
    entries.map(({ kind, name }) => [kind, name]),
    [
      ["rule.applied", "a"],
      ["rule.applied", "b"],
      ["rule.set", undefined],
    ],
  );
  assert.deepEqual(entries[0]?.["definition"], {
    ...rule({ name: "a" }),
    priority: 0,
    dnsNames: [],
    roles: [],
    ttlSeconds: 0,
    maxLineageAgeSeconds: 0,
  });
  assert.equal(entries[0]?.["requester"], "config");
});

test("a restart with the same rules changes nothing, whatever their order", async () => {
  await one.registry([rule({ name: "a" }), rule({ name: "b" })]);
  const before = await domain.entries();
  const registry = await one.registry([rule({ name: "b" }), rule({ name: "a" })]);
  assert.equal((await domain.entries()).length, before.length);
  assert.deepEqual(registry.health(), { kind: "ready" });
});

test("a restart with other rules replaces them at once; what stayed keeps its revision", async () => {
  const first = await one.registry([rule({ name: "stays" }), rule({ name: "goes" }), rule({ name: "changes" })]);
  const old = new Map(first.rules().rules.map(({ definition, revision }) => [definition.name, revision]));
  const second = await one.registry([
    rule({ name: "stays" }),
    rule({ name: "changes", priority: 1 }),
    rule({ name: "comes" }),
  ]);
  const now = new Map(second.rules().rules.map(({ definition, revision }) => [definition.name, revision]));
  assert.deepEqual([...now.keys()].sort(), ["changes", "comes", "stays"]);
  assert.equal(now.get("stays"), old.get("stays"));
  assert((now.get("changes") ?? 0n) > (old.get("changes") ?? 0n));
  const entries = (await domain.entries()).slice(4).map(({ kind, name }) => [kind, name]);
  assert.deepEqual(entries, [
    ["rule.applied", "changes"],
    ["rule.applied", "comes"],
    ["rule.deleted", "goes"],
    ["rule.set", undefined],
  ]);
});

test("a replica with another configuration is not ready, and keeps serving the rules in force", async () => {
  const first = await one.registry([rule({ name: "old" })]);
  const two = await domain.replica();
  const second = await two.registry([rule({ name: "new" })]);
  await until(() => first.health().kind === "not-ready", "the first replica notices");
  const health = first.health();
  assert(health.kind === "not-ready" && health.code === "MCA_RULES_DIFFER" && health.found !== health.expected);
  assert.equal(first.rules().evaluate(attributes(cart)).grant?.rule, "new");
  assert.deepEqual(second.health(), { kind: "ready" });
});

const namesOf = (registry: Registry) => registry.rules().rules.map(({ definition }) => definition.name);

test("a replica that restarts with an old file brings nothing back that another one has replaced, and is not ready", async () => {
  const old = [rule({ name: "stays" }), rule({ name: "withdrawn" })];
  await one.registry(old);
  const two = await domain.replica();
  const present = await two.registry([rule({ name: "stays" })]);
  const entries = (await domain.entries()).length;
  const restarted = await one.registry(old);
  assert.deepEqual(namesOf(restarted), ["stays"]);
  const health = restarted.health();
  assert(health.kind === "not-ready" && health.code === "MCA_RULES_DIFFER");
  assert.deepEqual(present.health(), { kind: "ready" });
  assert.equal((await domain.entries()).length, entries);
});

test("going back on purpose works: a replica whose file has changed since its last start is taken at its word", async () => {
  const old = [rule({ name: "old" })];
  const first = await one.registry(old);
  const two = await domain.replica();
  await two.registry([rule({ name: "new" })]);
  const back = await two.registry(old);
  assert.deepEqual(namesOf(back), ["old"]);
  await until(() => first.health().kind === "ready", "the other replica, which never had another file");
  const again = await one.registry([rule({ name: "new" })]);
  assert.deepEqual(namesOf(again), ["new"]);
});

test("rules of the configuration that were changed or deleted behind the API's back are put right at the next start", async () => {
  const file = [rule({ name: "a" }), rule({ name: "b" })];
  const running = await one.registry(file);
  const run = (text: string) => domain.test.owner.query({ name: "", text });
  await run(`UPDATE identity_rule SET definition = jsonb_set(definition, '{roles}', '["admin"]') WHERE name = 'a'`);
  await run("DELETE FROM identity_rule WHERE name = 'b'");
  await running.apply([rule({ name: "by-api" })], "alice");
  assert.equal(running.health().kind, "not-ready", "noticed with the next change");
  const before = (await domain.entries()).length;
  const registry = await one.registry(file);
  assert.deepEqual(registry.health(), { kind: "ready" });
  assert.deepEqual(
    registry.rules().rules.map(({ definition }) => [definition.name, definition.roles]),
    [
      ["a", []],
      ["b", []],
      ["by-api", []],
    ],
  );
  assert.deepEqual(
    (await domain.entries()).slice(before).map(({ kind, name }) => [kind, name]),
    [
      ["rule.applied", "a"],
      ["rule.applied", "b"],
      ["rule.set", undefined],
    ],
  );
});

test("a rule that left the file, was made by the API and comes into the file again is refused until the API's is deleted", async () => {
  await one.registry([rule({ name: "a" })]);
  const empty = await one.registry([]);
  await empty.apply([rule({ name: "a" })], "alice");
  await assert.rejects(one.registry([rule({ name: "a" })]), { code: "MCA_RULE_NAME_TAKEN" });
  await empty.delete("a", "alice");
  const registry = await one.registry([rule({ name: "a" })]);
  assert.deepEqual(
    registry.rules().rules.map(({ definition, source }) => [definition.name, source]),
    [["a", "config"]],
  );
});

test("a wrong rule in the configuration changes nothing in the database", async () => {
  await one.registry([rule({ name: "good" })]);
  const before = await domain.entries();
  await assert.rejects(one.registry([rule({ name: "good", priority: 3 }), rule({ name: "bad", spiffeId: "x" })]), {
    code: "MCA_RULE_INVALID",
  });
  assert.equal((await domain.entries()).length, before.length);
});

test("rules are created, replaced and deleted by the API, each time with an entry", async () => {
  const registry = await one.registry();
  const [created] = await registry.apply([rule({ name: "mine" })], "spiffe://example.test/admin");
  assert.equal(created?.source, "api");
  const [replaced] = await registry.apply([rule({ name: "mine", priority: 4 })], "spiffe://example.test/admin");
  assert((replaced?.revision ?? 0n) > (created?.revision ?? 0n));
  assert.equal(registry.revision, replaced?.revision);
  await registry.delete("mine", "spiffe://example.test/admin");
  assert.deepEqual(registry.rules().rules, []);
  assert(registry.revision > (replaced?.revision ?? 0n));
  const entries = (await domain.entries()).filter(({ source }) => source === "api");
  assert.deepEqual(
    entries.map(({ kind, name, requester, revision }) => [kind, name, requester, revision]),
    [
      ["rule.applied", "mine", "spiffe://example.test/admin", String(created?.revision)],
      ["rule.applied", "mine", "spiffe://example.test/admin", String(replaced?.revision)],
      ["rule.deleted", "mine", "spiffe://example.test/admin", String(registry.revision)],
    ],
  );
});

test("a rule that is applied unchanged keeps its revision and adds no entry", async () => {
  const registry = await one.registry();
  const [created] = await registry.apply([rule()], "a");
  const before = await domain.entries();
  const [again] = await registry.apply([rule()], "a");
  assert.equal(again?.revision, created?.revision);
  assert.equal((await domain.entries()).length, before.length);
});

test("a rule that did not change is not read and judged again when another one does", async () => {
  const registry = await one.registry([rule({ name: "stays" })]);
  const [before] = registry.rules().rules;
  await registry.apply([rule({ name: "another", priority: -1 })], "a");
  assert.equal(registry.rules().rules.length, 2);
  assert.equal(registry.rules().rules[0], before);
});

test("several rules are applied all or none", async () => {
  const registry = await one.registry([rule({ name: "fixed" })]);
  await assert.rejects(registry.apply([rule({ name: "new" }), rule({ name: "fixed", priority: 1 })], "a"), {
    code: "MCA_RULE_READ_ONLY",
  });
  await assert.rejects(registry.apply([rule({ name: "new" }), rule({ name: "wrong", match: {} })], "a"), {
    code: "MCA_RULE_INVALID",
  });
  await assert.rejects(registry.apply([], "a"), { code: "MCA_RULE_INVALID" });
  assert.deepEqual(
    (await registry.refresh()).rules.map(({ definition }) => definition.name),
    ["fixed"],
  );
});

test("rules of the configuration are read-only to the API", async () => {
  const registry = await one.registry([rule({ name: "fixed" })]);
  await assert.rejects(registry.delete("fixed", "a"), { code: "MCA_RULE_READ_ONLY" });
  await assert.rejects(registry.apply([rule({ name: "fixed" })], "a"), { code: "MCA_RULE_READ_ONLY" });
  await assert.rejects(registry.delete("unknown", "a"), { code: "MCA_RULE_NOT_FOUND" });
});

test("a configuration rule with the name of an API rule is refused, and nothing is overwritten", async () => {
  const registry = await one.registry();
  await registry.apply([rule({ name: "taken", priority: 7 })], "a");
  const two = await domain.replica();
  await assert.rejects(two.registry([rule({ name: "taken" }), rule({ name: "other" })]), {
    code: "MCA_RULE_NAME_TAKEN",
  });
  assert.deepEqual(
    (await registry.refresh()).rules.map(({ definition, source }) => [definition.name, definition.priority, source]),
    [["taken", 7, "api"]],
  );
});

test("a deleted name that comes back has a revision it never had", async () => {
  const registry = await one.registry();
  const [first] = await registry.apply([rule()], "a");
  await registry.delete("workloads", "a");
  const [second] = await registry.apply([rule()], "a");
  assert((second?.revision ?? 0n) > (first?.revision ?? 0n));
});

test("a change reaches another replica by NOTIFY", async () => {
  const first = await one.registry([], rarely);
  const second = await (await domain.replica()).registry([], rarely);
  await first.apply([rule()], "a");
  await until(() => idOf(second.rules(), cart) !== undefined, "the rule arrives");
  await first.delete("workloads", "a");
  await until(() => idOf(second.rules(), cart) === undefined, "the deletion arrives");
});

test("a change that nobody announced is found by the poll", async () => {
  const registry = await one.registry([], { pollMs: 50 });
  await domain.test.owner.transaction(async (tx) => {
    const definition = JSON.stringify(rule());
    await tx.query({ name: "", text: "SELECT ledger_lock_head()" });
    await tx.query({ name: "", text: "INSERT INTO identity_rule VALUES ('workloads', 'api', 1000, $1, $2)" }, [
      definition,
      new Date(),
    ]);
    await tx.query({ name: "", text: "INSERT INTO rule_set VALUES ('api', 1000)" });
  });
  await until(() => registry.revision === 1000n, "the poll sees it");
  assert.equal(idOf(registry.rules(), cart), "spiffe://example.test/cart");
});

test("two replicas that apply rules at the same moment both succeed, one after the other", async () => {
  const two = await domain.replica();
  const registries = [await one.registry(), await two.registry()];
  await Promise.all(
    Array.from({ length: 20 }, (_, index) => registries[index % 2]?.apply([rule({ name: `r${index}` })], "a")),
  );
  for (const registry of registries) assert.equal((await registry.refresh()).rules.length, 20);
  const revisions = (await domain.entries())
    .filter(({ kind, source }) => kind === "rule.applied" && source === "api")
    .map(({ revision }) => BigInt(String(revision)));
  assert.deepEqual(
    revisions,
    [...revisions].sort((a, b) => Number(a - b)),
  );
  assert.equal(new Set(revisions).size, 20);
});

test("two replicas that start with the same new rules write them once", async () => {
  const two = await domain.replica();
  const rules = [rule({ name: "a" }), rule({ name: "b" })];
  const registries = await Promise.all([one.registry(rules), two.registry(rules)]);
  assert.equal((await domain.entries()).filter(({ kind }) => kind === "rule.set").length, 1);
  for (const registry of registries) assert.deepEqual(registry.health(), { kind: "ready" });
});

test("the ledger refuses an issuance by a revision that is no longer current, and by a rule that is gone", async () => {
  const registry = await one.registry();
  await registry.apply([rule()], "a");
  const grant = registry.rules().evaluate(attributes(cart)).grant;
  assert(grant);
  const issue = () => one.ledger.commit(intentOf({ rule: { name: grant.rule, revision: grant.ruleRevision } }));
  assert.equal((await issue()).kind, "committed");
  await registry.apply([rule({ priority: 1 })], "a");
  await assert.rejects(issue(), { code: "MCA_RULE_CHANGED" });
  await registry.delete("workloads", "a");
  await assert.rejects(issue(), { code: "MCA_RULE_CHANGED" });
});

test("within a transaction the rules are those of the database, also where the snapshot is old", async () => {
  const first = await one.registry([], rarely);
  const stale = await one.registry([], { ...rarely, database: deaf(one.database) });
  await first.apply([rule()], "a");
  assert.equal(idOf(stale.rules(), cart), undefined);
  const found = await one.ledger.transact(async (tx) => idOf(await stale.rulesIn(tx), cart));
  assert.equal(found, "spiffe://example.test/cart");
});

test("a database that is away is reported once, and the last rules stay in force", async () => {
  const lines: string[] = [];
  const logger = { ...silentLogger, warn: (fields: { readonly event: string }) => lines.push(fields.event) };
  let away = false;
  const database = withFaults(one.database, {
    query: (statement, values) => (away ? Promise.reject(new Error("away")) : one.database.query(statement, values)),
  });
  const registry = await one.registry([rule()], { pollMs: 20, database, logger });
  away = true;
  await until(() => lines.length > 0, "the outage is reported");
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(lines, ["registry.refresh_failed"]);
  assert.equal(idOf(registry.rules(), cart), "spiffe://example.test/cart");
  away = false;
  await (await one.registry([rule()])).apply([rule({ name: "late" })], "a");
  await until(() => registry.rules().rules.length === 2, "changes are followed again");
});

test("a thousand rules of a configuration are taken in one go", async () => {
  const many = Array.from({ length: 1000 }, (_, index) =>
    rule({ name: `r${index}`, match: { "token.service": `s${index}` } }),
  );
  const started = Date.now();
  const registry = await one.registry(many);
  assert.equal(registry.rules().rules.length, 1000);
  assert.equal(idOf(registry.rules(), { "token.service": "s999" }), "spiffe://example.test/s999");
  assert(Date.now() - started < 5000);
});
