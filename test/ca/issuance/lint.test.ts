import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IssuanceError } from "../../../src/ca/issuance/index.ts";
import { LintedTbs, type LintIntent, lint } from "../../../src/ca/issuance/lint/index.ts";
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  derTime,
  encodeTbsCertificate,
  extendedKeyUsageExtension,
  keyIdentifier,
  keyUsageExtension,
  oid,
  publicKeyOf,
  subjectAltNameExtension,
  subjectKeyIdExtension,
} from "../../../src/x509/index.ts";
import { makeAuthority, makeCsr, makeKey, makeLeaf, NOW } from "./materials.ts";

const authority = await makeAuthority();
const KEYS = (["ec-p256", "ec-p384", "ed25519", "rsa-2048"] as const).map((each) => publicKeyOf(makeKey(each)));

const segment = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}$/);
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
const leaf = fc
  .record({
    path: fc.array(segment, { minLength: 1, maxLength: 6 }).filter(([first]) => first !== "mesh-ca"),
    dnsNames: fc.array(fc.array(label, { minLength: 1, maxLength: 4 }), { maxLength: 4 }),
    key: fc.constantFrom(...KEYS),
    ttlSeconds: fc.integer({ min: 1, max: 86_400 }),
  })
  .map(({ path, dnsNames, key, ttlSeconds }) =>
    makeLeaf(authority, {
      spiffeId: `spiffe://example.test/${path.join("/")}`,
      dnsNames: dnsNames.map((labels) => labels.join(".")),
      publicKey: key,
      ttlSeconds,
    }),
  );

/** One change to the bytes, as a bug, a flipped bit or an attacker would make it. */
const mutation = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), value: fc.integer({ min: 0, max: 7 }) }),
  fc.record({ kind: fc.constant("insert" as const), at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ kind: fc.constant("delete" as const), at: fc.nat(), value: fc.constant(0) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat(), value: fc.constant(0) }),
  fc.record({ kind: fc.constant("append" as const), at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ kind: fc.constant("swap" as const), at: fc.nat(), value: fc.nat() }),
);
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

function mutate(bytes: Uint8Array, { kind, at, value }: Mutation): Uint8Array {
  const place = bytes.length === 0 ? 0 : at % bytes.length;
  const out = [...bytes];
  switch (kind) {
    case "set":
      out[place] = value;
      break;
    case "flip":
      out[place] = (out[place] ?? 0) ^ (1 << value);
      break;
    case "insert":
      out.splice(place, 0, value);
      break;
    case "delete":
      out.splice(place, 1);
      break;
    case "cut":
      out.length = place;
      break;
    case "append":
      out.push(value);
      break;
    case "swap": {
      const other = bytes.length === 0 ? 0 : value % bytes.length;
      [out[place], out[other]] = [out[other] ?? 0, out[place] ?? 0];
      break;
    }
  }
  return Uint8Array.from(out);
}

const refusedBy = (rule: RegExp) => (error: unknown) =>
  error instanceof IssuanceError && error.code === "MCA_LINT_FAILED" && rule.test(error.details["rule"] ?? "");

test("what the profile writes, the lint accepts, for every key, name and lifetime", () => {
  fc.assert(
    fc.property(leaf, ({ tbs, intent }) => {
      const linted = lint(tbs, intent);
      assert.ok(linted instanceof LintedTbs);
      assert.ok(linted.equals(tbs));
    }),
    { numRuns: 300 },
  );
});

test("whatever is changed in the bytes, the lint notices, unless nothing has changed", () => {
  fc.assert(
    fc.property(leaf, fc.array(mutation, { minLength: 1, maxLength: 3 }), ({ tbs, intent }, mutations) => {
      const changed = mutations.reduce(mutate, tbs);
      if (Buffer.compare(changed, tbs) === 0) return;
      assert.throws(() => lint(changed, intent), refusedBy(/./));
    }),
    { numRuns: 5000 },
  );
});

test("every single octet of a certificate counts: each of its bits, flipped, is noticed", () => {
  const { tbs, intent } = makeLeaf(authority);
  for (let at = 0; at < tbs.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = tbs.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << bit);
      assert.throws(() => lint(changed, intent), refusedBy(/./), `octet ${at}, bit ${bit}`);
    }
  }
});

