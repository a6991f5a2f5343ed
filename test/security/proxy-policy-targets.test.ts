// Whoever is denied a path or a host does not get there by another spelling of it: each one is denied, refused, or really another one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type InboundConfig, parseProxyConfig } from "../../src/proxy-tls/config/index.ts";
import { explainRequest } from "../../src/proxy-tls/policy/explain-request.ts";
import { ANYBODY, allow, deny, input, policySet } from "../proxy-tls/support/policy.ts";

const { listeners } = parseProxyConfig({
  identity: { kind: "files", certificateFile: "/c.pem", keyFile: "/k.pem", trustFile: "/t.json" },
  listeners: [
    {
      ...{ direction: "inbound", name: "web", protocol: "http", target: { port: 8080 } },
      http: { allowUnderscores: true },
    },
  ],
});
const [web] = listeners.filter((listener): listener is InboundConfig => listener.direction === "inbound");

const set = policySet(
  allow(ANYBODY),
  deny({ to: { paths: ["/admin/**", "/caf%C3%A9/**", "/v*/keys/**"] } }, { name: "paths" }),
  deny({ to: { hosts: ["admin.test", "*.internal.test"] } }, { name: "hosts" }),
  deny({ when: { headers: [{ name: "x-debug", present: true, values: ["on"] }] } }, { name: "headers" }),
);

/** The effect, or the status of the refusal. */
function effect(request: { path?: string; host?: string; headers?: readonly string[]; method?: string }): string {
  assert(web !== undefined);
  const text = { method: "GET", path: "/", host: "shop.test", headers: [], ...request };
  const answer = explainRequest(set, web, input({ port: 15_443 }), text);
  return answer.kind === "refused" ? String(answer.refusal.status) : answer.explanation.decision.effect;
}

const DENIED_PATHS = [
  ...["/admin", "/admin/", "/admin/x", "/admin?x", "/admin/?/public", "/admin/x/y?a=/..", "/admin/%E2%82%AC"],
  ...["/caf%C3%A9", "/caf%c3%a9/x", "/v1/keys", "/v/keys/a", "/v%20x/keys/a"],
];
const REFUSED_PATHS = [
  ...[
    "/%61dmin",
    "/%41dmin",
    "/adm%69n/x",
    "/public/../admin",
    "/./admin",
    "/admin/.",
    "/x/%2e%2e/admin",
    "/x/.%2e/admin",
  ],
  ...[
    "//admin",
    "/x//admin",
    "/admin//",
    "/x%2fadmin",
    "/%2fadmin",
    "/x%5cadmin",
    "/x\\..\\admin",
    "/admin%00",
    "/admin%0a",
  ],
  ...[
    "/admin;x",
    "/admin;/x",
    "/x;/../admin",
    "/admin%3bx",
    "/admin#",
    "/#/../admin",
    "/%2561dmin",
    "/%252e%252e/admin",
  ],
  ...[
    "/admin%",
    "/admin%2",
    "/admin%zz",
    "/%u0061dmin",
    "/%c0%ae%c0%ae/admin",
    "/%e0%80%afadmin",
    "/caf%e9",
    "/adm\u0131n",
  ],
  ...["/admin\t", "http://shop.test/admin", "https://admin.test/", "admin", "", "*", "?/admin", "/%ed%a0%80"],
];
const OTHER_PATHS = [
  "/Admin",
  "/ADMIN",
  "/admin2",
  "/administrator",
  "/cafe",
  "/x/admin",
  "/v1/key",
  "/admin%20",
  "/%EF%BC%8Fadmin",
];

test("a denied path is denied or refused in every spelling", () => {
  for (const path of DENIED_PATHS) assert.equal(effect({ path }), "deny", path);
  for (const path of REFUSED_PATHS) assert.match(effect({ path }), /^4\d\d$/, path);
  for (const path of OTHER_PATHS) assert.equal(effect({ path }), "allow", path);
});

test("no single octet that is put into a denied path makes it an allowed one that a server could read back", () => {
  const allowed: string[] = [];
  for (let at = 1; at <= "/admin".length; at++) {
    for (let octet = 0; octet < 256; octet++) {
      const encoded = `%${octet.toString(16).padStart(2, "0")}`;
      const path = `${"/admin".slice(0, at)}${encoded}${"/admin".slice(at)}`;
      if (effect({ path }) === "allow") allowed.push(encoded);
    }
  }
  // What is left is a character of a longer name: never a slash, dot, percent, backslash, semicolon, control, or half a character of UTF-8.
  for (const encoded of allowed) assert.match(encoded, /^%(?:2[0-9abcd]|3[acdef]|40|5[bde]|60|7[bcd])$/);
  assert(allowed.length > 0);
});

test("a denied host is denied or refused in every spelling", () => {
  for (const host of [
    "admin.test",
    "ADMIN.test",
    "admin.test.",
    "Admin.TEST.:443",
    "admin.test:80",
    "admin.test:65535",
    "a.internal.test:1",
  ]) {
    assert.equal(effect({ host }), "deny", host);
  }
  for (const host of [
    ...[
      "admin.test..",
      ".admin.test",
      "admin.test:",
      "admin.test:0443",
      "admin.test:443:443",
      "admin.test,shop.test",
      "x@admin.test",
    ],
    ...[
      "%61dmin.test",
      "admin%2etest",
      "admin.test:65536",
      "admin.test:+443",
      "admin.test/",
      "admin\u3002test",
      "admin.test\u00a0",
      "",
    ],
    ...["*", "*.internal.test", "[admin.test]", "admin.test #"],
  ]) {
    assert.equal(effect({ host }), "400", host);
  }
  for (const host of ["shop.test", "admin.test.evil", "xadmin.test", "internal.test"])
    assert.equal(effect({ host }), "allow", host);
  assert.equal(effect({ headers: ["Host: shop.test"] }), "400");
});

test("a denied value of a field is not hidden by a second one, by a list, by a twin or by Connection", () => {
  assert.equal(effect({ headers: ["X-DEBUG: on"] }), "deny");
  assert.equal(effect({ headers: ["x-debug:on\t "] }), "deny");
  for (const headers of [
    ["x-debug: off", "x-debug: on"],
    ["x-debug: on", "x-debug: on"],
    ["x_debug: on"],
    ["x-debug: off", "x_debug: on"],
    ["x.debug: on"],
    ["connection: x-debug", "x-debug: on"],
    ["connection: close, X-Debug", "x-debug: on"],
    ["connection: x_debug"],
    ["x-debug : on"],
    [" x-debug: on"],
    ["x-debug: o\u0000n"],
  ]) {
    assert.equal(effect({ headers }), "400", headers.join(" | "));
  }
  // Other values, and said to be so: values are compared exactly.
  for (const headers of [["x-debug: ON"], ["x-debug: on,off"], ["x-debug: off"], ["x-debug:"]]) {
    assert.equal(effect({ headers }), "allow", headers.join());
  }
});

test("fields that override method or path are refused where policies name either", () => {
  for (const name of ["X-Original-URL", "x-rewrite-url", "X-HTTP-Method", "x-http-method-override", "x_original_url"]) {
    assert.equal(effect({ headers: [`${name}: /admin`] }), "400", name);
  }
});

test("methods of another case, and those that are refused everywhere, come to no policy", () => {
  for (const method of ["get", "Get", "GET\t", "G\u00cbT"]) assert.equal(effect({ method }), "400", method);
  for (const method of ["CONNECT", "TRACE", "TRACK", "PRI"]) assert.equal(effect({ method }), "405", method);
});
