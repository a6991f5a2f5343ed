// Whoever has the role operator and not admin: what such a caller makes must neither raise anybody nor hide from an admin.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";
import { writeToken } from "../../src/identity-api/attest/token-store.ts";
import { admin, operator, request, TokenFixture } from "../identity-api/attest/token-fixture.ts";
import { attributes, context, rule } from "../identity-api/registry/support.ts";

let fixture: TokenFixture;
beforeEach(async () => {
  fixture = await TokenFixture.create();
});
afterEach(() => fixture.close());

test("a rule with roles that is not in force here counts all the same: it may be on another replica, or after a restart", async () => {
  const other = await fixture.domain.replica();
  const longer = { ...context, ttl: { ...context.ttl, maxSeconds: 2 * context.ttl.maxSeconds } };
  const elsewhere = await other.registry([], { context: longer });
  await elsewhere.apply(
    [
      rule(),
      rule({
        name: "admins",
        priority: 9,
        match: { "token.service": "admin-*", "token.site": "hq" },
        roles: ["admin"],
        ttlSeconds: longer.ttl.maxSeconds,
      }),
    ],
    "a",
  );
  await fixture.registry.refresh();
  const wanted = request({ attributes: attributes({ service: "admin-x", site: "hq" }) });
  const earned = { attributes: attributes({ "token.service": "admin-x", "token.site": "hq" }) };
  assert.deepEqual(fixture.registry.rules().evaluate(earned.attributes).grant?.roles, [], "here it earns no role");
  assert.deepEqual(elsewhere.rules().enrol(earned).roles, ["admin"], "and there it does");

  await assert.rejects(fixture.tokens().create(wanted, operator), { code: "MCA_FORBIDDEN" });
  await fixture.tokens().create(wanted, admin);
  await fixture.tokens().create(request({ attributes: attributes({ service: "admin-x" }) }), operator);
  await fixture.tokens().create(request({ attributes: attributes({ service: "cart", site: "hq" }) }), operator);
});

test("large attributes are refused, so that no page of the list is more than a client takes", async () => {
  const large = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`a${n}`, "\u{65e5}".repeat(512)]));
  await assert.rejects(fixture.tokens().create(request({ attributes: attributes(large) }), operator), {
    code: "MCA_TOKEN_INVALID",
  });
});

test("a page of the list ends before it becomes too large, and the next one goes on from there", async () => {
  const { clock, test: database } = fixture.domain;
  const value = "x".repeat(1000);
  const large = attributes(Object.fromEntries(Array.from({ length: 32 }, (_, n) => [`a${n}`, value])));
  const made = new Set<string>();
  await database.app.transaction(async (tx) => {
    for (let n = 0; n < 70; n++) {
      const id = randomUUID();
      made.add(id);
      await writeToken(tx, {
        secretSha256: new Uint8Array(32).fill(n),
        id,
        attestor: "token",
        attributes: large,
        createdAt: clock.now(),
        createdBy: "a",
        rulesRevision: 0n,
        expiresAt: clock.now() + 1000,
      });
    }
  });
  let cursor = "";
  let pages = 0;
  do {
    const page = await fixture.tokens().list({ pageSize: 1000, cursor });
    assert(page.tokens.length >= 1);
    assert(JSON.stringify(page.tokens.map((token) => [...token.attributes])).length < 1_300_000);
    for (const token of page.tokens) assert(made.delete(token.id), "told once");
    cursor = page.nextCursor;
    pages++;
  } while (cursor !== "");
  assert.equal(made.size, 0);
  assert.equal(pages, 3);
});
