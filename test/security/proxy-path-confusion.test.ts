// Path confusion: one request that we and the application read as two different paths. Every spelling that could be read differently is
// refused before a policy is asked; what is left is read once, and forwarded as it came.
import assert from "node:assert/strict";
import { posix, win32 } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { screenRequest } from "../../src/proxy-tls/http/fields/screen-request.ts";
import { rawRequest, rawRequest2, rulesOf } from "../proxy-tls/support/heads.ts";
import { HOSTILE_TARGETS } from "../proxy-tls/support/hostile-heads.ts";
import { refusalOf } from "../proxy-tls/support/refusal.ts";

const rules = rulesOf();

/** How other servers, frameworks and file systems clean a decoded path. None may change one that we let through. */
const cleanings: readonly ((path: string) => string)[] = [
  (path) => posix.normalize(path),
  (path) => win32.normalize(path).replaceAll("\\", "/"),
  (path) => path.replaceAll("\\", "/"),
  (path) => path.replace(/\/{2,}/g, "/"),
  (path) => path.replace(/;[^/]*/g, ""),
  (path) => path.split("\0", 1).join(""),
  (path) => decodeURIComponent(path),
];

describe("A path that an application could read in another way is refused", () => {
  for (const target of HOSTILE_TARGETS) {
    test(JSON.stringify(target), () => {
      assert.equal(refusalOf(() => screenRequest(rawRequest([], { target }), rules))?.[0], 400);
      assert.equal(refusalOf(() => screenRequest(rawRequest2([], { target }), rules))?.[0], 400);
    });
  }
});

describe("A path that is let through", () => {
  const piece = fc.constantFrom(
    ...[
      "admin",
      "public",
      "/",
      "/",
      "//",
      ".",
      "..",
      "%2e",
      "%2f",
      "%5c",
      "%25",
      "%3b",
      "%00",
      "%c0%ae",
      "%c3%a4",
      "%20",
      "\\",
    ],
    ...[";", "#", "?", "a", "%61", "%32", "65", "%", "*", ":", "@", "%23", "%3f", "%0d%0a", "\u00e4", " "],
  );
  const target = fc.array(piece, { maxLength: 8 }).map((pieces) => `/${pieces.join("")}`);

  test("is read as one path however often it is decoded and cleaned, and goes on as it came", () => {
    let accepted = 0;
    fc.assert(
      fc.property(target, (text) => {
        if (refusalOf(() => screenRequest(rawRequest([], { target: text }), rules)) !== undefined) return;
        accepted += 1;
        const head = screenRequest(rawRequest([], { target: text }), rules);
        assert.equal(head.target, text);
        const raw = text.split("?", 1).join("");
        assert.equal(new URL(`http://a${text}`).pathname, raw);
        assert.equal(decodeURIComponent(raw), head.path);
        for (const clean of cleanings) assert.equal(clean(head.path), head.path);
      }),
      { numRuns: 3_000 },
    );
    assert.ok(accepted > 100, `${accepted} paths were let through: nothing was tried`);
  });

  test("is the same in HTTP/1 and HTTP/2, and whatever follows in the query", () => {
    fc.assert(
      fc.property(target, (text) => {
        const one = refusalOf(() => screenRequest(rawRequest([], { target: text }), rules));
        assert.deepEqual(
          refusalOf(() => screenRequest(rawRequest2([], { target: text }), rules)),
          one,
        );
        if (one !== undefined || text.includes("?")) return;
        const plain = screenRequest(rawRequest([], { target: text }), rules).path;
        const head = screenRequest(rawRequest([], { target: `${text}?/../admin;%2f//%00` }), rules);
        assert.equal(head.path, plain);
      }),
    );
  });
});

test("fields that carry another path or method are refused where policies name those", () => {
  const named = rulesOf({ namesTargets: true, http: { allowUnderscores: true } });
  for (const name of [
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
  ]) {
    assert.deepEqual(
      refusalOf(() => screenRequest(rawRequest([name, "/admin"]), named)),
      [400, "override"],
    );
    assert.deepEqual(
      refusalOf(() => screenRequest(rawRequest2([name, "/admin"]), named)),
      [400, "override"],
    );
    for (const twin of [name.replaceAll("-", "_"), name.replace("-", "."), name.replace("-", "_")]) {
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest([twin, "/admin"]), named)),
        [400, "field-twin"],
        twin,
      );
    }
  }
  assert.deepEqual(refusalOf(() => screenRequest(rawRequest(["connection", "x-original-url"]), named))?.[0], 400);
});
