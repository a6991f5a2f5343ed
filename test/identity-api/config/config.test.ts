// The server's configuration: the whole file, its defaults, its refusals.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Check } from "typebox/value";
import {
  type Config,
  configJsonSchema,
  configSchema,
  defaultDataDir,
  loadConfig,
  parseConfig,
} from "../../../src/identity-api/index.ts";
import { configKeys, type JsonSchema, shapeOf } from "../../../src/runtime/config/index.ts";

const YAML = `
trustDomain: example.test
dataDir: /srv/mesh-ca
listen:
  grpc: { host: 127.0.0.1, port: 0, publicAddress: "ca.example.test:8443", dnsNames: [ca.example.test] }
attestors:
  token: { kind: join-token }
  k8s-prod: { kind: jwt, preset: kubernetes, issuer: https://k8s, audience: mesh-ca, jwksFile: /etc/jwks.json }
  corp: { kind: x509, caFile: /etc/corp.pem }
rules:
  - name: shop
    match: { "k8s-prod.namespace": shop }
    spiffeId: spiffe://{trustDomain}/ns/{k8s-prod.namespace}
`;

function file(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "mesh-ca-")), "mesh-ca.yaml");
  writeFileSync(path, text);
  return path;
}

test("a file with every kind of attestor is read, and every key has its default", async () => {
  const config = await loadConfig({ file: file(YAML), env: {} });
  assert.equal(config.listen.operations.port, 8445);
  assert.equal(config.authority.lifetimeSeconds, 604_800);
  assert.deepEqual(config.attestors["token"], { kind: "join-token" });
  assert.equal(config.rules[0]?.renewAfterExpirySeconds, null);
  assert.equal(config.rules[0]?.match["k8s-prod.namespace"], "shop");
  assert.ok(Check(configSchema, config), "the result is what its type says");
});

test("flags win over the environment, the environment over the file", async () => {
  const sources = { file: file(YAML), env: { MESH_CA_LISTEN__GRPC__PORT: "1", MESH_CA_REPLICA: "2" } };
  const config = await loadConfig({ ...sources, flags: { "listen.grpc.port": "3" } });
  assert.equal(config.listen.grpc.port, 3);
  assert.equal(config.replica, 2);
});

test("variables of the command line program and of tests are no settings; others with our prefix are refused", async () => {
  const sources = { file: file(YAML) };
  await loadConfig({ ...sources, env: { MESH_CA_SOCKET: "x", MESH_CA_TEST_X: "y", PATH: "/bin" } });
  await assert.rejects(loadConfig({ ...sources, env: { MESH_CA_REPLIKA: "2" } }), { code: "MCA_CONFIG_UNKNOWN_KEY" });
});

test("the data directory where none is named depends on who runs us", async () => {
  assert.equal(defaultDataDir({}, 0), "/var/lib/mesh-ca");
  assert.equal(defaultDataDir({ HOME: "/home/a" }, 1000), "/home/a/.local/share/mesh-ca");
  assert.equal(defaultDataDir({ HOME: "/home/a", XDG_DATA_HOME: "/data" }, 1000), "/data/mesh-ca");
  assert.throws(() => defaultDataDir({}, 1000), { code: "MCA_CONFIG_MISSING" });
  const config = await loadConfig({ env: { MESH_CA_TRUST_DOMAIN: "example.test", HOME: "/home/a" } });
  assert.ok(config.dataDir !== null, "loading fills it in");
});

const base = { trustDomain: "example.test" };
const jwt = { kind: "jwt", issuer: "https://i", audience: "a" };

