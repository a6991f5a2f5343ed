import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";
import {
  type CreateJoinToken,
  JoinTokens,
  type JoinTokensDependencies,
  type TokenCaller,
} from "../../../src/identity-api/attest/index.ts";
import { attestJoinToken } from "../../../src/identity-api/attest/join-token-attestor.ts";
import type { Registry } from "../../../src/identity-api/registry/index.ts";
import { systemRandom } from "../../../src/runtime/index.ts";
import { encodeJoinToken, parseJoinToken, TrustDomain } from "../../../src/spiffe/index.ts";
import { hexOf, intentOf } from "../../ca/ledger/support.ts";
import { deaf, type Replica, TestDomain } from "../registry/database.ts";
import { attributes, rule } from "../registry/support.ts";

const WEEK_SECONDS = 604_800;
const trustDomain = TrustDomain.parse("example.test");
const pins = [hexOf("active"), hexOf("prepared")];
const operator: TokenCaller = {
  requester: "spiffe://example.test/operator",
  roles: new Set(["operator"]),
  local: false,
};
const admin: TokenCaller = {
  requester: "spiffe://example.test/admin",
  roles: new Set(["auditor", "operator", "admin"]),
  local: false,
};

let domain: TestDomain;
let replica: Replica;
let registry: Registry;
beforeEach(async () => {
  domain = await TestDomain.create();
  replica = await domain.replica();
  registry = await replica.registry();
});
afterEach(() => domain.close());

function tokens(changes: Partial<JoinTokensDependencies> = {}): JoinTokens {
  return new JoinTokens({
    ledger: replica.ledger,
    database: replica.database,
    registry,
    trustDomain,
    instance: "token",
    authority: () => ({ pins, lifetimeSeconds: WEEK_SECONDS }),
    publicAddress: () => "ca.example.test:8443",
    clock: domain.clock,
    random: systemRandom,
    ...changes,
  });
}

function request(changes: Partial<CreateJoinToken> = {}): CreateJoinToken {
  return { attributes: attributes({ service: "cart" }), ttlSeconds: 0, server: "", ...changes };
}

function attest(text: string) {
  return attestJoinToken(text, { instance: "token", trustDomain, database: replica.database, clock: domain.clock });
}

/** Redeems as IssueX509Svid does, by the ledger. */
async function redeem(text: string, key: string) {
  const evidence = await attest(text);
  const token = evidence.token;
  assert(token);
  return await replica.ledger.commit(
    intentOf({
      spkiSha256: hexOf(key),
      requester: evidence.requester,
      attestor: evidence.attestor,
      attributes: evidence.attributes,
      issuedAt: domain.clock.now(),
      notBefore: domain.clock.now() - 60_000,
      notAfter: domain.clock.now() + 3_600_000,
      rule: { name: "workloads", revision: registry.rules().rules[0]?.revision ?? 0n },
      lineage: { kind: "open", id: randomUUID() },
      token,
    }),
  );
}

test("a token tells the workload where to go, whom to trust, and its secret", async () => {
  const created = await tokens().create(request(), operator);
  const token = parseJoinToken(created.token);
  assert.equal(token.server, "ca.example.test:8443");
  assert.equal(token.trustDomain.name, "example.test");
  assert.deepEqual(token.pins, pins);
  assert.equal(token.secret.length, 32);
  assert.equal(created.expiresAt, domain.clock.now() + 3_600_000);
  assert.equal(created.shortenedBy, "");
});

test("only the hash of the secret is stored, in no table and in no entry anything more", async () => {
  const { token } = await tokens().create(request(), operator);
  const { secret } = parseJoinToken(token);
  const forms = [
    Buffer.from(secret).toString("hex"),
    Buffer.from(secret).toString("base64"),
    Buffer.from(secret).toString("base64url"),
    token,
  ];
  const rows = await domain.test.owner.query<{ readonly row: string }>({
    name: "",
    text: "SELECT join_token::text AS row FROM join_token",
  });
  const everything = JSON.stringify([rows, await domain.entries()]);
  for (const form of forms) assert(!everything.includes(form));
  assert(everything.includes(createHash("sha256").update(secret).digest("hex")));
});

test("the entry says who made the token, for what, and until when", async () => {
  const { id } = await tokens().create(request(), operator);
  const entry = (await domain.entries()).at(-1);
  assert.deepEqual(entry, {
    v: 1,
    kind: "token.created",
    time: "2026-07-01T12:00:00.000Z",
    token: id,
    attestor: "token",
    attributes: { service: "cart" },
    expiresAt: "2026-07-01T13:00:00.000Z",
    requester: operator.requester,
  });
});

