// What `mesh-ca proxy check` tells of a configuration.
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeProxyConfig, parseProxyConfig } from "../../../src/proxy-tls/config/index.ts";

const identity = { kind: "files", certificateFile: "/c.pem", keyFile: "/k.pem", trustFile: "/t.json" };

function told(value: Record<string, unknown>): string {
  return describeProxyConfig(parseProxyConfig({ identity, ...value })).join("\n");
}

test("each listener is told with where it listens, where it forwards to and who is accepted", () => {
  const text = told({
    listeners: [
      { direction: "inbound", name: "in", protocol: "http", host: "10.0.0.1", target: { port: 8080 } },
      {
        ...{ direction: "outbound", name: "out", protocol: "tcp", listen: { path: "/run/o.sock" } },
        ...{ targets: [{ host: "db.test", port: 5432 }], expect: ["spiffe://example.test/db"] },
      },
    ],
    policyFile: "/p.yaml",
  });
  assert.match(
    text,
    /in: takes mTLS at 10\.0\.0\.1 port 15443 and forwards requests in plaintext to 127\.0\.0\.1 port 8080 in HTTP\/1\.1/,
  );
  assert.match(
    text,
    /out: takes plaintext of this machine at the Unix socket \/run\/o\.sock and forwards bytes over mTLS to db\.test port 5432\./,
  );
  assert.match(text, /nobody but spiffe:\/\/example\.test\/db is accepted there/);
  assert.doesNotMatch(text, /Note:/);
});

test("the hosts that belong together are told", () => {
  const hosts = [{ names: ["shop.test", "shop"] }, { names: ["admin.test"] }];
  const listener = { direction: "inbound", name: "in", protocol: "http", target: { port: 1 }, hosts };
  const text = told({ listeners: [listener], policyFile: "/p.yaml" });
  assert.match(text, /in: requests may be for shop\.test or shop, from clients that asked for one of them/);
  assert.match(text, /in: requests may be for admin\.test, from/);
});

test("what deserves a second look is a note", () => {
  const text = told({
    identity: { ...identity, trustFile: null, bundleFile: "/b.pem" },
    listeners: [
      {
        ...{ direction: "inbound", name: "in", protocol: "http", target: { host: "10.0.0.9", port: 1 } },
        ...{ allowRemoteTarget: true, http: { relaxPath: ["semicolon"], allowHttp10: true, shareUpstream: true } },
      },
    ],
  });
  assert.match(text, /Note: there is no policyFile, so that every inbound .* is denied/);
  assert.match(text, /Note: in forwards in plaintext to another machine/);
  assert.match(text, /Note: in allows HTTP\/1\.0, paths with semicolon/);
  assert.match(text, /Note: in lets different callers share/);
  assert.match(text, /X-16 is off/);
});
