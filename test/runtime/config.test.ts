// The generic configuration loader: strict, and every error names the path and the remedy.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import Type from "typebox";
import {
  applyEnvironment,
  applyFlags,
  ConfigError,
  type ConfigErrorCode,
  configKeys,
  type JsonSchema,
  parseConfigText,
  publishJsonSchema,
  readConfigFile,
  refuseSecrets,
  renderConfigurationDocs,
  resolveConfig,
} from "../../src/runtime/config/index.ts";

const section = (properties: Parameters<typeof Type.Object>[0]) =>
  Type.Object(properties, { additionalProperties: false, default: {}, description: "A group." });

const schema = section({
  name: Type.String({ minLength: 1, description: "Required." }),
  listen: section({
    port: Type.Integer({ default: 8443, minimum: 0, maximum: 65535, unit: "port", description: "Where." }),
    publicAddress: Type.Union([Type.String({ minLength: 1 }), Type.Null()], { default: null, description: "How." }),
  }),
  tags: Type.Array(Type.String(), { default: [], maxItems: 2, description: "A list." }),
  verbose: Type.Boolean({ default: false, description: "A flag." }),
  password: Type.Union([Type.String(), Type.Null()], { default: null, secret: true, description: "A secret." }),
  shapes: Type.Record(
    Type.String(),
    Type.Union(
      [
        Type.Object(
          { kind: Type.Literal("circle"), radius: Type.Integer({ default: 1, minimum: 1, maximum: 9 }) },
          { additionalProperties: false },
        ),
        Type.Object({ kind: Type.Literal("dot") }, { additionalProperties: false }),
      ],
      { discriminator: "kind" },
    ),
    { default: {}, description: "A map." },
  ),
}) as unknown as JsonSchema;

function refuses(run: () => unknown, code: ConfigErrorCode, sentence: RegExp): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, sentence);
    return true;
  });
}

test("defaults are filled in at every level", () => {
  assert.deepEqual(resolveConfig(schema, { name: "a", shapes: { x: { kind: "circle" } } }), {
    name: "a",
    listen: { port: 8443, publicAddress: null },
    tags: [],
    verbose: false,
    password: null,
    shapes: { x: { kind: "circle", radius: 1 } },
  });
});

test("a default is never shared between two configurations", () => {
  const first = resolveConfig(schema, { name: "a" });
  const second = resolveConfig(schema, { name: "a" });
  assert.notEqual(Reflect.get(Object(first), "tags"), Reflect.get(Object(second), "tags"));
});

test("an unknown key is refused and the nearest known one is named with its path", () => {
  refuses(
    () => resolveConfig(schema, { name: "a", listen: { prot: 1 } }),
    "MCA_CONFIG_UNKNOWN_KEY",
    /listen\.prot .*Did you mean "listen\.port"\?/,
  );
  refuses(() => resolveConfig(schema, { nam: "a" }), "MCA_CONFIG_UNKNOWN_KEY", /Did you mean "name"\?/);
  refuses(
    () => resolveConfig(schema, { name: "a", zzzzzzzz: 1 }),
    "MCA_CONFIG_UNKNOWN_KEY",
    /Known here: name, listen/,
  );
  refuses(
    () => resolveConfig(schema, { name: "a", shapes: { x: { kind: "dot", radius: 1 } } }),
    "MCA_CONFIG_UNKNOWN_KEY",
    /shapes\.x\.radius/,
  );
  refuses(() => resolveConfig(schema, { name: "a", __proto__x: 1 }), "MCA_CONFIG_UNKNOWN_KEY", /__proto__x/);
});

test("a missing key is named with what it is for", () => {
  refuses(() => resolveConfig(schema, {}), "MCA_CONFIG_MISSING", /^name is missing\. Set it: Required/);
  refuses(
    () => resolveConfig(schema, { name: "a", shapes: { x: {} } }),
    "MCA_CONFIG_MISSING",
    /shapes\.x\.kind.*circle, dot/,
  );
});

test("a value of the wrong kind or out of range is told with the allowed range", () => {
  refuses(
    () => resolveConfig(schema, { name: "a", listen: { port: 65536 } }),
    "MCA_CONFIG_INVALID",
    /listen\.port is 65536; it must be a whole number from 0 to 65535 port/,
  );
  refuses(
    () => resolveConfig(schema, { name: "a", listen: { port: "1" } }),
    "MCA_CONFIG_INVALID",
    /listen\.port is "1"/,
  );
  refuses(
    () => resolveConfig(schema, { name: "a", listen: null }),
    "MCA_CONFIG_INVALID",
    /listen is null; it must be a group/,
  );
  refuses(() => resolveConfig(schema, { name: "a", tags: ["1", "2", "3"] }), "MCA_CONFIG_INVALID", /tags/);
  refuses(() => resolveConfig(schema, { name: "a", tags: [1] }), "MCA_CONFIG_INVALID", /tags\[0\] is 1/);
  refuses(
    () => resolveConfig(schema, { name: "a", shapes: { x: { kind: "square" } } }),
    "MCA_CONFIG_INVALID",
    /shapes\.x\.kind is "square".*circle, dot/,
  );
  refuses(() => resolveConfig(schema, []), "MCA_CONFIG_INVALID", /The configuration is \[\]/);
});

test("a refused secret does not show its value", () => {
  assert.throws(
    () => resolveConfig(schema, { name: "a", password: 12345 }),
    (error) => error instanceof ConfigError && !error.message.includes("12345"),
  );
});