test("the answer tells what the token would earn now", async () => {
  assert.equal((await tokens().create(request(), operator)).grant, undefined);
  await registry.apply([rule()], "a");
  assert.equal((await tokens().create(request(), operator)).grant?.spiffeId.toString(), "spiffe://example.test/cart");
});

test("a token lives as asked, but at most a third of the authority's lifetime, and says so", async () => {
  const third = WEEK_SECONDS / 3;
  const long = await tokens().create(request({ ttlSeconds: third + 1 }), operator);
  assert.equal(long.expiresAt, domain.clock.now() + third * 1000);
  assert.match(long.shortenedBy, /a third of the authority's lifetime \(201600 s\)/);
  assert.equal((await tokens().create(request({ ttlSeconds: third }), operator)).shortenedBy, "");
  const short = tokens({ authority: () => ({ pins, lifetimeSeconds: 300 }) });
  const created = await short.create(request(), operator);
  assert.equal(created.expiresAt, domain.clock.now() + 100_000);
  assert.notEqual(created.shortenedBy, "");
});

test("attributes and server are checked", async () => {
  for (const changes of [
    { attributes: new Map() },
    { attributes: attributes({ "a b": "x" }) },
    { attributes: attributes({ "token.service": "x" }) },
    { attributes: attributes({ service: "" }) },
    { attributes: attributes({ service: "a\nb" }) },
    { attributes: attributes({ service: "x".repeat(1025) }) },
    { attributes: new Map(Array.from({ length: 33 }, (_, index) => [`a${index}`, "x"])) },
    { server: "ca.example.test" },
    { server: "ca.example.test:0" },
    { server: "https://ca.example.test:8443" },
  ]) {
    await assert.rejects(tokens().create(request(changes), operator), { code: "MCA_TOKEN_INVALID" });
  }
  assert.deepEqual(
    await domain.entries(),
    (await domain.entries()).filter(({ kind }) => kind !== "token.created"),
  );
});

test("without a join-token attestor no token can be made", async () => {
  await assert.rejects(tokens({ instance: undefined }).create(request(), operator), { code: "MCA_ATTESTOR_UNKNOWN" });
});

test("no call raises its caller: a token that matches a rule with roles needs an admin", async () => {
  await registry.apply(
    [
      rule({ name: "plain", priority: 9 }),
      rule({ name: "auditors", match: { "token.service": "audit-*" }, roles: ["auditor"] }),
    ],
    "a",
  );
  const raising = request({ attributes: attributes({ service: "audit-1" }) });
  await assert.rejects(tokens().create(raising, operator), (error: unknown) => {
    assert(error instanceof Error && "code" in error && error.code === "MCA_FORBIDDEN");
    return /only an admin/.test(error.message);
  });
  assert.equal((await domain.entries()).filter(({ kind }) => kind === "token.created").length, 0);
  await tokens().create(request(), operator);
  await tokens().create(raising, admin);
  await tokens().create(raising, { requester: "local", roles: new Set(), local: true });
});

test("whether a token raises is judged on the rules of the database, not on a snapshot that is old", async () => {
  const stale = await replica.registry([], { pollMs: 3_600_000, database: deaf(replica.database) });
  await registry.apply([rule({ roles: ["admin"] })], "a");
  assert.equal(stale.rules().rules.length, 0);
  await assert.rejects(tokens({ registry: stale }).create(request(), operator), { code: "MCA_FORBIDDEN" });
});

test("a token establishes its attributes under the instance's name", async () => {
  const { token, id } = await tokens().create(
    request({ attributes: attributes({ service: "cart", env: "prod" }) }),
    operator,
  );
  const evidence = await attest(token);
  assert.deepEqual(Object.fromEntries(evidence.attributes), { "token.service": "cart", "token.env": "prod" });
  assert.equal(evidence.requester, `token:${id}`);
  assert.deepEqual(evidence.token?.secretSha256, parseJoinToken(token).secretSha256);
});

test("a token that nobody made, that is of another trust domain, or that is no token is refused", async () => {
  const secret = Buffer.alloc(32, 1);
  const unknown = encodeJoinToken({ trustDomain, server: "ca:1", pins, secret });
  await assert.rejects(attest(unknown), { code: "MCA_TOKEN_UNKNOWN" });
  const foreign = encodeJoinToken({ trustDomain: TrustDomain.parse("other.test"), server: "ca:1", pins, secret });
  await assert.rejects(attest(foreign), { code: "MCA_TOKEN_FOREIGN" });
  await assert.rejects(attest("mcajt1.nonsense"), { code: "MCA_TOKEN_MALFORMED" });
  await assert.rejects(attest("x".repeat(100_000)), { code: "MCA_TOKEN_MALFORMED" });
});

test("a token of an instance that is no longer configured is refused", async () => {
  const { token } = await tokens({ instance: "k8s-prod" }).create(request(), operator);
  await assert.rejects(attest(token), { code: "MCA_TOKEN_UNKNOWN" });
});

test("an expired token is refused from its last millisecond on", async () => {
  const { token } = await tokens().create(request({ ttlSeconds: 60 }), operator);
  domain.clock.advance(59_999);
  await attest(token);
  domain.clock.advance(1);
  await assert.rejects(attest(token), { code: "MCA_TOKEN_EXPIRED" });
});

test("a voided token can no longer be redeemed; voiding twice does nothing", async () => {
  const { token, id } = await tokens().create(request(), operator);
  await tokens().void(id, operator.requester);
  await assert.rejects(attest(token), { code: "MCA_TOKEN_VOIDED" });
  await tokens().void(id, operator.requester);
  assert.deepEqual(
    (await domain.entries()).filter(({ kind }) => kind === "token.voided").map(({ token: voided }) => voided),
    [id],
  );
  for (const wrong of [randomUUID(), "", "x", id.toUpperCase(), "'; DROP TABLE join_token; --"]) {
    await assert.rejects(tokens().void(wrong, "a"), { code: "MCA_TOKEN_UNKNOWN" });
  }
});

test("a token is voided after it was looked up and before it is redeemed: the ledger refuses it", async () => {
  await registry.apply([rule()], "a");
  const { token, id } = await tokens().create(request(), operator);
  const evidence = await attest(token);
  await tokens().void(id, operator.requester);
  const late = intentOf({
    lineage: { kind: "open", id: randomUUID() },
    ...(evidence.token && { token: evidence.token }),
  });
  await assert.rejects(replica.ledger.commit(late), { code: "MCA_TOKEN_VOIDED" });
});

test("a redeemed token serves the same key again, no other key, and cannot be voided", async () => {
  await registry.apply([rule()], "a");
  const { token, id } = await tokens().create(request(), operator);
  assert.equal((await redeem(token, "key")).kind, "committed");
  assert.equal((await redeem(token, "key")).kind, "replay");
  await assert.rejects(redeem(token, "another key"), { code: "MCA_TOKEN_REDEEMED" });
  domain.clock.advance(301_000);
  await assert.rejects(redeem(token, "key"), { code: "MCA_TOKEN_REDEEMED" });
  await assert.rejects(tokens().void(id, "a"), { code: "MCA_TOKEN_REDEEMED" });
  const [info] = (await tokens().list({ pageSize: 0, cursor: "" })).tokens;
  assert.notEqual(info?.redeemedAt, undefined);
  assert.notEqual(info?.lineage, undefined);
});

test("of many keys that redeem one token at the same moment one wins", async () => {
  await registry.apply([rule()], "a");
  const { token } = await tokens().create(request(), operator);
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => redeem(token, `key ${index}`)));
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  for (const result of results) {
    if (result.status === "rejected") assert.equal(result.reason.code, "MCA_TOKEN_REDEEMED");
  }
});

