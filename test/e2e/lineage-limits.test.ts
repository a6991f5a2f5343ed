// What bounds a lineage, over the wire: theft freezes it and raises an alarm, quotas end what one caller may write, an expired
// certificate comes back for as long as its rule says; and which of two matching rules decides.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { Rule } from "../../src/proto/gen/meshca/identity/v1/admin.ts";
import { ExplainIdentityRequest } from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { systemClock } from "../../src/runtime/index.ts";
import { createCsr } from "../../src/x509/index.ts";
import { parsePrometheusText } from "../identity-api/http/prometheus-text.ts";
import {
  call,
  closeClients,
  connect,
  createToken,
  enrol,
  issue,
  listed,
  local,
  newKey,
  readyz,
  refusal,
  renew,
  startTestServer,
  type TestServer,
  until,
} from "./fixture.ts";

/** How far the server's clock is ahead of the database's: up to a minute is allowed here. */
let offset = 0;
let on: TestServer;

before(async () => {
  on = await startTestServer({
    clock: { now: () => systemClock.now() + offset },
    changes: {
      issuance: { minTtlSeconds: 5, maxClockDifferenceSeconds: 60 },
      quotas: { lineage: { burst: 4, perHour: 60 }, rule: { burst: 25, perHour: 1 } },
      rules: [
        { name: "services", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" },
        {
          name: "sleepers",
          priority: 1,
          match: { "token.service": "sleeper" },
          spiffeId: "spiffe://{trustDomain}/sleeper",
          ttlSeconds: 5,
          renewAfterExpirySeconds: 10,
        },
        {
          name: "never-late",
          priority: 1,
          match: { "token.service": "never-late" },
          spiffeId: "spiffe://{trustDomain}/never-late",
          ttlSeconds: 5,
          renewAfterExpirySeconds: 0,
        },
        {
          name: "scarce",
          priority: 1,
          match: { "token.service": "scarce", "token.host": "*" },
          spiffeId: "spiffe://{trustDomain}/scarce/{token.host}",
        },
      ],
    },
  });
});
after(async () => {
  closeClients();
  await on.close();
});

async function metric(name: string): Promise<number> {
  const { host, port } = on.server.addresses.operations;
  const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
  return parsePrometheusText(text).find((sample) => sample.name.startsWith(name))?.value ?? 0;
}

test("a thief's renewal freezes the lineage for both: told to the log, counted, and written into the ledger", async () => {
  const before = await metric("mesh_ca_lineages_frozen");
  const owner = await enrol(on, "robbed");
  const child = await renew(connect(on.address, owner));
  await renew(connect(on.address, child));
  // The thief holds the first key; its holder has moved on twice.
  const thief = await refusal(renew(connect(on.address, owner)));
  assert.deepEqual([thief.code, thief.mca], [status.PERMISSION_DENIED, "MCA_LINEAGE_FROZEN"]);
  assert.equal((await refusal(renew(connect(on.address, child)))).mca, "MCA_LINEAGE_FROZEN");
  const [alarm] = on.log.of("lineage.frozen");
  assert.equal(alarm?.["alarm"], true);
  assert.equal(alarm?.["lineage"], owner.response.lineage);
  assert.equal(alarm?.["spiffeId"], "spiffe://example.test/robbed");
  assert.equal(alarm?.["requesterAddress"], "127.0.0.1");
  assert.equal(await metric("mesh_ca_lineages_frozen"), before + 1);
  const [entry] =
    (await on.database?.owner.query<{ text: string }>({
      name: "",
      text: "SELECT convert_from(bytes, 'UTF8') AS text FROM ledger_entry WHERE convert_from(bytes, 'UTF8') LIKE '%lineage.frozen%'",
    })) ?? [];
  assert.match(entry?.text ?? "", new RegExp(owner.response.lineage));
  assert.equal((await listed(on, { spiffeId: "spiffe://example.test/robbed" })).length, 3, "the thief got nothing");
});

test("enrolling again with fresh evidence opens a lineage that is not frozen", async () => {
  const again = await enrol(on, "robbed");
  await renew(connect(on.address, again));
});

test("a lineage that used up its quota is refused and told when; others are served", async () => {
  const identity = await enrol(on, "greedy");
  const client = connect(on.address, identity);
  let refused: Awaited<ReturnType<typeof refusal>> | undefined;
  let granted = 0;
  while (refused === undefined && granted < 10) {
    const attempt = renew(client);
    refused = await attempt.then(
      () => undefined,
      () => refusal(attempt),
    );
    if (refused === undefined) granted++;
  }
  assert.deepEqual([refused?.code, refused?.mca], [status.RESOURCE_EXHAUSTED, "MCA_QUOTA_EXCEEDED"]);
  assert.equal(granted, 3, "the enrolment and three renewals make the burst of four");
  await renew(connect(on.address, await enrol(on, "modest")));
});

test("a rule that used up its quota refuses further enrolments by it; other rules go on", async () => {
  const csr = () => createCsr({ key: newKey() });
  const attempts: string[] = [];
  const client = connect(on.address);
  for (let n = 0; n < 26; n++) {
    const value = await createToken(on.server, { service: "scarce", host: `h${n}` });
    const asked = issue(client, { csr: csr(), evidence: { $case: "joinToken", value } });
    attempts.push(
      await asked.then(
        () => "granted",
        async () => (await refusal(asked)).mca,
      ),
    );
  }
  assert.deepEqual([...new Set(attempts.slice(0, 25))], ["granted"]);
  assert.equal(attempts[25], "MCA_RULE_QUOTA_EXCEEDED");
  await enrol(on, "not-scarce");
});

test("renewAfterExpiry: an expired certificate comes back within its rule's time and not after it", async () => {
  const sleeper = await enrol(on, "sleeper");
  const late = await enrol(on, "sleeper");
  const never = await enrol(on, "never-late");
  try {
    offset = 12_000;
    const back = await renew(connect(on.address, sleeper));
    assert.equal(back.response.lineage, sleeper.response.lineage);
    assert.equal((await refusal(renew(connect(on.address, never)))).mca, "MCA_RENEWAL_TOO_LATE");
    offset = 40_000;
    const failed = await refusal(renew(connect(on.address, late)));
    assert.deepEqual([failed.code, failed.mca], [status.UNAUTHENTICATED, "MCA_RENEWAL_TOO_LATE"]);
    assert.match(failed.details, /10 s after expiry/);
  } finally {
    offset = 0;
    await until(async () => (await readyz(on)).status === 200, "the server is ready");
  }
});

test("an expired certificate renews and does nothing else", async () => {
  const identity = await enrol(on, "sleeper");
  try {
    offset = 12_000;
    const client = connect(on.address, identity);
    const asked = ExplainIdentityRequest.fromPartial({ attributes: { "token.service": "x" } });
    assert.equal((await refusal(call(client, client.explainIdentity, asked))).mca, "MCA_UNAUTHENTICATED");
  } finally {
    offset = 0;
  }
});

function apply(...rules: readonly Partial<Rule>[]) {
  const { registry } = local(on.server);
  return call(registry, registry.applyRules, { rules: rules.map((rule) => Rule.fromPartial(rule)) });
}

async function explain(attributes: Record<string, string>) {
  const { identity } = local(on.server);
  return call(identity, identity.explainIdentity, ExplainIdentityRequest.fromPartial({ attributes }));
}

test("of two matching rules the higher priority decides, then more selectors, then the name; explain shows it and enrolment does it", async () => {
  const match = { "token.service": "twice" };
  const id = (name: string) => `spiffe://{trustDomain}/by/${name}`;
  const chosen = async () => {
    const { rules, grant } = await explain({ "token.service": "twice", "token.zone": "a" });
    const deciding = rules.filter((verdict) => verdict.chosen).map(({ rule }) => rule);
    assert.deepEqual(deciding, [grant?.rule], "exactly one rule decides");
    assert.deepEqual(rules[0]?.rule, grant?.rule, "in the order of precedence");
    return grant?.rule;
  };
  await apply({ name: "bravo", priority: 5, match, spiffeId: id("bravo") });
  assert.equal(await chosen(), "bravo");
  await apply({ name: "alpha", priority: 5, match, spiffeId: id("alpha") });
  assert.equal(await chosen(), "alpha", "by name");
  await apply({ name: "zulu", priority: 5, match: { ...match, "token.zone": "*" }, spiffeId: id("zulu") });
  assert.equal(await chosen(), "zulu", "by the number of selectors");
  await apply({ name: "yankee", priority: 6, match, spiffeId: id("yankee") });
  assert.equal(await chosen(), "yankee", "by priority");
  const { rules } = await explain({ "token.service": "twice", "token.zone": "a" });
  assert.match(rules.find(({ rule }) => rule === "zulu")?.reason ?? "", /priority/);
  assert.match(rules.find(({ rule }) => rule === "scarce")?.reason ?? "", /./);
  assert.equal((await enrol(on, "twice")).response.rule, "yankee");
  const { registry } = local(on.server);
  for (const name of ["alpha", "bravo", "zulu", "yankee"]) await call(registry, registry.deleteRule, { name });
  assert.equal((await enrol(on, "twice")).response.rule, "services");
});

test("rules by the API: listed with source and revision, read-only where they come from the file, all or none", async () => {
  const { registry } = local(on.server);
  const revisionBefore = (await call(registry, registry.listRules, {})).revision;
  const mine = { name: "mine", match: { "token.service": "mine" }, spiffeId: "spiffe://{trustDomain}/mine" };
  await apply(mine);
  const { rules, revision } = await call(registry, registry.listRules, {});
  assert.ok(revision > revisionBefore);
  assert.equal(rules.find(({ rule }) => rule?.name === "mine")?.source, "api");
  assert.equal(rules.find(({ rule }) => rule?.name === "services")?.source, "config");
  await apply(mine);
  assert.equal((await call(registry, registry.listRules, {})).revision, revision, "the same again is no change");
  const bad = { ...mine, name: "bad", spiffeId: "spiffe://{trustDomain}/mesh-ca/server" };
  assert.match((await refusal(apply({ ...mine, name: "good" }, bad))).mca, /^MCA_RULE_/);
  assert.equal(
    (await call(registry, registry.listRules, {})).rules.some(({ rule }) => rule?.name === "good"),
    false,
  );
  assert.equal((await refusal(apply({ ...mine, name: "services" }))).mca, "MCA_RULE_READ_ONLY");
  assert.equal((await refusal(call(registry, registry.deleteRule, { name: "services" }))).mca, "MCA_RULE_READ_ONLY");
  await call(registry, registry.deleteRule, { name: "mine" });
  assert.equal((await refusal(call(registry, registry.deleteRule, { name: "mine" }))).mca, "MCA_RULE_NOT_FOUND");
});
