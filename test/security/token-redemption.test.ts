// A join token is worth an identity. It is used once, by one key, for what its maker was allowed to give, and its secret is nowhere.
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";
import fc from "fast-check";
import { encodeJoinToken, parseJoinToken, TrustDomain } from "../../src/spiffe/index.ts";
import { intentOf } from "../ca/ledger/support.ts";
import { admin, operator, pins, request, TokenFixture, trustDomain } from "../identity-api/attest/token-fixture.ts";
import { deaf } from "../identity-api/registry/database.ts";
import { attributes, rule } from "../identity-api/registry/support.ts";

let fixture: TokenFixture;
beforeEach(async () => {
  fixture = await TokenFixture.create();
});
afterEach(() => fixture.close());

test("only the hash of the secret is stored, in no table and in no entry anything more", async () => {
  const { token } = await fixture.tokens().create(request(), operator);
  const { secret } = parseJoinToken(token);
  const forms = [
    Buffer.from(secret).toString("hex"),
    Buffer.from(secret).toString("base64"),
    Buffer.from(secret).toString("base64url"),
    token,
  ];
  const rows = await fixture.domain.test.owner.query<{ readonly row: string }>({
    name: "",
    text: "SELECT join_token::text AS row FROM join_token",
  });
  const everything = JSON.stringify([rows, await fixture.domain.entries()]);
  for (const form of forms) assert(!everything.includes(form));
  assert(everything.includes(createHash("sha256").update(secret).digest("hex")));
});

test("no call raises its caller: a token that matches a rule with roles needs an admin", async () => {
  await fixture.registry.apply(
    [
      rule({ name: "plain", priority: 9 }),
      rule({ name: "auditors", match: { "token.service": "audit-*" }, roles: ["auditor"] }),
    ],
    "a",
  );
  const raising = request({ attributes: attributes({ service: "audit-1" }) });
  await assert.rejects(fixture.tokens().create(raising, operator), (error: unknown) => {
    assert(error instanceof Error && "code" in error && error.code === "MCA_FORBIDDEN");
    return /only an admin/.test(error.message);
  });
  assert.equal((await fixture.domain.entries()).filter(({ kind }) => kind === "token.created").length, 0);
  await fixture.tokens().create(request(), operator);
  await fixture.tokens().create(raising, admin);
  await fixture.tokens().create(raising, { requester: "local", roles: new Set(), local: true });
});

test("whether a token raises is judged on the rules of the database, not on a snapshot that is old", async () => {
  const stale = await fixture.replica.registry([], { pollMs: 3_600_000, database: deaf(fixture.replica.database) });
  await fixture.registry.apply([rule({ roles: ["admin"] })], "a");
  assert.equal(stale.rules().rules.length, 0);
  await assert.rejects(fixture.tokens({ registry: stale }).create(request(), operator), { code: "MCA_FORBIDDEN" });
});

test("a token that nobody made, that is of another trust domain, or that is no token is refused", async () => {
  const secret = Buffer.alloc(32, 1);
  const unknown = encodeJoinToken({ trustDomain, server: "ca:1", pins, secret });
  await assert.rejects(fixture.attest(unknown), { code: "MCA_TOKEN_UNKNOWN" });
  const foreign = encodeJoinToken({ trustDomain: TrustDomain.parse("other.test"), server: "ca:1", pins, secret });
  await assert.rejects(fixture.attest(foreign), { code: "MCA_TOKEN_FOREIGN" });
  await assert.rejects(fixture.attest("mcajt1.nonsense"), { code: "MCA_TOKEN_MALFORMED" });
  await assert.rejects(fixture.attest("x".repeat(100_000)), { code: "MCA_TOKEN_MALFORMED" });
});

