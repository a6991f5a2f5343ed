// The proxy's configuration: strict, and what would open a door that its operator believes to be shut is an error.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Check } from "typebox/value";
import { parseProxyConfig, proxyConfigJsonSchema } from "../../../src/proxy-tls/config/index.ts";
import { ConfigError, type ConfigErrorCode } from "../../../src/runtime/config/index.ts";

type Keys = Record<string, unknown>;

const files = { kind: "files", certificateFile: "svid.pem", keyFile: "svid_key.pem", trustFile: "trust.json" };
const meshCa = { kind: "mesh-ca", stateDir: "state" };

function inbound(changes: Keys = {}): Keys {
  return { direction: "inbound", name: "in", protocol: "http", target: { port: 8080 }, ...changes };
}

function outbound(changes: Keys = {}): Keys {
  return {
    ...{ direction: "outbound", name: "out", protocol: "http", listen: { path: "/run/out.sock" } },
    ...{ targets: [{ host: "cart.test", port: 15_443 }], expect: ["spiffe://example.test/cart"] },
    ...changes,
  };
}

function withListeners(...listeners: Keys[]): Keys {
  return { identity: files, listeners };
}

function refuses(value: unknown, code: ConfigErrorCode, sentence: RegExp): void {
  assert.throws(
    () => parseProxyConfig(value),
    (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.match(error.message, sentence);
      assert.equal(error.code, code);
      return true;
    },
  );
}

test("a small configuration gets every default", () => {
  const config = parseProxyConfig(withListeners(inbound(), outbound()));
  assert.equal(config.timeouts.handshakeMs, 10_000);
  assert.equal(config.limits.connections, 10_000);
  assert.ok(config.limits.upstreamConnections >= config.limits.connections, "a tcp listener could not use its places");
  assert.equal(config.workers, 0);
  assert.equal(config.policyFile, null);
  assert.equal(config.admin.host, "127.0.0.1");
  assert.equal(config.listeners[0]?.http.allowHttp10, false);
});

test("upstreamProtocol auto is HTTP/1.1 where the target is asked in plaintext, and stays auto over TLS", () => {
  const config = parseProxyConfig(withListeners(inbound(), outbound()));
  assert.deepEqual(
    config.listeners.map(({ http }) => http.upstreamProtocol),
    ["http/1.1", "auto"],
  );
  const declared = parseProxyConfig(withListeners(inbound({ http: { upstreamProtocol: "h2" } })));
  assert.equal(declared.listeners[0]?.http.upstreamProtocol, "h2");
});

test("an unknown key is refused at every level", () => {
  refuses({ ...withListeners(inbound()), listner: [] }, "MCA_CONFIG_UNKNOWN_KEY", /listner .*Did you mean "listeners"/);
  refuses(withListeners(inbound({ tagret: {} })), "MCA_CONFIG_UNKNOWN_KEY", /listeners\[0\]\.tagret/);
  refuses(withListeners(inbound({ http: { allowHttp11: true } })), "MCA_CONFIG_UNKNOWN_KEY", /allowHttp10/);
});

test("no identity, no listener, no target and nobody to expect are errors", () => {
  refuses({}, "MCA_CONFIG_MISSING", /^identity\.kind is missing\. Set it to one of mesh-ca, files\.$/);
  refuses(withListeners(), "MCA_CONFIG_INVALID", /listeners .*not empty/);
  refuses(withListeners(outbound({ targets: [] })), "MCA_CONFIG_INVALID", /targets .*not empty/);
  refuses(withListeners(outbound({ expect: [] })), "MCA_CONFIG_INVALID", /expect .*not empty/);
});

