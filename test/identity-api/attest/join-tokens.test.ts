import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";
import { parseJoinToken } from "../../../src/spiffe/index.ts";
import { attributes, rule } from "../registry/support.ts";
import { operator, pins, request, TokenFixture, WEEK_SECONDS } from "./token-fixture.ts";

let fixture: TokenFixture;
beforeEach(async () => {
  fixture = await TokenFixture.create();
});
afterEach(() => fixture.close());

test("a token tells the workload where to go, whom to trust, and its secret", async () => {
  const created = await fixture.tokens().create(request(), operator);
  const token = parseJoinToken(created.token);
  assert.equal(token.server, "ca.example.test:8443");
  assert.equal(token.trustDomain.name, "example.test");
  assert.deepEqual(token.pins, pins);
  assert.equal(token.secret.length, 32);
  assert.equal(created.expiresAt, fixture.domain.clock.now() + 3_600_000);
  assert.equal(created.shortenedBy, "");
});

test("the entry says who made the token, for what, and until when", async () => {
  const { id } = await fixture.tokens().create(request(), operator);
  const entry = (await fixture.domain.entries()).at(-1);
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
  assert.equal((await fixture.tokens().create(request(), operator)).grant, undefined);
  await fixture.registry.apply([rule()], "a");
  assert.equal(
    (await fixture.tokens().create(request(), operator)).grant?.spiffeId.toString(),
    "spiffe://example.test/cart",
  );
});

test("a token lives as asked, but at most a third of the authority's lifetime, and says so", async () => {
  const third = WEEK_SECONDS / 3;
  const long = await fixture.tokens().create(request({ ttlSeconds: third + 1 }), operator);
  assert.equal(long.expiresAt, fixture.domain.clock.now() + third * 1000);
  assert.match(long.shortenedBy, /a third of the authority's lifetime \(201600 s\)/);
  assert.equal((await fixture.tokens().create(request({ ttlSeconds: third }), operator)).shortenedBy, "");
  const short = fixture.tokens({ authority: () => ({ pins, lifetimeSeconds: 300 }) });
  const created = await short.create(request(), operator);
  assert.equal(created.expiresAt, fixture.domain.clock.now() + 100_000);
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
    await assert.rejects(fixture.tokens().create(request(changes), operator), { code: "MCA_TOKEN_INVALID" });
  }
  assert.deepEqual(
    await fixture.domain.entries(),
    (await fixture.domain.entries()).filter(({ kind }) => kind !== "token.created"),
  );
});

test("without a join-token attestor no token can be made", async () => {
  await assert.rejects(fixture.tokens({ instance: undefined }).create(request(), operator), {
    code: "MCA_ATTESTOR_UNKNOWN",
  });
});

test("a token establishes its attributes under the instance's name", async () => {
  const { token, id } = await fixture
    .tokens()
    .create(request({ attributes: attributes({ service: "cart", env: "prod" }) }), operator);
  const evidence = await fixture.attest(token);
  assert.deepEqual(Object.fromEntries(evidence.attributes), { "token.service": "cart", "token.env": "prod" });
  assert.equal(evidence.requester, `token:${id}`);
  assert.deepEqual(evidence.token?.secretSha256, parseJoinToken(token).secretSha256);
});

test("a token of an instance that is no longer configured is refused", async () => {
  const { token } = await fixture.tokens({ instance: "k8s-prod" }).create(request(), operator);
  await assert.rejects(fixture.attest(token), { code: "MCA_TOKEN_UNKNOWN" });
});

test("an expired token is refused from its last millisecond on", async () => {
  const { token } = await fixture.tokens().create(request({ ttlSeconds: 60 }), operator);
  fixture.domain.clock.advance(59_999);
  await fixture.attest(token);
  fixture.domain.clock.advance(1);
  await assert.rejects(fixture.attest(token), { code: "MCA_TOKEN_EXPIRED" });
});

test("a voided token can no longer be redeemed; voiding twice does nothing", async () => {
  const { token, id } = await fixture.tokens().create(request(), operator);
  await fixture.tokens().void(id, operator.requester);
  await assert.rejects(fixture.attest(token), { code: "MCA_TOKEN_VOIDED" });
  await fixture.tokens().void(id, operator.requester);
  assert.deepEqual(
    (await fixture.domain.entries()).filter(({ kind }) => kind === "token.voided").map(({ token: voided }) => voided),
    [id],
  );
  for (const wrong of [randomUUID(), "", "x", id.toUpperCase(), "'; DROP TABLE join_token; --"]) {
    await assert.rejects(fixture.tokens().void(wrong, "a"), { code: "MCA_TOKEN_UNKNOWN" });
  }
});

test("tokens are listed newest first, page by page, without their secrets", async () => {
  const made: string[] = [];
  for (let n = 0; n < 7; n++) {
    made.push((await fixture.tokens().create(request({ attributes: attributes({ service: `s${n}` }) }), operator)).id);
    if (n % 2 === 1) fixture.domain.clock.advance(1);
  }
  const seen: string[] = [];
  let cursor = "";
  do {
    const page = await fixture.tokens().list({ pageSize: 3, cursor });
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
    await assert.rejects(fixture.tokens().list({ pageSize: 3, cursor }), { code: "MCA_QUERY_INVALID" }, cursor);
  }
});