const refused: readonly [string, object, string, RegExp][] = [
  [
    "the URL of a database in the file",
    { database: { url: "postgresql://x" } },
    "MCA_CONFIG_SECRET_IN_FILE",
    /MESH_CA_DATABASE__URL/,
  ],
  ["lifetimes out of order", { issuance: { minTtlSeconds: 7200 } }, "MCA_CONFIG_UNSAFE", /minTtlSeconds \(7200\)/],
  [
    "a CA file for a plaintext database",
    { database: { tls: "insecure-plaintext", caFile: "/x" } },
    "MCA_CONFIG_INVALID",
    /caFile/,
  ],
  [
    "an attestor named agent",
    { attestors: { agent: { kind: "join-token" } } },
    "MCA_CONFIG_INVALID",
    /attestors\.agent/,
  ],
  ["an attestor name with a dot", { attestors: { "a.b": { kind: "join-token" } } }, "MCA_CONFIG_INVALID", /a\.b/],
  ["a JWT attestor without a source of keys", { attestors: { j: jwt } }, "MCA_CONFIG_INVALID", /exactly one of/],
  [
    "a JWT attestor with two sources",
    { attestors: { j: { ...jwt, discovery: true, jwksFile: "/x" } } },
    "MCA_CONFIG_INVALID",
    /found 2/,
  ],
  ["keys by plain http", { attestors: { j: { ...jwt, jwksUrl: "http://x" } } }, "MCA_CONFIG_UNSAFE", /https/],
  [
    "a JWT attestor without an audience",
    { attestors: { j: { kind: "jwt", issuer: "i", jwksFile: "/x" } } },
    "MCA_CONFIG_MISSING",
    /attestors\.j\.audience/,
  ],
  [
    "a public address without a port",
    { listen: { grpc: { publicAddress: "ca.example.test" } } },
    "MCA_CONFIG_INVALID",
    /host:port/,
  ],
  [
    "a public address with a scheme",
    { listen: { grpc: { publicAddress: "https://ca:1" } } },
    "MCA_CONFIG_INVALID",
    /host:port/,
  ],
  ["a replica of 128", { replica: 128 }, "MCA_CONFIG_INVALID", /from 1 to 127/],
  [
    "a misspelt key of a rule",
    { rules: [{ name: "a", match: {}, spiffeId: "x", spifeId: "y" }] },
    "MCA_CONFIG_UNKNOWN_KEY",
    /rules\[0\]\.spifeId.*rules\[0\]\.spiffeId/,
  ],
  [
    "a misspelt key of an attestor",
    { attestors: { j: { ...jwt, audiance: "x" } } },
    "MCA_CONFIG_UNKNOWN_KEY",
    /attestors\.j\.audiance.*audience/,
  ],
  ["a rule without match", { rules: [{ name: "a", spiffeId: "x" }] }, "MCA_CONFIG_MISSING", /rules\[0\]\.match/],
];

for (const [what, change, code, sentence] of refused) {
  test(`${what} is refused with a sentence that names the key`, async () => {
    const text = JSON.stringify({ ...base, ...change });
    await assert.rejects(loadConfig({ file: file(text), env: {} }), (error: { code?: string; message: string }) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, sentence);
      return true;
    });
  });
}

test("database.url comes by the environment; together with urlFile it is refused", async () => {
  const env = { MESH_CA_TRUST_DOMAIN: "example.test", MESH_CA_DATABASE__URL: "postgresql://u:p@h/d" };
  assert.equal((await loadConfig({ env })).database.url, "postgresql://u:p@h/d");
  await assert.rejects(loadConfig({ env: { ...env, MESH_CA_DATABASE__URL_FILE: "/x" } }), {
    code: "MCA_CONFIG_INVALID",
  });
});

test("every key says what it is for, and every number has its range", () => {
  const check = (schema: JsonSchema, path: string): void => {
    assert.ok((schema.description ?? "").length > 10, `${path} has no description`);
    if (schema.type === "integer")
      assert.ok(schema.minimum !== undefined && schema.maximum !== undefined, `${path} has no range`);
  };
  const root = configSchema as unknown as JsonSchema;
  for (const { path, schema } of configKeys(root)) {
    check(schema, path.join("."));
    const shape = shapeOf(schema);
    const items = shape.kind === "map" ? shape.values : shape.kind === "list" ? shape.items : undefined;
    if (items === undefined) continue;
    const inner = shapeOf(items);
    const groups = inner.kind === "variants" ? [...inner.variants.values()] : [items];
    for (const group of groups) {
      for (const [key, child] of Object.entries(group.properties ?? {})) check(child, `${path.join(".")}.*.${key}`);
    }
  }
});

test("the published JSON Schema takes the file that the loader takes", async () => {
  const schema = configJsonSchema();
  assert.deepEqual(schema["required"], ["trustDomain"]);
  assert.equal(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
});

test("what was loaded once can be given again", () => {
  const config: Config = parseConfig({ ...base, dataDir: "/x" });
  assert.deepEqual(parseConfig(structuredClone(config)), config);
});