test("a token is voided after it was looked up and before it is redeemed: the ledger refuses it", async () => {
  await fixture.registry.apply([rule()], "a");
  const { token, id } = await fixture.tokens().create(request(), operator);
  const evidence = await fixture.attest(token);
  await fixture.tokens().void(id, operator.requester);
  const late = intentOf({
    lineage: { kind: "open", id: randomUUID() },
    ...(evidence.token && { token: evidence.token }),
  });
  await assert.rejects(fixture.replica.ledger.commit(late), { code: "MCA_TOKEN_VOIDED" });
});

test("a redeemed token serves the same key again, no other key, and cannot be voided", async () => {
  await fixture.registry.apply([rule()], "a");
  const { token, id } = await fixture.tokens().create(request(), operator);
  assert.equal((await fixture.redeem(token, "key")).kind, "committed");
  assert.equal((await fixture.redeem(token, "key")).kind, "replay");
  await assert.rejects(fixture.redeem(token, "another key"), { code: "MCA_TOKEN_REDEEMED" });
  fixture.domain.clock.advance(301_000);
  await assert.rejects(fixture.redeem(token, "key"), { code: "MCA_TOKEN_REDEEMED" });
  await assert.rejects(fixture.tokens().void(id, "a"), { code: "MCA_TOKEN_REDEEMED" });
  const [info] = (await fixture.tokens().list({ pageSize: 0, cursor: "" })).tokens;
  assert.notEqual(info?.redeemedAt, undefined);
  assert.notEqual(info?.lineage, undefined);
});

test("of many keys that redeem one token at the same moment one wins", async () => {
  await fixture.registry.apply([rule()], "a");
  const { token } = await fixture.tokens().create(request(), operator);
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => fixture.redeem(token, `key ${index}`)),
  );
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  for (const result of results) {
    if (result.status === "rejected") assert.equal(result.reason.code, "MCA_TOKEN_REDEEMED");
  }
});

test("a token made before a rule with roles existed does not earn them", async () => {
  const { token } = await fixture.tokens().create(request(), operator);
  await fixture.registry.apply([rule({ roles: ["admin"] })], "a");
  const evidence = await fixture.attest(token);
  const subject = { attributes: evidence.attributes, rulesRevision: evidence.token?.rulesRevision };
  assert.throws(() => fixture.registry.rules().enrol(subject), { code: "MCA_RULE_NEWER_THAN_TOKEN" });
  const fresh = await fixture.attest((await fixture.tokens().create(request(), admin)).token);
  const later = { attributes: fresh.attributes, rulesRevision: fresh.token?.rulesRevision };
  assert.equal(fixture.registry.rules().enrol(later).rule, "workloads");
  // The rule changes again: what was judged then is not judged for this.
  await fixture.registry.apply([rule({ roles: ["admin"], match: { "token.service": "c*" } })], "a");
  assert.throws(() => fixture.registry.rules().enrol(later), { code: "MCA_RULE_NEWER_THAN_TOKEN" });
});

test("a token with any character changed is another token", async () => {
  const { token } = await fixture.tokens().create(request(), operator);
  const secret = parseJoinToken(token).secret;
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 31 }), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      const changed = secret.map((byte, index) => (index === at ? byte ^ flip : byte));
      const text = encodeJoinToken({ trustDomain, server: "ca:1", pins, secret: changed });
      await assert.rejects(fixture.attest(text), { code: "MCA_TOKEN_UNKNOWN" });
    }),
    { numRuns: 50 },
  );
});

test("no error about a token repeats it", async () => {
  const { token, id } = await fixture.tokens().create(request(), operator);
  await fixture.tokens().void(id, "a");
  const secret = Buffer.from(parseJoinToken(token).secret).toString("base64url");
  for (const text of [token, `${token}x`, token.slice(0, -1), `x${token}`, token.replace("mcajt1.", "mcajt2.")]) {
    await assert.rejects(fixture.attest(text), (error: unknown) => {
      for (let about: unknown = error; about instanceof Error; about = about.cause) {
        assert(!about.message.includes(secret) && !about.message.includes(token.slice(10, 40)));
      }
      return true;
    });
  }
});
