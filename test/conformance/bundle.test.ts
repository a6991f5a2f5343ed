// SPIFFE bundles: the rules B-1 to B-10 of the conformance table.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Bundle,
  type BundleKey,
  encodeBundle,
  encodeBundleMap,
  parseBundle,
  parseBundleMap,
  publishedAnchors,
  SpiffeError,
  TrustDomain,
  X509SvidVerifier,
} from "../../src/spiffe/index.ts";
import { publicKeyOf } from "../../src/x509/index.ts";
import { certificatesOf, trustDomain, trustOf } from "../spiffe/support.ts";
import { createIntermediate, createLeaf, createRoot, type TestKeyKind, testKey } from "../support/pki.ts";

const root = createRoot();
const other = createRoot({ subject: "Other Root" });
const b64 = (der: Uint8Array): string => Buffer.from(der).toString("base64");
const jwtKey = (keyId: string, kind: TestKeyKind = "ec-p256"): BundleKey => ({
  keyId,
  spki: publicKeyOf(testKey(kind, keyId)).spki,
});

/** The JSON of a bundle with one X.509 authority, changed by the test. */
function changed(change: (bundle: { keys: Record<string, unknown>[]; [name: string]: unknown }) => void): string {
  const bundle = JSON.parse(encodeBundle({ x509Authorities: [root.certificate], jwtAuthorities: [jwtKey("a")] }));
  change(bundle);
  return JSON.stringify(bundle);
}

function refuses(text: string, rule: string): void {
  assert.throws(
    () => parseBundle(text, trustDomain),
    (error: unknown) =>
      error instanceof SpiffeError && error.code === "MCA_BUNDLE_INVALID" && error.details["rule"] === rule,
    text.slice(0, 200),
  );
}

test("B-1: a bundle is an object with a list `keys`, and an empty list means that nobody is trusted", () => {
  const empty = parseBundle('{"keys": []}', trustDomain);
  assert.deepEqual(empty.x509Authorities, []);
  const leaf = createLeaf(root);
  assert.throws(
    () =>
      new X509SvidVerifier(trustOf({ anchors: empty.x509Authorities, authorities: undefined })).verify(
        [leaf.certificate],
        Date.now(),
      ),
    { code: "MCA_SVID_UNTRUSTED" },
  );
  for (const text of [
    "",
    "{}",
    "[]",
    "null",
    '"keys"',
    '{"keys": null}',
    '{"keys": {}}',
    '{"keys": [1]}',
    '{"keys": [[]]}',
    '{"keys": []',
    '{"keys": []}x',
  ]) {
    refuses(text, "B-1");
  }
  assert.match(encodeBundle({ x509Authorities: [] }), /"keys": \[\]/);
});

test("B-2: spiffe_sequence keeps every digit in both directions", () => {
  for (const sequence of [0n, 1n, 2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 64n - 1n]) {
    const text = encodeBundle({ x509Authorities: [root.certificate], sequence });
    assert.ok(text.includes(`"spiffe_sequence": ${sequence}`));
    assert.equal(parseBundle(text, trustDomain).sequence, sequence);
  }
  assert.equal(parseBundle('{"keys": []}', trustDomain).sequence, undefined);
  for (const value of ["-1", "1.5", "1e3", '"1"', "null", "[]"])
    refuses(`{"keys": [], "spiffe_sequence": ${value}}`, "B-2");
});

test("B-3: spiffe_refresh_hint is an integer of seconds, and 300 where it is missing", () => {
  assert.equal(parseBundle('{"keys": [], "spiffe_refresh_hint": 2419200}', trustDomain).refreshHintSeconds, 2_419_200);
  assert.equal(parseBundle('{"keys": []}', trustDomain).refreshHintSeconds, 300);
  assert.match(encodeBundle({ x509Authorities: [], refreshHintSeconds: 60 }), /"spiffe_refresh_hint": 60/);
  for (const value of ["-1", "0.5", '"300"', "null", "99999999999999999999"]) {
    refuses(`{"keys": [], "spiffe_refresh_hint": ${value}}`, "B-3");
  }
});