test("a target or an address is exactly one of port and path", () => {
  refuses(withListeners(inbound({ target: {} })), "MCA_CONFIG_INVALID", /target: .*exactly one.*neither/);
  refuses(withListeners(inbound({ target: { port: 1, path: "/a" } })), "MCA_CONFIG_INVALID", /target: .*both/);
  refuses(withListeners(outbound({ listen: {} })), "MCA_CONFIG_INVALID", /listen: .*neither/);
  refuses(withListeners(inbound({ target: { port: 0 } })), "MCA_CONFIG_INVALID", /target\.port is 0/);
});

test("a Unix socket's path that the system would cut off is refused", () => {
  refuses(withListeners(outbound({ listen: { path: `/${"a".repeat(107)}` } })), "MCA_CONFIG_INVALID", /107 bytes/);
  refuses(withListeners(outbound({ listen: { path: `/${"ä".repeat(54)}` } })), "MCA_CONFIG_INVALID", /107 bytes/);
  refuses(withListeners(outbound({ listen: { path: "/a\0b" } })), "MCA_CONFIG_INVALID", /Unix socket/);
  parseProxyConfig(withListeners(outbound({ listen: { path: `/${"a".repeat(106)}` } })));
});

test("an inbound target on another machine needs allowRemoteTarget", () => {
  for (const host of [
    "10.0.0.1",
    "app.example.test",
    "0.0.0.0",
    "::",
    "::ffff:10.0.0.1",
    "128.0.0.1",
    "localhost.evil.test",
  ]) {
    refuses(withListeners(inbound({ target: { host, port: 1 } })), "MCA_CONFIG_UNSAFE", /allowRemoteTarget/);
    parseProxyConfig(withListeners(inbound({ target: { host, port: 1 }, allowRemoteTarget: true })));
  }
  for (const host of ["127.0.0.1", "127.8.9.1", "::1", "0:0:0:0:0:0:0:1", "localhost", "LOCALHOST"]) {
    parseProxyConfig(withListeners(inbound({ target: { host, port: 1 } })));
  }
  parseProxyConfig(withListeners(inbound({ target: { path: "/run/app.sock" } })));
});

test("an outbound listener is on loopback or a Unix socket, whatever it speaks", () => {
  for (const protocol of ["tcp", "http"]) {
    for (const host of ["0.0.0.0", "::", "192.168.1.1", "proxy.test"]) {
      const listener = outbound({
        protocol,
        listen: { host, port: 1 },
        ...(protocol === "http" ? { authorities: ["a"] } : {}),
      });
      refuses(withListeners(listener), "MCA_CONFIG_UNSAFE", /in our name/);
    }
  }
});

test("an outbound HTTP listener on a TCP port needs authorities; a Unix socket and tcp need none", () => {
  const listen = { port: 9000 };
  refuses(withListeners(outbound({ listen })), "MCA_CONFIG_UNSAFE", /authorities is empty/);
  parseProxyConfig(withListeners(outbound({ listen, authorities: ["cart.test", "cart.test:8080", "[::1]:80"] })));
  parseProxyConfig(withListeners(outbound({ listen, protocol: "tcp" })));
  for (const authority of [
    "http://cart.test",
    "cart.test/",
    "a b",
    "*",
    "",
    "cart.test:",
    "[::1",
    "user@cart.test",
    "a..b",
    "[:::]",
    "a:0",
  ]) {
    refuses(withListeners(outbound({ listen, authorities: [authority] })), "MCA_CONFIG_INVALID", /authorities/);
  }
});

test("the hosts that an inbound listener serves are hosts, in groups that are not empty", () => {
  const names = ["shop.test", "*.shop.test:8443", "[::1]", "10.0.0.1:80"];
  parseProxyConfig(withListeners(inbound({ hosts: [{ names }, { names: ["admin.test"] }] })));
  for (const name of ["https://shop.test", "shop.test/", "a b", "**", "**.test", "", "shop.test:", "sh\u00f6p.test"]) {
    const value = withListeners(inbound({ hosts: [{ names: ["a.test"] }, { names: ["b.test", name] }] }));
    refuses(value, "MCA_CONFIG_INVALID", /hosts(?:\[1\]\.names\[1\]|\/1\/names\/1|.*names)/);
  }
  refuses(withListeners(inbound({ hosts: [{ names: [] }] })), "MCA_CONFIG_INVALID", /names/);
  refuses(withListeners(inbound({ hosts: [{}] })), "MCA_CONFIG_INVALID", /names/);
  refuses(withListeners(inbound({ protocol: "tcp", hosts: [] })), "MCA_CONFIG_INVALID", /hosts has no meaning/);
});

