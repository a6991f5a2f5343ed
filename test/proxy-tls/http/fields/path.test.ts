import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  type PathRelaxation,
  parsePath,
  parseTarget,
  pathRules,
  STRICT_PATH,
} from "../../../../src/proxy-tls/http/fields/path.ts";
import { refusalOf } from "../../support/refusal.ts";

const RELAXATIONS: readonly PathRelaxation[] = [
  ...(["encoded-slash", "encoded-percent", "semicolon", "double-slash", "encoded-unreserved"] as const),
];

describe("A request target", () => {
  const read: readonly (readonly [target: string, path: string])[] = [
    ["/", "/"],
    ["/?", "/"],
    ["/a/b", "/a/b"],
    ["/a/", "/a/"],
    ["/a?b=/../;//&c=%2f%00?d", "/a"],
    ["/.a/..b/a./a../...", "/.a/..b/a./a../..."],
    ["/a:b@c!$&'()*+,=-._~", "/a:b@c!$&'()*+,=-._~"],
    ["/%20", "/ "],
    ["/%c3%a4%E2%82%AC", "/\u00e4\u20ac"],
    ["/%ef%bb%bfa", "/\ufeffa"],
    ["/%f0%9f%98%80", "/\u{1f600}"],
    ["/%23%3f%5b%7B", "/#?[{"],
    ["/%2a%2B", "/*+"],
  ];
  for (const [target, path] of read) {
    test(`${target} has the path ${path}`, () => assert.equal(parseTarget("GET", target, STRICT_PATH), path));
  }

  const refused: readonly (readonly [reason: string, ...targets: string[]])[] = [
    ["bad-target", "", "a", "?", "a/b", "shop.example", "shop.example:443", "\\a", "%2fa", " /", "*a", "**", "./a"],
    ["absolute-form", "http://a/b", "https://a", "file:///x", "HTTP://a/"],
    ["asterisk-target", "*"],
    [
      "path-character",
      "/a b",
      "/a#b",
      "/a\\b",
      '/"',
      "/<",
      "/>",
      "/[",
      "/]",
      "/^",
      "/`",
      "/{",
      "/|",
      "/}",
      "/a\0",
      "/\t",
    ],
    ["path-character", "/\u007f", "/\u0080", "/\u00e4", "/\u00ff", "/\u012f", "/\u2025", "/\uff0e", "/a\r\nb"],
    ["query-character", "/?a b", "/?#", "/?\\", "/?\0", "/?\u00e4", "/?|", "/?[]", "/?\u012f"],
    ["percent-encoding", "/%", "/%2", "/%zz", "/%2g", "/%g2", "/%%20", "/%u002e", "/%+2", "/%0x", "/?%", "/?%4"],
    ["encoded-unreserved", "/%61", "/%41", "/%30", "/%2d", "/%5f", "/%7e", "/%2e", "/%2E%2e", "/a/%2e%2e/b", "/.%2e/"],
    ["encoded-slash", "/a%2fb", "/a%2Fb", "/%2f", "/%2f/"],
    ["encoded-backslash", "/%5c", "/a%5C..%5cb"],
    ["encoded-percent", "/%25", "/%252e%252e/", "/%2525"],
    ["encoded-semicolon", "/%3b", "/a%3Bb"],
    ["encoded-control", "/%00", "/a%00.html", "/%0a", "/%0D%0A", "/%1f", "/%7f", "/%09"],
    ["semicolon", "/a;b", "/;", "/..;/a", "/a;jsessionid=1"],
    ["double-slash", "//", "//a", "/a//b", "/a//", "///"],
    ["dot-segment", "/.", "/..", "/./", "/../", "/a/.", "/a/..", "/a/./b", "/a/../b", "/a/..?b", "/.?", "/a/.?"],
    ["path-not-utf8", "/%ff", "/%80", "/%c3", "/%c3%28", "/%c0%af", "/%c0%ae", "/%e0%80%af", "/%f0%80%80%af"],
    ["path-not-utf8", "/%ed%a0%80", "/%f4%90%80%80", "/%fe", "/%c1%9c"],
  ];
  for (const [reason, ...targets] of refused) {
    test(`is refused: ${reason} (${targets.length})`, () => {
      for (const target of targets) {
        assert.deepEqual(
          refusalOf(() => parseTarget("GET", target, STRICT_PATH)),
          [400, reason],
          target,
        );
      }
    });
  }

  test("may be * with OPTIONS only, exactly", () => {
    assert.equal(parseTarget("OPTIONS", "*", STRICT_PATH), "*");
    for (const method of ["GET", "options", "HEAD", "POST"]) {
      assert.deepEqual(
        refusalOf(() => parseTarget(method, "*", STRICT_PATH)),
        [400, "asterisk-target"],
      );
    }
    assert.deepEqual(
      refusalOf(() => parseTarget("OPTIONS", "*?", STRICT_PATH)),
      [400, "bad-target"],
    );
  });

  test("every latin1 character alone in a path is taken or refused as RFC 3986 says", () => {
    for (let code = 0; code < 256; code += 1) {
      const character = String.fromCharCode(code);
      const pchar = /[A-Za-z0-9._~!$&'()*+,=:@/?-]/.test(character);
      const refusal = refusalOf(() => parsePath(`/a${character}a`, STRICT_PATH));
      assert.equal(refusal === undefined, pchar, `${code}: ${refusal}`);
    }
  });

  test("every byte encoded in a path is taken or refused as the specification says", () => {
    for (let code = 0; code < 128; code += 1) {
      const allowed =
        /[ -~]/.test(String.fromCharCode(code)) && !/[A-Za-z0-9._~/\\%;-]/.test(String.fromCharCode(code));
      for (const hex of [code.toString(16).padStart(2, "0"), code.toString(16).padStart(2, "0").toUpperCase()]) {
        const refusal = refusalOf(() => parsePath(`/a%${hex}a`, STRICT_PATH));
        assert.equal(refusal === undefined, allowed, `%${hex}: ${refusal}`);
      }
    }
  });
});

describe("A relaxed path", () => {
  const relaxed: readonly (readonly [PathRelaxation, target: string, path: string])[] = [
    ["encoded-slash", "/a%2fb", "/a/b"],
    ["encoded-percent", "/100%25", "/100%"],
    ["encoded-percent", "/%252e%252e/", "/%2e%2e/"],
    ["semicolon", "/a;b=1/c", "/a;b=1/c"],
    ["semicolon", "/a%3bb", "/a;b"],
    ["double-slash", "/a//b", "/a//b"],
    ["encoded-unreserved", "/%61%2Db", "/a-b"],
    ["encoded-unreserved", "/a%2ehtml", "/a.html"],
  ];
  for (const [relaxation, target, path] of relaxed) {
    test(`takes ${target} by ${relaxation} and by no other`, () => {
      assert.equal(parsePath(target, pathRules([relaxation])), path);
      const others = pathRules(RELAXATIONS.filter((name) => name !== relaxation));
      assert.ok(refusalOf(() => parsePath(target, others)));
    });
  }

  test("still has no dot segment, however it is spelt, and does not begin with two slashes", () => {
    const all = pathRules(RELAXATIONS);
    const segments = [
      "/a%2f..%2fb",
      "/%2e%2e/a",
      "/.%2e",
      "/a/..;x/b",
      "/..;",
      "/.;a/",
      "/a/..%3bx/b",
      "/a%2f%2e%2e",
      "/a/%2e",
    ];
    for (const target of segments)
      assert.deepEqual(
        refusalOf(() => parsePath(target, all)),
        [400, "dot-segment"],
        target,
      );
    for (const target of ["//a", "/%2fa", "//"]) {
      assert.deepEqual(
        refusalOf(() => parsePath(target, all)),
        [400, "double-slash"],
        target,
      );
    }
    assert.deepEqual(
      refusalOf(() => parsePath("/a%2f%2fb", pathRules(["encoded-slash"]))),
      [400, "double-slash"],
    );
  });

  test("still has no control, no backslash and valid UTF-8", () => {
    const all = pathRules(RELAXATIONS);
    for (const target of ["/%00", "/%7f", "/%5c", "/\\", "/#", "/%ff", "/%c0%af", "/%zz"]) {
      assert.ok(
        refusalOf(() => parsePath(target, all)),
        target,
      );
    }
  });
});

describe("Properties of paths", () => {
  const piece = fc.constantFrom(
    ...["/", "//", ".", "..", "a", "%", "%2e", "%2E", "%2f", "%5c", "%25", "%3b", "%00", "%c3%a4", "%c3", "%ff", "%61"],
    ...["?", "#", ";", "\\", " ", "%20", "*", "\u00e4", "%", "2", "f", "admin", "%23"],
  );
  const target = fc.array(piece, { maxLength: 10 }).map((pieces) => `/${pieces.join("")}`);
  const rules = fc.subarray([...RELAXATIONS]);

  test("an accepted path never contains what is refused, and is what decodeURIComponent reads", () => {
    fc.assert(
      fc.property(target, (text) => {
        if (refusalOf(() => parsePath(text, STRICT_PATH)) !== undefined) return;
        const path = parsePath(text, STRICT_PATH);
        assert.doesNotMatch(path, /[^ -~\u0080-\u{10ffff}]|[\\;%]|\/\/|\/\.\.?(?:\/|$)/u);
        assert.equal(path, decodeURIComponent(text.split("?", 1).join("")));
      }),
      { numRuns: 2_000 },
    );
  });

  test("a relaxation only ever takes more, and never a control, a backslash, a dot segment or broken UTF-8", () => {
    fc.assert(
      fc.property(target, rules, (text, names) => {
        const relaxed = pathRules(names);
        if (refusalOf(() => parsePath(text, relaxed)) !== undefined) {
          assert.ok(refusalOf(() => parsePath(text, STRICT_PATH)));
          return;
        }
        const path = parsePath(text, relaxed);
        assert.doesNotMatch(path, /[^ -~\u0080-\u{10ffff}]|\\|^\/\/|\/\.\.?(?:[/;]|$)/u);
        assert.equal(path, decodeURIComponent(text.split("?", 1).join("")));
      }),
      { numRuns: 2_000 },
    );
  });

  test("what an accepted path is does not depend on the query", () => {
    fc.assert(
      fc.property(target, (text) => {
        if (text.includes("?") || refusalOf(() => parsePath(text, STRICT_PATH)) !== undefined) return;
        assert.equal(parsePath(`${text}?/../%2f;//x`, STRICT_PATH), parsePath(text, STRICT_PATH));
      }),
    );
  });
});