test("B-4: an X.509 authority is written with use, key parameters and exactly one certificate, without kid", () => {
  for (const kind of ["ec-p256", "ec-p384", "rsa-2048", "ed25519"] as const) {
    const authority = createRoot({ key: testKey(kind, "bundle") });
    const text = encodeBundle({ x509Authorities: [authority.certificate] });
    const [jwk] = JSON.parse(text).keys;
    assert.equal(jwk.use, "x509-svid");
    assert.equal("kid" in jwk, false);
    assert.deepEqual(jwk.x5c, [b64(authority.der)]);
    const { kty, crv, x, y, n, e } = jwk;
    const expected = { ...authority.key.export({ format: "jwk" }) };
    assert.deepEqual(
      [kty, crv, x, y, n, e],
      [expected.kty, expected.crv, expected.x, expected.y, expected.n, expected.e],
    );
    assert.deepEqual(
      parseBundle(text, trustDomain).x509Authorities.map(({ der }) => b64(der)),
      [b64(authority.der)],
    );
  }
});

test("B-4: an entry whose certificate is unreadable, no CA, or of another key refuses the whole bundle", () => {
  const set = (name: string, value: unknown) =>
    changed((bundle) => Object.assign(bundle.keys[0] ?? {}, { [name]: value }));
  refuses(set("x5c", "text"), "B-4");
  refuses(set("x5c", [1]), "B-4");
  refuses(set("x5c", ["AAAA"]), "B-4");
  refuses(set("x5c", [`${b64(root.der)}\n`]), "B-4");
  refuses(set("x5c", [Buffer.from(root.der).toString("base64url")]), "B-4");
  refuses(set("x5c", [b64(createLeaf(root).der)]), "B-4");
  refuses(set("x5c", [b64(other.der)]), "B-4");
  refuses(set("x", "AAAA"), "B-4");
  refuses(set("y", undefined), "B-4");
});

test("B-5: signing keys for JWT and WIT have a kid, unique in the whole bundle", () => {
  const bundle = {
    x509Authorities: [root.certificate],
    jwtAuthorities: [jwtKey("jwt-1"), jwtKey("jwt-2", "rsa-2048")],
    witAuthorities: [jwtKey("wit-1")],
  };
  const text = encodeBundle(bundle);
  const [, first, second, third] = JSON.parse(text).keys;
  assert.deepEqual([first.use, first.kid, first.kty], ["jwt-svid", "jwt-1", "EC"]);
  assert.deepEqual([second.use, second.kid, second.kty], ["jwt-svid", "jwt-2", "RSA"]);
  assert.deepEqual([third.use, third.kid], ["wit-svid", "wit-1"]);
  const read = parseBundle(text, trustDomain);
  assert.deepEqual(read.jwtAuthorities, bundle.jwtAuthorities);
  assert.deepEqual(read.witAuthorities, bundle.witAuthorities);

  refuses(
    changed(({ keys }) => delete keys[1]?.["kid"]),
    "B-5",
  );
  refuses(
    changed(({ keys }) => Object.assign(keys[1] ?? {}, { kid: "" })),
    "B-5",
  );
  refuses(
    changed(({ keys }) => Object.assign(keys[1] ?? {}, { kid: 1 })),
    "B-5",
  );
  refuses(
    changed(({ keys }) => Object.assign(keys[1] ?? {}, { x: "AAAA" })),
    "B-5",
  );
  refuses(
    changed(({ keys }) => keys.push({ ...keys[1] })),
    "B-5",
  );
  refuses(
    changed(({ keys }) => keys.push({ ...keys[1], use: "wit-svid" })),
    "B-5",
  );
  const twice = { x509Authorities: [], jwtAuthorities: [jwtKey("a")], witAuthorities: [jwtKey("a")] };
  assert.throws(() => encodeBundle(twice), { code: "MCA_BUNDLE_INVALID" });
});

test("B-6: keys of unknown type or use, and X.509 entries without a certificate, are left out", () => {
  const ignored = (jwk: Record<string, unknown>) => {
    const read = parseBundle(
      changed(({ keys }) => keys.push(jwk)),
      trustDomain,
    );
    assert.equal(read.x509Authorities.length, 1);
    assert.equal(read.jwtAuthorities.length, 1);
  };
  ignored({});
  ignored({ kty: "AKP", use: "x509-svid", x5c: [b64(other.der)] });
  ignored({ kty: "ec", use: "x509-svid", x5c: [b64(other.der)] });
  ignored({ kty: 5, use: "x509-svid", x5c: [b64(other.der)] });
  ignored({ kty: "oct", use: "jwt-svid", kid: "b", k: "AAAA" });
  ignored({ kty: "EC", x5c: [b64(other.der)] });
  ignored({ kty: "EC", use: "sig", x5c: [b64(other.der)] });
  ignored({ kty: "EC", use: "X509-SVID", x5c: [b64(other.der)] });
  ignored({ kty: "EC", use: "x509-svid" });
  ignored({ kty: "EC", use: "x509-svid", x5c: [] });
});