test("the lint holds the bytes to the intent, whichever of its fields differs", () => {
  const { tbs, intent } = makeLeaf(authority);
  const other = makeCsr().publicKey;
  const changes: readonly (readonly [Partial<LintIntent>, RegExp])[] = [
    [{ serial: intent.serial.map((octet, i) => (i === 16 ? octet ^ 1 : octet)) }, /4\.1\.2\.2/],
    [{ replica: 2 }, /4\.1\.2\.2/],
    [{ signatureAlgorithm: "ecdsa-sha384" }, /4\.1\.1\.2/],
    [{ signatureAlgorithm: "rsa-sha1" }, /4\.1\.1\.2/],
    [{ notBefore: intent.notBefore - 1000 }, /4\.1\.2\.5/],
    [{ notAfter: intent.notAfter + 1000 }, /4\.1\.2\.5/],
    [{ spki: other.spki }, /4\.1\.2\.7/],
    [{ spiffeId: "spiffe://example.test/ns/shop/sa/card" }, /X-1/],
    [{ trustDomain: "other.test" }, /X-12/],
    [{ dnsNames: [] }, /4\.2\.1\.6/],
    [{ dnsNames: [...intent.dnsNames, "more.example.test"] }, /4\.2\.1\.6/],
    [{ idKind: "server" }, /X-17/],
    [{ issuer: { ...intent.issuer, notAfter: intent.notAfter - 1000 } }, /outlives/],
    [{ issuer: { ...intent.issuer, notBefore: intent.notBefore + 1000 } }, /outlives/],
    [{ issuer: { ...intent.issuer, subjectKeyId: intent.issuer.subjectKeyId.slice(1) } }, /X-14/],
    [{ issuer: { ...intent.issuer, subject: Uint8Array.of(0x30, 0x00) } }, /./],
  ];
  for (const [change, rule] of changes) {
    assert.throws(() => lint(tbs, { ...intent, ...change }), refusedBy(rule), JSON.stringify(Object.keys(change)));
  }
});

test("names that no leaf may have are refused even where grant and writer agree on them", () => {
  const ids: readonly (readonly [string, RegExp])[] = [
    ["spiffe://example.test", /X-2/],
    ["spiffe://example.test/", /X-2/],
    ["spiffe://example.test/a//b", /X-2/],
    ["spiffe://example.test/a/", /X-2/],
    ["spiffe://example.test/a/../b", /ID-4/],
    ["spiffe://example.test/./b", /ID-4/],
    ["spiffe://example.test/a%20b", /X-2/],
    ["spiffe://example.test/a?b", /X-2/],
    ["spiffe://user@example.test/a", /X-2/],
    ["spiffe://example.test:443/a", /X-2/],
    ["Spiffe://example.test/a", /X-2/],
    ["spiffe://Example.test/a", /X-2/],
    ["https://example.test/a", /X-2/],
    ["spiffe://other.test/a", /X-12/],
    ["spiffe://example.test/mesh-ca/server", /X-17/],
    ["spiffe://example.test/mesh-ca", /X-17/],
    ["spiffe://example.test/mesh-ca/agent/host1", /X-17/],
    [`spiffe://example.test/${"a".repeat(2048)}`, /ID-5/],
  ];
  for (const [spiffeId, rule] of ids) {
    const { tbs, intent } = makeLeaf(authority, { spiffeId });
    assert.throws(() => lint(tbs, intent), refusedBy(rule), spiffeId);
  }
  for (const name of [
    "*.example.test",
    "Example.test",
    "a..b",
    "-a.test",
    "a_b.test",
    "",
    ".",
    `${"a".repeat(64)}.test`,
  ]) {
    const { tbs, intent } = makeLeaf(authority, { dnsNames: [name] });
    assert.throws(() => lint(tbs, intent), refusedBy(/4\.2\.1\.6/), name);
  }
});

test("the server's own ID is accepted for the server alone", () => {
  const { tbs, intent } = makeLeaf(authority, { spiffeId: "spiffe://example.test/mesh-ca/server" });
  lint(tbs, { ...intent, idKind: "server" });
  assert.throws(() => lint(tbs, { ...intent, idKind: "probe" }), refusedBy(/X-17/));
  assert.throws(() => lint(tbs, { ...intent, idKind: "workload" }), refusedBy(/X-17/));
});

