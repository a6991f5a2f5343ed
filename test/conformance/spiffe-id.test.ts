// SPIFFE-ID, section 2: the rules ID-1 to ID-7 of the conformance table, one by one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SpiffeError, SpiffeId, TrustDomain } from "../../src/spiffe/index.ts";

function refuses(text: string, rule: string): void {
  assert.throws(
    () => SpiffeId.parse(text),
    (error: unknown) =>
      error instanceof SpiffeError && error.code === "MCA_SPIFFE_ID_INVALID" && error.details["rule"] === rule,
    JSON.stringify(text),
  );
}

test("ID-1: the scheme is spiffe, in lower case, and nothing else", () => {
  assert.equal(SpiffeId.parse("spiffe://example.test/a").toString(), "spiffe://example.test/a");
  for (const text of [
    "",
    "spiffe",
    "spiffe:",
    "spiffe:/example.test/a",
    "spiffe:example.test/a",
    "Spiffe://example.test/a",
    "SPIFFE://example.test/a",
    "https://example.test/a",
    " spiffe://example.test/a",
    "\tspiffe://example.test/a",
    "xspiffe://example.test/a",
    "//example.test/a",
    "example.test/a",
  ]) {
    refuses(text, "ID-1");
  }
});

test("ID-2: the trust domain is not empty and has no user, port, query or fragment", () => {
  for (const authority of ["", "user@example.test", "user:word@example.test", "example.test:8443", "example.test:"]) {
    refuses(`spiffe://${authority}/a`, "ID-2");
    refuses(`spiffe://${authority}`, "ID-2");
  }
  refuses("spiffe://example.test?x=1", "ID-2");
  refuses("spiffe://example.test#x", "ID-2");
  refuses("spiffe:///a", "ID-2");
  refuses("spiffe://example.test/a?x=1", "ID-4");
  refuses("spiffe://example.test/a#x", "ID-4");
});

test("ID-3: a trust domain holds only lower-case letters, digits, dots, dashes and underscores", () => {
  for (const name of [
    "a",
    "example.test",
    "EXAMPLE.test".toLowerCase(),
    "a_b-c.d",
    "127.0.0.1",
    "-",
    "..",
    "1",
    "__proto__",
  ]) {
    assert.equal(SpiffeId.parse(`spiffe://${name}/a`).trustDomain.name, name);
    assert.equal(TrustDomain.parse(name).id, `spiffe://${name}`);
  }
  for (const name of [
    "Example.test",
    "ex%61mple.test",
    "exämple.test",
    "example .test",
    "example.test\n",
    "a,b",
    "a*",
    "a~b",
    "\u{130}",
    "ｅxample",
  ]) {
    refuses(`spiffe://${name}/a`, "ID-3");
    assert.throws(() => TrustDomain.parse(name), { code: "MCA_TRUST_DOMAIN_INVALID" });
  }
  refuses("spiffe://[::1]/a", "ID-2");
});

test("ID-4: path segments are not empty, not dots alone, and hold only letters, digits, dots, dashes and underscores", () => {
  for (const path of ["", "/a", "/A/b/C", "/...", "/.path", "/a.b", "/-", "/_", "/0", "/a/....", "/..a", "/a.."]) {
    assert.equal(SpiffeId.parse(`spiffe://example.test${path}`).path, path);
  }
  for (const path of [
    "/",
    "//",
    "/a/",
    "//a",
    "/a//b",
    "/.",
    "/..",
    "/./a",
    "/../a",
    "/a/.",
    "/a/..",
    "/a/../b",
    "/%61",
    "/a%2Fb",
    "/a b",
    "/a\n",
    "/a\u0000",
    "/ä",
    "/a\\b",
    "/a:b",
    "/a@b",
    "/a+b",
    "/a~b",
    "/{a}",
    "/*",
  ]) {
    refuses(`spiffe://example.test${path}`, "ID-4");
    assert.throws(() => SpiffeId.of(TrustDomain.parse("example.test"), path), { code: "MCA_SPIFFE_ID_INVALID" });
  }
  assert.throws(() => SpiffeId.of(TrustDomain.parse("example.test"), "a"), { code: "MCA_SPIFFE_ID_INVALID" });
});

test("ID-5: an ID of 2048 bytes is accepted and one of 2049 refused; trust domains end at 255 bytes", () => {
  const prefix = "spiffe://example.test/";
  const longest = prefix + "a".repeat(2048 - prefix.length);
  assert.equal(SpiffeId.parse(longest).toString(), longest);
  refuses(`${longest}a`, "ID-5");
  const trustDomain = TrustDomain.parse("example.test");
  assert.equal(SpiffeId.of(trustDomain, longest.slice("spiffe://example.test".length)).toString(), longest);
  assert.throws(() => SpiffeId.of(trustDomain, `${longest.slice("spiffe://example.test".length)}a`), {
    code: "MCA_SPIFFE_ID_INVALID",
  });

  assert.equal(TrustDomain.parse("a".repeat(255)).name.length, 255);
  assert.throws(() => TrustDomain.parse("a".repeat(256)), { code: "MCA_TRUST_DOMAIN_INVALID" });
  refuses(`spiffe://${"a".repeat(256)}/a`, "ID-5");
});

test("ID-6: paths differ by case, and trust domains are compared exactly", () => {
  const id = SpiffeId.parse("spiffe://example.test/Cart");
  assert.equal(id.equals(SpiffeId.parse("spiffe://example.test/Cart")), true);
  assert.equal(id.equals(SpiffeId.parse("spiffe://example.test/cart")), false);
  assert.equal(TrustDomain.parse("example.test").equals(TrustDomain.parse("example.test")), true);
  assert.equal(TrustDomain.parse("example.test").equals(TrustDomain.parse("example.test.")), false);
});

test("ID-7: the trust domain's own ID has no path", () => {
  const trustDomain = TrustDomain.parse("example.test");
  assert.equal(trustDomain.id, "spiffe://example.test");
  assert.equal(SpiffeId.parse(trustDomain.id).path, "");
  assert.equal(SpiffeId.of(trustDomain, "").toString(), trustDomain.id);
});