test("B-6: only the first certificate of x5c is used", () => {
  const text = changed(({ keys }) =>
    Object.assign(keys[0] ?? {}, { x5c: [b64(root.der), b64(other.der), "nonsense"] }),
  );
  assert.deepEqual(
    parseBundle(text, trustDomain).x509Authorities.map(({ sha256 }) => sha256),
    [root.certificate.sha256],
  );
});

test("B-7: nothing is written that the standards do not define, and a published private key is refused", () => {
  const text = encodeBundle({
    x509Authorities: [root.certificate],
    jwtAuthorities: [jwtKey("a")],
    sequence: 1n,
    refreshHintSeconds: 300,
  });
  const bundle = JSON.parse(text);
  assert.deepEqual(Object.keys(bundle), ["keys", "spiffe_sequence", "spiffe_refresh_hint"]);
  assert.deepEqual(Object.keys(bundle.keys[0]), ["kty", "use", "crv", "x", "y", "x5c"]);
  assert.deepEqual(Object.keys(bundle.keys[1]), ["kty", "use", "crv", "x", "y", "kid"]);
  refuses(
    changed(({ keys }) => Object.assign(keys[1] ?? {}, { d: "AAAA" })),
    "B-7",
  );
  assert.equal(
    parseBundle(
      changed(({ keys }) => Object.assign(keys[1] ?? {}, { alg: "ES256" })),
      trustDomain,
    ).jwtAuthorities.length,
    1,
  );
});

test("B-8: unknown members at the top are no reason to refuse", () => {
  assert.equal(parseBundle('{"keys": [], "extra": {"deep": [1, 2.5, null]}}', trustDomain).x509Authorities.length, 0);
});

test("B-9: a bundle map names each trust domain once, and inner refresh hints are neither written nor read", () => {
  const bundleOf = (name: string): Bundle => ({
    trustDomain: TrustDomain.parse(name),
    x509Authorities: [root.certificate],
    jwtAuthorities: [],
    witAuthorities: [],
    sequence: 2n ** 60n,
    refreshHintSeconds: 7,
  });
  const text = encodeBundleMap([bundleOf("one.test"), bundleOf("__proto__"), bundleOf("123")]);
  assert.equal(text.includes("spiffe_refresh_hint"), false);
  const map = parseBundleMap(text);
  assert.deepEqual([...map.keys()], ["one.test", "__proto__", "123"]);
  assert.equal(map.get("one.test")?.sequence, 2n ** 60n);
  assert.equal(map.get("__proto__")?.trustDomain.name, "__proto__");
  assert.throws(() => encodeBundleMap([bundleOf("one.test"), bundleOf("one.test")]), { code: "MCA_BUNDLE_INVALID" });

  assert.equal(
    parseBundleMap('{"trust_domains": {"one.test": {"keys": [], "spiffe_refresh_hint": 7}}}').get("one.test")
      ?.refreshHintSeconds,
    300,
  );
  for (const wrong of [
    "{}",
    '{"trust_domains": []}',
    '{"trust_domains": {"one.test": {"keys": []}, "one.test": {"keys": []}}}',
    '{"trust_domains": {"one.test": []}}',
    '{"trust_domains": {"One.test": {"keys": []}}}',
    '{"trust_domains": {"spiffe://one.test": {"keys": []}}}',
    '{"trust_domains": {"one.test": {}}}',
  ]) {
    assert.throws(() => parseBundleMap(wrong), { code: "MCA_BUNDLE_INVALID" }, wrong);
  }
});

test("B-9: a name that stands twice anywhere in a bundle is refused", () => {
  refuses('{"keys": [], "keys": []}', "B-1");
  refuses('{"keys": [{"kty": "EC", "kty": "RSA"}]}', "B-1");
  refuses('{"keys": [], "spiffe_sequence": 1, "spiffe_sequence": 2}', "B-1");
});

