// Host confusion: a host that a policy does not recognise and the application does. Each host has one spelling here, and that one is both
// authorized and sent; what can be read as two hosts is refused.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { screenRequest } from "../../src/proxy-tls/http/fields/screen-request.ts";
import { OUTBOUND, rawRequest, rawRequest2, rulesOf } from "../proxy-tls/support/heads.ts";
import { HOSTILE_HOSTS } from "../proxy-tls/support/hostile-heads.ts";
import { refusalOf } from "../proxy-tls/support/refusal.ts";

const rules = rulesOf();

function named(host: string): string {
  return screenRequest(rawRequest([], { fields: ["host", host] }), rules).authority;
}

describe("A host in another spelling is the same host", () => {
  const spellings = [
    ...["admin.test", "ADMIN.TEST", "Admin.Test", "admin.test.", "ADMIN.TEST.", "admin.test:443", "aDMIN.tEST.:443"],
  ];
  for (const host of spellings) {
    test(host, () => {
      assert.equal(named(host), "admin.test");
      assert.equal(screenRequest(rawRequest2([], { authority: host }), rules).authority, "admin.test");
    });
  }

  test("of an IPv6 address", () => {
    for (const host of ["[::1]", "[0::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::0.0.0.1]", "[::1]:443"]) {
      assert.equal(named(host), "[::1]");
    }
    for (const host of ["[2001:DB8::A]", "[2001:db8:0:0::a]", "[2001:0db8::000a]"])
      assert.equal(named(host), "[2001:db8::a]");
  });

  test("and another port is another host", () => {
    assert.equal(named("admin.test:80"), "admin.test:80");
    assert.equal(named("admin.test:8443"), "admin.test:8443");
    const plaintext = rulesOf({ listener: { ...OUTBOUND, authorities: ["admin.test:443", "admin.test"] } });
    const authority = (host: string) => screenRequest(rawRequest([], { fields: ["host", host] }), plaintext).authority;
    assert.equal(authority("admin.test:80"), "admin.test");
    assert.equal(authority("admin.test:443"), "admin.test:443");
  });
});

describe("A host that can be read in two ways is refused", () => {
  for (const host of HOSTILE_HOSTS) {
    test(JSON.stringify(host), () => {
      assert.deepEqual(
        refusalOf(() => named(host)),
        [400, "bad-host"],
      );
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest2([], { authority: host }), rules)),
        [400, "bad-host"],
      );
      assert.equal(refusalOf(() => screenRequest(rawRequest2(["host", host]), rules))?.[0], 400);
    });
  }

  test("two Host fields, equal or not, in HTTP/1 and HTTP/2", () => {
    for (const other of ["shop.test", "SHOP.TEST", "admin.test", ""]) {
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest(["host", other]), rules)),
        [400, "two-hosts"],
      );
      const both = rawRequest2(["host", "shop.test", "host", other]);
      assert.deepEqual(
        refusalOf(() => screenRequest(both, rules)),
        [400, "two-hosts"],
      );
    }
  });

  test("a Host beside another :authority", () => {
    for (const host of ["admin.test", "shop.test:8443", "xshop.test", "shop.testx"]) {
      assert.deepEqual(
        refusalOf(() => screenRequest(rawRequest2(["host", host]), rules)),
        [400, "two-hosts"],
      );
    }
  });

  test("a twin of Host, and Host named in Connection", () => {
    const relaxed = rulesOf({ http: { allowUnderscores: true } });
    assert.deepEqual(
      refusalOf(() => screenRequest(rawRequest(["connection", "host"]), relaxed)),
      [400, "connection-names-field"],
    );
    assert.deepEqual(
      refusalOf(() => screenRequest(rawRequest(["x-forwarded_host", "a"]), relaxed)),
      [400, "field-twin"],
    );
    assert.deepEqual(screenRequest(rawRequest(["x-forwarded-host", "admin.test"]), relaxed).fields, []);
  });
});

test("no spelling changes the host without changing where WHATWG's URL would go", () => {
  const host = fc
    .array(fc.constantFrom(..."aA0.-:@[]/\\?#%; ", "admin", "test", "443", "80", "\u0430", "::1", "%2e"), {
      maxLength: 7,
    })
    .map((parts) => parts.join(""));
  let accepted = 0;
  fc.assert(
    fc.property(host, (text) => {
      if (refusalOf(() => named(text)) !== undefined) return;
      accepted += 1;
      const url = URL.parse(`https://${text}/`);
      // URL reads 0x7f.1 as an IPv4 address; nobody resolves a host here.
      if (url === null || /^[0-9.]+(?::|$)/.test(url.host)) return;
      assert.equal(named(text), url.host.replace(/\.(?=:|$)/, ""));
      assert.equal(url.username + url.password + url.pathname, "/");
    }),
    { numRuns: 2_000 },
  );
  assert.ok(accepted > 100, `${accepted} hosts were let through: nothing was tried`);
});