/** Every way to write the same tree with one length in a longer form than DER allows. */
function longForms(bytes: Uint8Array): Uint8Array[] {
  const children = (from: number, to: number): readonly (readonly [number, number, number])[] => {
    const out: [number, number, number][] = [];
    for (let at = from; at < to; ) {
      const first = bytes[at + 1] ?? 0;
      const octets = first < 0x80 ? 0 : first - 0x80;
      let length = octets === 0 ? first : 0;
      for (let i = 0; i < octets; i++) length = length * 256 + (bytes[at + 2 + i] ?? 0);
      const start = at + 2 + octets;
      out.push([at, start, start + length]);
      at = start + length;
    }
    return out;
  };
  const header = (tag: number, length: number, longer: boolean): number[] => {
    const minimal = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
    const long = length < 0x80 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
    return [tag, ...(longer ? long : minimal)];
  };
  const write = (from: number, to: number, target: number): number[] =>
    children(from, to).flatMap(([at, start, end]) => {
      const tag = bytes[at] ?? 0;
      const inner = (tag & 0x20) !== 0 ? write(start, end, target) : [...bytes.subarray(start, end)];
      return [...header(tag, inner.length, at === target), ...inner];
    });
  const places = (from: number, to: number): number[] =>
    children(from, to).flatMap(([at, start, end]) => [at, ...((bytes[at] ?? 0) & 0x20 ? places(start, end) : [])]);
  return places(0, bytes.length).map((place) => Uint8Array.from(write(0, bytes.length, place)));
}

test("a length in a longer form than the shortest is noticed, wherever it stands", () => {
  const { tbs, intent } = makeLeaf(authority);
  const forms = longForms(tbs).filter((form) => Buffer.compare(form, tbs) !== 0);
  assert.ok(forms.length > 30);
  for (const form of forms) assert.throws(() => lint(form, intent), refusedBy(/./), Buffer.from(form).toString("hex"));
});

test("several URI names are refused, even the granted one twice", () => {
  const { intent } = makeLeaf(authority, { dnsNames: [] });
  const { subjectKeyId } = authority.certificate;
  const key = KEYS[0];
  assert.ok(subjectKeyId && key);
  for (const uris of [[], [intent.spiffeId, intent.spiffeId], [intent.spiffeId, "https://example.test/"]]) {
    const tbs = encodeTbsCertificate({
      ...intent,
      signatureAlgorithm: "ecdsa-sha256",
      issuer: intent.issuer.subject,
      subject: Uint8Array.of(0x30, 0x00),
      spki: key.spki,
      extensions: [
        subjectAltNameExtension(
          uris.map((value) => ({ kind: "uri" as const, value })),
          true,
        ),
        keyUsageExtension(["digitalSignature"]),
        extendedKeyUsageExtension([oid.serverAuth, oid.clientAuth]),
        basicConstraintsExtension({ ca: false }),
        subjectKeyIdExtension(keyIdentifier(key)),
        authorityKeyIdExtension(subjectKeyId),
      ],
    });
    assert.throws(() => lint(tbs, { ...intent, spki: key.spki }), refusedBy(/X-1/));
  }
});

test("times that do not exist or are written otherwise are no times", () => {
  const { tbs, intent } = makeLeaf(authority);
  const at = Buffer.from(tbs).indexOf(Buffer.from(derTime(intent.notBefore)));
  assert.ok(at > 0);
  for (const text of [
    "261331120000Z",
    "260631120000Z",
    "261121240000Z",
    "261121126000Z",
    "26112111590+Z",
    "2611211159000",
  ]) {
    const changed = tbs.slice();
    changed.set(Buffer.from(text, "latin1"), at + 2);
    assert.throws(() => lint(changed, intent), refusedBy(/4\.1\.2\.5/), text);
  }
});

test("certificates of the years from 2050 on are written and read with GeneralizedTime", async () => {
  const now = Date.UTC(2049, 11, 31, 23, 30, 0);
  const late = await makeAuthority("ec-p256", { now });
  const base = makeLeaf(late);
  const { LeafProfile } = await import("../../../src/ca/issuance/profile.ts");
  const { publicKey } = makeCsr();
  const fields = { ...base.intent, notBefore: now - 60_000, notAfter: now + 3_600_000 };
  const tbs = new LeafProfile(late.certificate, "ecdsa-sha256").build({ ...fields, publicKey });
  lint(tbs, { ...fields, spki: publicKey.spki });
  assert.ok(Buffer.from(tbs).includes(Buffer.from("20500101003000Z", "latin1")));
});

test("what the lint accepted is remembered: bytes that change afterwards are noticed", () => {
  const { tbs, intent } = makeLeaf(authority);
  const linted = lint(tbs, intent);
  tbs[tbs.length - 1] = (tbs[tbs.length - 1] ?? 0) ^ 1;
  assert.equal(linted.equals(tbs), false);
  assert.equal(linted.equals(linted.bytes), false);
});

test("a LintedTbs cannot be made without the lint", () => {
  // @ts-expect-error the key is the lint's own
  assert.throws(() => new LintedTbs(Symbol("forged"), new Uint8Array(1)), TypeError);
  assert.ok(NOW > 0);
});