test("B-10: bundles of two trust domains stay apart: a verifier knows the anchors of one", () => {
  const [one, two] = [createIntermediate(root), createIntermediate(other)];
  const text = `{"trust_domains": {"example.test": ${encodeBundle({ x509Authorities: [root.certificate] })}, "other.test": ${encodeBundle({ x509Authorities: [other.certificate] })}}}`;
  const map = parseBundleMap(text);
  const bundle = map.get("example.test");
  assert.ok(bundle);
  const verifier = new X509SvidVerifier(trustOf({ anchors: bundle.x509Authorities, authorities: undefined }));
  assert.ok(verifier.verify(certificatesOf(createLeaf(one), one), Date.now()));
  assert.throws(() => verifier.verify(certificatesOf(createLeaf(two), two), Date.now()), {
    code: "MCA_SVID_UNTRUSTED",
  });
  const foreign = createLeaf(two, { spiffeId: "spiffe://other.test/cart" });
  assert.throws(() => verifier.verify(certificatesOf(foreign, two), Date.now()), { code: "MCA_SVID_UNTRUSTED" });
});

test("a bundle is read within bounds", () => {
  refuses(`{"keys": [], "x": "${"a".repeat(5 * 1024 * 1024)}"}`, "B-1");
  refuses(`{"keys": [], "x": ${"[".repeat(100)}${"]".repeat(100)}}`, "B-1");
  refuses(`{"keys": [], "spiffe_sequence": ${"9".repeat(100)}}`, "B-1");
});

test("B-3: the largest refresh hint is one of 31 bits", () => {
  const hinted = (hint: bigint): string => `{"keys": [], "spiffe_refresh_hint": ${hint}}`;
  assert.equal(parseBundle(hinted(2n ** 31n - 1n), trustDomain).refreshHintSeconds, 2 ** 31 - 1);
  refuses(hinted(2n ** 31n), "B-3");
});

test("B-4: an x5c is a list whose first entry is base64 of a CA certificate", () => {
  const leaf = createLeaf(root);
  const withChain = (x5c: unknown): string =>
    changed(({ keys }) => {
      Object.assign(keys[0] ?? {}, { x5c });
    });
  for (const x5c of ["text", {}, { 0: b64(root.der) }, 7, null]) refuses(withChain(x5c), "B-4");
  for (const x5c of [[7], [null], ["!"], [b64(root.der).slice(0, -1)]]) {
    assert.throws(() => parseBundle(withChain(x5c), trustDomain), /does not hold base64|cannot be read/);
  }
  const ofLeaf = changed(({ keys }) => {
    const { x, y } = leaf.key.export({ format: "jwk" });
    Object.assign(keys[0] ?? {}, { x5c: [b64(leaf.der)], x, y });
  });
  assert.throws(() => parseBundle(ofLeaf, trustDomain), /\(rule B-4\).*is not a CA/);
});

test("B-5: an empty kid is none, for readers and writers", () => {
  refuses(
    changed(({ keys }) => {
      Object.assign(keys[1] ?? {}, { kid: "" });
    }),
    "B-5",
  );
  assert.throws(() => encodeBundle({ x509Authorities: [], jwtAuthorities: [jwtKey("")] }), /B-5/);
});

test("B-5: a key parameter that is not base64url is refused, although OpenSSL would read it", () => {
  for (const change of [(x: unknown) => `${x}=`, () => 7, () => undefined]) {
    refuses(
      changed(({ keys }) => {
        Object.assign(keys[1] ?? {}, { x: change(keys[1]?.["x"]) });
      }),
      "B-5",
    );
  }
});

test("B-2: anchors are written by notBefore, then by hash, whatever order they are known in", () => {
  const early = createRoot({ subject: "Early", notBefore: 1_700_000_000_000 });
  const twins = ["One", "Two", "Three"].map((subject) => createRoot({ subject, notBefore: 1_750_000_000_000 }));
  const late = createRoot({ subject: "Late", notBefore: 1_770_000_000_000 });
  const hashes = (list: readonly { sha256: string }[]): string[] => list.map(({ sha256 }) => sha256);
  const expected = [early.certificate.sha256, ...hashes(certificatesOf(...twins)).sort(), late.certificate.sha256];
  const known = certificatesOf(late, ...twins, early);
  for (const anchors of [known, [...known].reverse()]) {
    assert.deepEqual(hashes(publishedAnchors({ anchors })), expected);
  }
});