test("YAML: duplicate keys, aliases, several documents, own tags and huge files are refused", () => {
  const refused: [string, RegExp][] = [
    ["a: 1\na: 2\n", /unique/],
    ["a: &x 1\nb: *x\n", /aliases/],
    ["a: 1\n---\nb: 2\n", /document/],
    ["a: !!js/function 'x'\n", /tag/i],
    ["a: [1\n", /./],
  ];
  for (const [text, sentence] of refused)
    refuses(() => parseConfigText(text, "f.yaml"), "MCA_CONFIG_MALFORMED", sentence);
  refuses(() => parseConfigText(`a: "${"x".repeat(1_048_577)}"`, "f.yaml"), "MCA_CONFIG_TOO_LARGE", /at most 1048576/);
  assert.deepEqual(parseConfigText("", "f.yaml"), {});
});

test("a file that cannot be read says so, why, and where its path comes from", async () => {
  await assert.rejects(readConfigFile("/does/not/exist.yaml"), {
    code: "MCA_CONFIG_UNREADABLE",
    message: /^\/does\/not\/exist\.yaml cannot be read \(ENOENT\)\. Check the path in --config:/,
  });
  await assert.rejects(readConfigFile(tmpdir(), "policyFile"), {
    message: /\(EISDIR\)\. Check the path in policyFile:/,
  });
  const file = join(mkdtempSync(join(tmpdir(), "mesh-ca-")), "c.yaml");
  writeFileSync(file, "a: {b: 1}\n");
  assert.deepEqual(await readConfigFile(file), { a: { b: 1 } });
});

test("the environment wins over the file, with __ between levels, and text becomes what the schema asks for", () => {
  const file = { name: "a", listen: { port: 1 } };
  const env = {
    MESH_CA_LISTEN__PORT: "2",
    MESH_CA_LISTEN__PUBLIC_ADDRESS: "x:1",
    MESH_CA_VERBOSE: "true",
    MESH_CA_TAGS: '["t"]',
    MESH_CA_PASSWORD: "s",
    OTHER: "ignored",
  };
  const merged = resolveConfig(
    schema,
    applyEnvironment(file, schema, env, () => false),
  );
  assert.deepEqual(merged, {
    name: "a",
    listen: { port: 2, publicAddress: "x:1" },
    tags: ["t"],
    verbose: true,
    password: "s",
    shapes: {},
  });
  assert.deepEqual(file, { name: "a", listen: { port: 1 } }, "the file's value is not changed in place");
});

test("an empty variable unsets what may be null; nonsense is refused with its range", () => {
  const read = (env: Record<string, string>) =>
    resolveConfig(
      schema,
      applyEnvironment({ name: "a" }, schema, env, () => false),
    );
  assert.equal(
    Reflect.get(Object(Reflect.get(Object(read({ MESH_CA_LISTEN__PUBLIC_ADDRESS: "" })), "listen")), "publicAddress"),
    null,
  );
  refuses(() => read({ MESH_CA_LISTEN__PORT: "0x10" }), "MCA_CONFIG_INVALID", /listen\.port is "0x10"/);
  refuses(() => read({ MESH_CA_VERBOSE: "yes" }), "MCA_CONFIG_INVALID", /verbose/);
  refuses(() => read({ MESH_CA_TAGS: "a,b" }), "MCA_CONFIG_MALFORMED", /must be JSON/);
});

test("an unknown variable with our prefix is refused and the nearest one is named", () => {
  refuses(
    () => applyEnvironment({}, schema, { MESH_CA_LISTEN_PORT: "1" }, () => false),
    "MCA_CONFIG_UNKNOWN_KEY",
    /MESH_CA_LISTEN_PORT.*Did you mean "MESH_CA_LISTEN__PORT"\?/,
  );
  applyEnvironment({}, schema, { MESH_CA_OTHER: "1" }, (name) => name === "MESH_CA_OTHER");
});

test("flags win, unknown ones are refused, and a secret is no flag", () => {
  assert.deepEqual(applyFlags({ listen: { port: 1 } }, schema, { "listen.port": "3" }), { listen: { port: 3 } });
  refuses(
    () => applyFlags({}, schema, { "listen.prt": "3" }),
    "MCA_CONFIG_UNKNOWN_KEY",
    /Did you mean "listen\.port"\?/,
  );
  refuses(() => applyFlags({}, schema, { password: "s" }), "MCA_CONFIG_SECRET_IN_FILE", /MESH_CA_PASSWORD/);
});

test("a secret in the file is refused", () => {
  refuses(() => refuseSecrets({ password: "s" }, schema), "MCA_CONFIG_SECRET_IN_FILE", /password.*MESH_CA_PASSWORD/);
  refuseSecrets({ password: null }, schema);
  refuseSecrets("nonsense", schema);
});

test("every key has a name in the environment, each its own", () => {
  const names = configKeys(schema).map((key) => key.environmentName);
  assert.deepEqual(names, [...new Set(names)]);
  assert.ok(names.includes("MESH_CA_LISTEN__PUBLIC_ADDRESS"));
});

test("the published JSON Schema requires only what has no default", () => {
  const published = publishJsonSchema(schema, "urn:x");
  assert.deepEqual(published["required"], ["name"]);
  assert.equal(JSON.stringify(published).includes("discriminator"), false);
});

test("the docs name every key with default, range and meaning", () => {
  const page = renderConfigurationDocs(schema, { title: "Keys", introduction: ["One file."], environment: true });
  for (const expected of [
    "`listen.port`",
    "`8443`",
    "from 0 to 65535",
    "MESH_CA_LISTEN__PORT",
    "with kind: circle",
    "A secret.",
  ]) {
    assert.ok(page.includes(expected), expected);
  }
});