test("what only requests have is an error on a tcp listener, also where it says the default", () => {
  refuses(withListeners(inbound({ protocol: "tcp", http: {} })), "MCA_CONFIG_INVALID", /\.http has no meaning/);
  refuses(
    withListeners(inbound({ protocol: "tcp", forwardedClientCert: "sanitize-set" })),
    "MCA_CONFIG_INVALID",
    /forwardedClientCert has no meaning/,
  );
  for (const keys of [{ authorities: [] }, { allowBrowsers: false }, { http: { shareUpstream: false } }]) {
    refuses(withListeners(outbound({ protocol: "tcp", ...keys })), "MCA_CONFIG_INVALID", /has no meaning/);
  }
});

test("whom an outbound listener expects is an exact SPIFFE ID of a workload", () => {
  for (const id of [
    "spiffe://example.test",
    "spiffe://example.test/*",
    "spiffe://Example.test/a",
    "cart",
    "spiffe://a/b/",
  ]) {
    refuses(withListeners(outbound({ expect: [id] })), "MCA_CONFIG_INVALID", /expect\[0\]/);
  }
});

test("names are unique, and no two listeners take one place", () => {
  refuses(
    withListeners(inbound(), inbound({ port: 1 })),
    "MCA_CONFIG_INVALID",
    /name is "in", as that of listeners\[0\]/,
  );
  refuses(
    withListeners(inbound(), inbound({ name: "b" })),
    "MCA_CONFIG_INVALID",
    /listeners\[1\] .*listeners\[0\] takes/,
  );
  refuses(withListeners(inbound({ port: 15_000 })), "MCA_CONFIG_INVALID", /admin .*listeners\[0\] takes/);
  refuses(withListeners(outbound(), outbound({ name: "b" })), "MCA_CONFIG_INVALID", /Unix socket/);
  parseProxyConfig(withListeners(inbound({ port: 0 }), inbound({ name: "b", port: 0 })));
  parseProxyConfig(withListeners(inbound({ host: "10.0.0.1" }), inbound({ name: "b", host: "10.0.0.2" })));
});

test("an identity from files has exactly one source of trust, one from mesh-ca at most one evidence", () => {
  const listeners = [inbound()];
  refuses({ identity: { ...files, bundleFile: "b.pem" }, listeners }, "MCA_CONFIG_INVALID", /exactly one.*both/);
  refuses({ identity: { ...files, trustFile: null }, listeners }, "MCA_CONFIG_INVALID", /exactly one.*neither/);
  refuses({ identity: { ...meshCa, jwtFile: "a", joinTokenFile: "b" }, listeners }, "MCA_CONFIG_INVALID", /both set/);
  refuses({ identity: { ...meshCa, attestor: "k8s" }, listeners }, "MCA_CONFIG_INVALID", /attestor/);
  refuses({ identity: { ...meshCa, server: "https://ca.test:1" }, listeners }, "MCA_CONFIG_INVALID", /host:port/);
  refuses({ identity: { ...meshCa, server: "ca.test:65536" }, listeners }, "MCA_CONFIG_INVALID", /host:port/);
  parseProxyConfig({ identity: { ...meshCa, server: "[::1]:8443", jwtFile: "a", attestor: "k8s" }, listeners });
});

