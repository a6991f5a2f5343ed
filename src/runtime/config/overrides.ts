// Single keys from outside the file: the environment (MESH_CA_LISTEN__GRPC__PORT) and flags (listen.grpc.port).
// Text becomes what the schema asks for; lists, maps and groups are written as JSON.
import { nearestHint } from "../nearest.ts";
import { ConfigError } from "./errors.ts";
import { type JsonSchema, shapeOf } from "./json-schema.ts";
import { unknownKey } from "./resolve.ts";

export const ENVIRONMENT_PREFIX = "MESH_CA_";

/** One key that can be set from outside: where it is and how it is called there. */
export interface ConfigKey {
  /** ["listen", "grpc", "port"] */
  readonly path: readonly string[];
  readonly schema: JsonSchema;
  /** MESH_CA_LISTEN__GRPC__PORT */
  readonly environmentName: string;
}

/** Every key of the schema that is not a group of other keys, in the schema's order. */
export function configKeys(schema: JsonSchema, path: readonly string[] = []): readonly ConfigKey[] {
  const shape = shapeOf(schema);
  if (shape.kind !== "section") return [{ path, schema, environmentName: environmentName(path) }];
  return Object.entries(shape.properties).flatMap(([key, child]) => configKeys(child, [...path, key]));
}

function environmentName(path: readonly string[]): string {
  const levels = path.map((key) => key.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase());
  return ENVIRONMENT_PREFIX + levels.join("__");
}

/**
 * Lays the environment's values over `base`. Names that begin with MESH_CA_ and are neither a key nor accepted by
 * `isOther` are refused. Throws ConfigError.
 */
export function applyEnvironment(
  base: unknown,
  schema: JsonSchema,
  env: Readonly<Record<string, string | undefined>>,
  isOther: (name: string) => boolean,
): unknown {
  const keys = new Map(configKeys(schema).map((key) => [key.environmentName, key]));
  let out = base;
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !name.startsWith(ENVIRONMENT_PREFIX) || isOther(name)) continue;
    const key = keys.get(name);
    if (key === undefined) {
      throw new ConfigError(
        "MCA_CONFIG_UNKNOWN_KEY",
        `The environment variable ${name} is not a known setting.${nearestHint(name, [...keys.keys()])} Correct or unset it.`,
      );
    }
    out = withValue(out, key.path, coerce(key.schema, value, name));
  }
  return out;
}

/** Lays values by key path ("listen.grpc.port") over `base`. Throws ConfigError. */
export function applyFlags(base: unknown, schema: JsonSchema, flags: Readonly<Record<string, string>>): unknown {
  const keys = new Map(configKeys(schema).map((key) => [key.path.join("."), key]));
  let out = base;
  for (const [name, value] of Object.entries(flags)) {
    const key = keys.get(name);
    if (key === undefined) throw unknownKey(name, [...keys.keys()], "");
    if (key.schema.secret === true) {
      throw new ConfigError(
        "MCA_CONFIG_SECRET_IN_FILE",
        `${name} is a secret: command lines are readable by others. Use ${key.environmentName} or a file.`,
      );
    }
    out = withValue(out, key.path, coerce(key.schema, value, name));
  }
  return out;
}

/** Throws MCA_CONFIG_SECRET_IN_FILE where the file holds the value of a secret. */
export function refuseSecrets(value: unknown, schema: JsonSchema): void {
  for (const key of configKeys(schema)) {
    if (key.schema.secret !== true) continue;
    const found = key.path.reduce<unknown>(
      (group, name) => (isGroup(group) && Object.hasOwn(group, name) ? group[name] : undefined),
      value,
    );
    if (found !== undefined && found !== null) {
      throw new ConfigError(
        "MCA_CONFIG_SECRET_IN_FILE",
        `${key.path.join(".")} is a secret and may not stand in the configuration file. Use ${key.environmentName} or a file of its own.`,
      );
    }
  }
}

function withValue(base: unknown, path: readonly string[], value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const group = isGroup(base) ? base : {};
  return { ...group, [key]: withValue(Object.hasOwn(group, key) ? group[key] : undefined, rest, value) };
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function coerce(schema: JsonSchema, text: string, name: string): unknown {
  if (schema.anyOf !== undefined) {
    const types = schema.anyOf.map((variant) => variant.type);
    if (text === "" && types.includes("null")) return null;
    const other = schema.anyOf.find((variant) => variant.type !== "null");
    return other === undefined ? text : coerce(other, text, name);
  }
  switch (schema.type) {
    case "integer":
      return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text;
    case "string":
      return text;
    default:
      return parseJson(text, name);
  }
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError("MCA_CONFIG_MALFORMED", `${name} must be JSON, for example ["a","b"].`, { cause: error });
  }
}
