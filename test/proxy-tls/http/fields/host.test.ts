import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseHost, parseHostPattern } from "../../../../src/proxy-tls/http/fields/host.ts";
import { refusalOf } from "../../support/refusal.ts";

describe("A host", () => {
  const read: readonly (readonly [text: string, host: string])[] = [
    ["a", "a"],
    ["Shop.Example", "shop.example"],
    ["shop.example.", "shop.example"],
    ["shop.example:443", "shop.example"],
    ["SHOP.EXAMPLE.:443", "shop.example"],
    ["shop.example:8443", "shop.example:8443"],
    ["shop.example.:1", "shop.example:1"],
    ["shop.example:65535", "shop.example:65535"],
    ["my_shop~1.x", "my_shop~1.x"],
    ["127.0.0.1", "127.0.0.1"],
    ["[::1]", "[::1]"],
    ["[::1]:443", "[::1]"],
    ["[::1]:80", "[::1]:80"],
    ["[0:0:0:0:0:0:0:1]", "[::1]"],
    ["[2001:DB8::0001]", "[2001:db8::1]"],
    ["[::ffff:1.2.3.4]", "[::ffff:102:304]"],
    ["[::ffff:0102:0304]", "[::ffff:102:304]"],
    [`${"a".repeat(253)}.`, "a".repeat(253)],
  ];
  for (const [text, host] of read) {
    test(`${text.slice(0, 40)} is ${host.slice(0, 40)}`, () => assert.equal(parseHost(text, 443), host));
  }

  const refused = [
    ...["", ".", "..", ".a", "a..", "a..b", "a.b..:443", ":", ":443", "a:", "a:0", "a:00", "a:080", "a:65536"],
    ...["a:443443", "a:-1", "a:+1", "a:1e3", "a:0x50", "a: 80", "a:80 ", "a:8\t0", "a:80:80", "a:80b", "a:\u00b2"],
    ...[
      "user@a",
      "user:pass@a",
      "a/b",
      "a?b",
      "a#b",
      "a\\b",
      "http://a",
      "//a",
      "a b",
      " a",
      "a ",
      "a\t",
      "a\r\nb",
      "a\0",
    ],
    ...[
      "a%2eb",
      "%61",
      "a%00",
      "a,b",
      "a;b",
      "a=b",
      "a&b",
      "*",
      "*.a",
      "a'b",
      "a(b)",
      'a"b',
      "a<b",
      "a|b",
      "a^b",
      "a`b",
    ],
    ...["\u00e4", "\u017f", "\u212a", "\uff41", "a\u00a0", "a\u3002b", "\ud800", "xn--\u00e4", "a".repeat(254)],
    ...[
      "[",
      "[]",
      "[:]",
      "[::1",
      "::1",
      "2001:db8::1",
      "[::1]]",
      "[[::1]]",
      "[::1]a",
      "[::1]x80",
      "[::1]443",
      "[::1].",
      "[::1]:",
      "[::1]:0",
    ],
    ...[
      "[::1%25eth0]",
      "[::1%eth0]",
      "[v1.a]",
      "[127.0.0.1]",
      "[::1]:80:80",
      "[a@[::1]",
      "[::1/]",
      "[ ::1]",
      "[:\t:1]",
    ],
    ...[
      "[1:2:3:4:5:6:7:8:9]",
      "[::12345]",
      "[::1::]",
      "[::1.2.3]",
      "[::1.2.3.256]",
      "[::01.2.3.4]",
      "[::g]",
      "[::1]@a",
    ],
  ];
  for (const text of refused) {
    test(`${JSON.stringify(text).slice(0, 60)} is refused`, () => {
      assert.deepEqual(
        refusalOf(() => parseHost(text, 443)),
        [400, "bad-host"],
      );
    });
  }

  const parts = fc.array(
    fc.constantFrom(..."aZ09.-_:[]@%/ *", "example", "443", "80", "::", "[::1]", "A.B", ".:", "\u00e9"),
    { maxLength: 8 },
  );

  test("that is read is read as itself, in every spelling of case", () => {
    fc.assert(
      fc.property(parts, fc.constantFrom(80, 443), (texts, port) => {
        const text = texts.join("");
        const [host] = attempt(() => parseHost(text, port));
        if (host === undefined) return;
        assert.equal(parseHost(host, port), host);
        assert.equal(parseHost(text.toUpperCase(), port), host);
        assert.match(host, /^(?:[a-z0-9._~-]*[a-z0-9_~-]|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?$/);
      }),
    );
  });

  test("is what WHATWG's URL reads, where that has no rules of its own", () => {
    const hosts = fc.tuple(
      fc.array(fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9]{0,4}$/), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 65_535 }),
    );
    fc.assert(
      fc.property(hosts, ([labels, port]) => {
        const text = `${labels.join(".")}:${port}`;
        assert.equal(parseHost(text, 443), new URL(`https://${text}/`).host);
      }),
    );
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        assert.equal(parseHost(`[${address}]`, 443), new URL(`https://[${address}]/`).host);
      }),
    );
  });

  test("of a policy may have stars; everything else is as in a request", () => {
    assert.equal(parseHostPattern("*.Example.test.", 443), "*.example.test");
    assert.equal(parseHostPattern("api-*.example.test:8443", 443), "api-*.example.test:8443");
    for (const text of ["*..a", "*%2e", "", "*:0", "[*]", "*,a"]) {
      assert.deepEqual(
        refusalOf(() => parseHostPattern(text, 443)),
        [400, "bad-host"],
        text,
      );
    }
    fc.assert(
      fc.property(parts, (texts) => {
        const text = texts.filter((part) => part !== "*").join("");
        assert.deepEqual(
          attempt(() => parseHostPattern(text, 443)),
          attempt(() => parseHost(text, 443)),
        );
      }),
    );
  });
});

/** What a function gives, or nothing where it throws. */
function attempt<T>(action: () => T): T[] {
  try {
    return [action()];
  } catch {
    return [];
  }
}