test("a federated trust domain has a valid name, once", () => {
  const federated = (trustDomain: string): Keys => ({ trustDomain, bundleFile: "b.json" });
  const base = withListeners(inbound());
  refuses({ ...base, federation: [federated("Other.test")] }, "MCA_CONFIG_INVALID", /federation\[0\]/);
  refuses({ ...base, federation: [federated("spiffe://o.test")] }, "MCA_CONFIG_INVALID", /federation\[0\]/);
  refuses({ ...base, federation: [federated("o.test"), federated("o.test")] }, "MCA_CONFIG_INVALID", /already/);
});

test("the admin listener is on loopback", () => {
  refuses({ ...withListeners(inbound()), admin: { host: "0.0.0.0" } }, "MCA_CONFIG_UNSAFE", /admin\.host/);
  parseProxyConfig({ ...withListeners(inbound()), admin: { host: "::1" } });
});

test("what is planned and not there yet is refused by its name, not as an unknown key", () => {
  const cases: readonly [Keys, RegExp][] = [
    [withListeners(inbound({ permissive: true })), /listeners\[0\]\.permissive: Permissive mode .*not supported yet/],
    [withListeners(inbound({ mode: "permissive" })), /Permissive mode/],
    [withListeners(inbound({ authorizer: {} })), /external authorizer/],
    [withListeners(inbound({ "ext-authz": {} })), /external authorizer/],
    [{ ...withListeners(inbound()), extAuthz: {} }, /external authorizer/],
    [withListeners(inbound({ jwt: {} })), /JWT claims/],
    [withListeners(inbound({ http: { allowWebSocket: true } })), /WebSocket/],
    [withListeners(inbound({ websocket: true })), /WebSocket/],
    [withListeners(inbound({ http: { upgrade: ["websocket"] } })), /WebSocket/],
    [withListeners(outbound({ outlierEjection: {} })), /Outlier/],
    [withListeners(outbound({ outlier: {} })), /Outlier/],
    [withListeners(outbound({ outlierDetection: {} })), /Outlier/],
    [withListeners(inbound({ rateLimit: {} })), /rate limit/],
    [{ ...withListeners(inbound()), limits: { rate_limits: 3 } }, /rate limit/],
    [withListeners(inbound({ proxyProtocol: true })), /PROXY protocol/],
    [{ identity: { kind: "workload-api" }, listeners: [inbound()] }, /workload-api is not supported yet/],
  ];
  for (const [value, sentence] of cases) refuses(value, "MCA_CONFIG_UNSUPPORTED", sentence);
});

test("hosts carry no port, scheme or brackets, and trailers are names of fields", () => {
  for (const host of ["http://a", "a:80", "[::1]", "a/b", "", "a b", "-a"]) {
    assert.throws(() => parseProxyConfig(withListeners(inbound({ host }))), ConfigError, host);
    assert.throws(() => parseProxyConfig(withListeners(outbound({ targets: [{ host, port: 1 }] }))), ConfigError, host);
  }
  for (const name of [
    "Host",
    "content-length",
    "X-Forwarded-For",
    "x_real_ip",
    "authorization",
    "te",
    "x-request-id",
    "grpc-a b",
  ]) {
    refuses(
      withListeners(inbound({ http: { responseTrailers: [name] } })),
      "MCA_CONFIG_INVALID",
      /responseTrailers\[0\]/,
    );
  }
  parseProxyConfig(
    withListeners(inbound({ http: { requestTrailers: ["X-Sum"], responseTrailers: ["grpc-status", "x-sum"] } })),
  );
  refuses(withListeners(inbound({ http: { requestTrailers: ["a b"] } })), "MCA_CONFIG_INVALID", /requestTrailers\[0\]/);
});

test("the published schema takes what the loader takes", () => {
  const schema = proxyConfigJsonSchema();
  assert.ok(Check(schema, withListeners(inbound(), outbound())));
  assert.ok(!Check(schema, withListeners(inbound({ target: { prot: 1 } }))));
  assert.ok(!Check(schema, { listeners: [inbound()] }));
});
