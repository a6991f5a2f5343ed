// Checks a configuration against its schema and fills in the defaults. Fails closed: an unknown key is an error that names
// the nearest known one. Every error names the path.
import { Check } from "typebox/value";
import { nearestHint } from "../nearest.ts";
import { ConfigError } from "./errors.ts";
import { describeValues, type JsonSchema, shapeOf } from "./json-schema.ts";

/** Returns a new value that has every key of the schema. Throws ConfigError. */
export function resolveConfig(schema: JsonSchema, value: unknown): unknown {
  return resolve(schema, value, "");
}

function resolve(schema: JsonSchema, given: unknown, path: string): unknown {
  const value = given === undefined ? structuredClone(schema.default) : given;
  const shape = shapeOf(schema);
  if (value === undefined) {
    throw shape.kind === "variants" ? noVariant(shape.key, shape.variants, path) : missing(schema, path);
  }
  switch (shape.kind) {
    case "section":
      return resolveSection(shape.properties, value, path);
    case "map":
      return resolveMap(schema, shape.values, value, path);
    case "list":
      return resolveList(schema, shape.items, value, path);
    case "variants":
      return resolveVariant(shape.key, shape.variants, value, path);
    case "value":
      if (!Check(schema, value)) throw invalid(schema, value, path);
      return value;
  }
}

function resolveSection(properties: Readonly<Record<string, JsonSchema>>, value: unknown, path: string): unknown {
  const given = groupOf(value, path);
  for (const key of given.keys()) {
    if (!Object.hasOwn(properties, key)) throw unknownKey(key, Object.keys(properties), path);
  }
  return Object.fromEntries(
    Object.entries(properties).map(([key, schema]) => [key, resolve(schema, given.get(key), join(path, key))]),
  );
}

function resolveMap(schema: JsonSchema, values: JsonSchema, value: unknown, path: string): unknown {
  const given = groupOf(value, path);
  if (given.has("__proto__")) throw invalid(schema, value, path);
  return Object.fromEntries([...given].map(([key, item]) => [key, resolve(values, item, join(path, key))]));
}

function resolveList(schema: JsonSchema, items: JsonSchema, value: unknown, path: string): unknown {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
  if (!Array.isArray(value) || value.length < minItems || value.length > maxItems) throw invalid(schema, value, path);
  return value.map((item: unknown, index) => resolve(items, item ?? null, `${path}[${index}]`));
}

function resolveVariant(key: string, variants: ReadonlyMap<string, JsonSchema>, value: unknown, path: string): unknown {
  const name = groupOf(value, path).get(key);
  if (name === undefined) throw noVariant(key, variants, path);
  const names = [...variants.keys()];
  const variant = variants.get(String(name));
  if (variant === undefined) {
    throw new ConfigError(
      "MCA_CONFIG_INVALID",
      `${join(path, key)} is ${show(name)}. Set it to one of ${names.join(", ")}.`,
      { details: { path: join(path, key) } },
    );
  }
  return resolve(variant, value, path);
}

function groupOf(value: unknown, path: string): ReadonlyMap<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ConfigError(
      "MCA_CONFIG_INVALID",
      `${path || "The configuration"} is ${show(value)}; it must be a group of keys.`,
      {
        details: { path },
      },
    );
  }
  return new Map(Object.entries(value).filter(([, item]) => item !== undefined));
}

/** The key that tells the variants apart is not there, or nothing is. */
function noVariant(key: string, variants: ReadonlyMap<string, JsonSchema>, path: string): ConfigError {
  const at = join(path, key);
  return new ConfigError(
    "MCA_CONFIG_MISSING",
    `${at} is missing. Set it to one of ${[...variants.keys()].join(", ")}.`,
    {
      details: { path: at },
    },
  );
}

function missing(schema: JsonSchema, path: string): ConfigError {
  return new ConfigError(
    "MCA_CONFIG_MISSING",
    `${path} is missing. Set it: ${schema.description ?? describeValues(schema)}`,
    { details: { path } },
  );
}

function invalid(schema: JsonSchema, value: unknown, path: string): ConfigError {
  const found = schema.secret === true ? "not usable" : show(value);
  return new ConfigError("MCA_CONFIG_INVALID", `${path} is ${found}; it must be ${describeValues(schema)}.`, {
    details: { path },
  });
}

/** The error for a key that does not exist; it names the nearest one that does. */
export function unknownKey(key: string, known: readonly string[], path: string): ConfigError {
  return new ConfigError(
    "MCA_CONFIG_UNKNOWN_KEY",
    `${join(path, key)} is not a known key.${nearestHint(key, known, path)}`,
    {
      details: { path: join(path, key) },
    },
  );
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