test("tokens are listed newest first, page by page, without their secrets", async () => {
  const made: string[] = [];
  for (let n = 0; n < 7; n++) {
    made.push((await tokens().create(request({ attributes: attributes({ service: `s${n}` }) }), operator)).id);
    if (n % 2 === 1) domain.clock.advance(1);
  }
  const seen: string[] = [];
  let cursor = "";
  do {
    const page = await tokens().list({ pageSize: 3, cursor });
    assert(page.tokens.length <= 3);
    for (const token of page.tokens) {
      seen.push(token.id);
      assert.equal(token.createdBy, operator.requester);
      assert(!JSON.stringify(Object.keys(token)).includes("secret"));
    }
    cursor = page.nextCursor;
  } while (cursor !== "");
  assert.deepEqual([...seen].sort(), [...made].sort());
  assert.equal(seen[0], made[6]);
  assert.deepEqual(seen.slice(5).sort(), made.slice(0, 2).sort());
});

test("a cursor that we did not make is refused", async () => {
  for (const cursor of [
    "x",
    "1",
    "1_x",
    `1_${"-".repeat(36)}`,
    "-1_00000000-0000-4000-8000-000000000000",
    `${"9".repeat(16)}_00000000-0000-4000-8000-000000000000`,
  ]) {
    await assert.rejects(tokens().list({ pageSize: 3, cursor }), { code: "MCA_QUERY_INVALID" }, cursor);
  }
});
