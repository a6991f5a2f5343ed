import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AuthorityError } from "../../../src/ca/authority/index.ts";
import { DEFAULT_ISSUANCE_SETTINGS, IssuanceError } from "../../../src/ca/issuance/index.ts";
import { decideLifetime, type LifetimeQuestion } from "../../../src/ca/issuance/lifetime.ts";
import { chooseRenewAt } from "../../../src/ca/issuance/renewal.ts";
import { createSerial } from "../../../src/ca/issuance/serial.ts";
import { systemRandom } from "../../../src/runtime/index.ts";
import { NOW } from "./materials.ts";

const HOUR = 3_600_000;
const base: LifetimeQuestion = {
  now: NOW + 789,
  granted: { ttlSeconds: 3600, rule: "shop" },
  issuer: { notBefore: NOW - 24 * HOUR, notAfter: NOW + 100 * HOUR },
  settings: DEFAULT_ISSUANCE_SETTINGS,
};

test("a certificate begins a clock skew ago, ends after its lifetime, in whole seconds", () => {
  assert.deepEqual(decideLifetime(base), {
    notBefore: NOW - 60_000,
    notAfter: NOW + HOUR,
    ttlSeconds: 3600,
    shortenedBy: "",
  });
});

test("it never begins before its issuer does", () => {
  const issuer = { notBefore: NOW - 5000, notAfter: NOW + 100 * HOUR };
  assert.equal(decideLifetime({ ...base, issuer }).notBefore, NOW - 5000);
});

test("the caller gets what it wishes for, up to what the rule grants, and hears which rule shortened it", () => {
  const shorter = decideLifetime({ ...base, askedTtlSeconds: 900 });
  assert.deepEqual([shorter.ttlSeconds, shorter.shortenedBy], [900, ""]);
  const longer = decideLifetime({ ...base, askedTtlSeconds: 7200 });
  assert.deepEqual([longer.ttlSeconds, longer.shortenedBy], [3600, "rule shop: ttlSeconds 3600"]);
  const none = decideLifetime({ ...base, askedTtlSeconds: 0 });
  assert.deepEqual([none.ttlSeconds, none.shortenedBy], [3600, ""]);
  const policy = decideLifetime({ ...base, granted: { ...base.granted, shortenedBy: "policy" } });
  assert.equal(policy.shortenedBy, "policy");
  const most = decideLifetime({ ...base, granted: { ttlSeconds: 900_000, rule: "shop" } });
  assert.deepEqual([most.ttlSeconds, most.shortenedBy], [86_400, "issuance.maxTtlSeconds 86400"]);
});

test("nothing outlives its issuer, and the answer says so", () => {
  const issuer = { notBefore: NOW - 24 * HOUR, notAfter: NOW + 1800_000 };
  const lifetime = decideLifetime({ ...base, issuer });
  assert.equal(lifetime.notAfter, issuer.notAfter);
  assert.match(lifetime.shortenedBy, /authority's certificate ends at 2026-11-21T12:30:00.000Z/);
});

test("under the floor nothing is issued: by wish MCA_TTL_TOO_SHORT, by the issuer's end MCA_ISSUER_EXPIRING", () => {
  assert.throws(
    () => decideLifetime({ ...base, askedTtlSeconds: 599 }),
    (error) => error instanceof IssuanceError && error.code === "MCA_TTL_TOO_SHORT",
  );
  assert.throws(
    () => decideLifetime({ ...base, granted: { ttlSeconds: Number.NaN, rule: "shop" } }),
    (error) => error instanceof IssuanceError && error.code === "MCA_TTL_TOO_SHORT",
  );
  for (const leftSeconds of [599, 0, -5]) {
    const issuer = { notBefore: NOW - 24 * HOUR, notAfter: NOW + leftSeconds * 1000 };
    assert.throws(
      () => decideLifetime({ ...base, issuer }),
      (error) => error instanceof AuthorityError && error.code === "MCA_ISSUER_EXPIRING",
    );
  }
  const issuer = { notBefore: NOW - 24 * HOUR, notAfter: NOW + 600_000 };
  assert.equal(decideLifetime({ ...base, issuer }).ttlSeconds, 600);
});

test("whatever is asked and granted: within the issuer's time, within the bounds, or refused", () => {
  const question = fc.record({
    now: fc.integer({ min: NOW, max: NOW + 10 * HOUR }),
    ttlSeconds: fc.integer({ min: 0, max: 200_000 }),
    askedTtlSeconds: fc.option(fc.integer({ min: 0, max: 200_000 }), { nil: undefined }),
    since: fc.integer({ min: 0, max: 100_000 }),
    left: fc.integer({ min: -1000, max: 200_000 }),
  });
  fc.assert(
    fc.property(question, ({ now, ttlSeconds, askedTtlSeconds, since, left }) => {
      const second = Math.floor(now / 1000) * 1000;
      const issuer = { notBefore: second - since * 1000, notAfter: second + left * 1000 };
      const { settings } = base;
      try {
        const made = decideLifetime({ now, granted: { ttlSeconds, rule: "r" }, askedTtlSeconds, issuer, settings });
        assert.ok(made.notBefore >= issuer.notBefore && made.notAfter <= issuer.notAfter);
        assert.ok(made.notBefore % 1000 === 0 && made.notAfter % 1000 === 0);
        assert.ok(made.ttlSeconds >= settings.minTtlSeconds && made.ttlSeconds <= settings.maxTtlSeconds);
        assert.ok(made.ttlSeconds <= ttlSeconds && made.ttlSeconds <= (askedTtlSeconds || ttlSeconds));
        assert.equal(made.notAfter, second + made.ttlSeconds * 1000);
        const wished = askedTtlSeconds || ttlSeconds;
        assert.equal(made.shortenedBy !== "", made.ttlSeconds < wished);
      } catch (error) {
        assert.ok(error instanceof IssuanceError || error instanceof AuthorityError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test("renewal lies within a twentieth of half the lifetime, spread, and never nearer than half the floor", () => {
  const seen = new Set<number>();
  for (let i = 0; i < 500; i++) {
    const at = chooseRenewAt(NOW, NOW + HOUR, 600, systemRandom) - NOW;
    assert.ok(at >= 0.45 * HOUR - 1 && at <= 0.55 * HOUR + 1);
    seen.add(at);
  }
  assert.ok(seen.size > 300);
  const low = { bytes: (length: number) => new Uint8Array(length) };
  assert.equal(chooseRenewAt(NOW, NOW + 600_000, 600, low) - NOW, 300_000);
});

test("a serial number has 17 octets, the replica first, and differs each time", () => {
  const serials = new Set(
    Array.from({ length: 1000 }, () => Buffer.from(createSerial(5, systemRandom)).toString("hex")),
  );
  assert.equal(serials.size, 1000);
  for (const serial of serials) assert.match(serial, /^05[0-9a-f]{32}$/);
  for (const replica of [0, 128, -1, 1.5]) assert.throws(() => createSerial(replica, systemRandom), TypeError);
});
