// The subset of JSON Schema that our configuration schemas are written in (typebox makes them), read structurally.
// Beside the standard keywords: `unit` (printed in the docs), `secret` (refused in the file), `discriminator` (the key that
// chooses among the variants of a union).

export interface JsonSchema {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly unit?: string;
  readonly secret?: boolean;
  readonly discriminator?: string;
}

/** What a place in the configuration may hold. */
export type SchemaShape =
  | { readonly kind: "section"; readonly properties: Readonly<Record<string, JsonSchema>> }
  | { readonly kind: "map"; readonly values: JsonSchema }
  | { readonly kind: "list"; readonly items: JsonSchema }
  | { readonly kind: "variants"; readonly key: string; readonly variants: ReadonlyMap<string, JsonSchema> }
  | { readonly kind: "value" };

/** Which of the five shapes this schema has. Throws a TypeError for a union of objects without a discriminator: our own bug. */
export function shapeOf(schema: JsonSchema): SchemaShape {
  if (schema.properties !== undefined) return { kind: "section", properties: schema.properties };
  if (schema.patternProperties !== undefined) {
    const values = Object.values(schema.patternProperties)[0];
    if (values === undefined) throw new TypeError("a map in a configuration schema needs a schema for its values");
    return { kind: "map", values };
  }
  if (schema.items !== undefined) return { kind: "list", items: schema.items };
  if (schema.anyOf?.some((variant) => variant.properties !== undefined)) return variantsOf(schema);
  return { kind: "value" };
}

function variantsOf(schema: JsonSchema): SchemaShape {
  const key = schema.discriminator;
  if (key === undefined) throw new TypeError("a union of objects in a configuration schema needs a discriminator");
  const variants = new Map<string, JsonSchema>();
  for (const variant of schema.anyOf ?? []) {
    const name = variant.properties?.[key]?.const;
    if (typeof name !== "string") throw new TypeError(`a variant in a configuration schema has no constant ${key}`);
    variants.set(name, variant);
  }
  return { kind: "variants", key, variants };
}

/** What values are allowed, in words: "a whole number from 0 to 65535". */
export function describeValues(schema: JsonSchema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf !== undefined) return joinWords(schema.anyOf.map(describeValues));
  if (schema.patternProperties !== undefined) return "a map";
  switch (schema.type) {
    case "integer":
      return `a whole number from ${schema.minimum ?? "any"} to ${schema.maximum ?? "any"}${schema.unit === undefined ? "" : ` ${schema.unit}`}`;
    case "boolean":
      return "true or false";
    case "null":
      return "null";
    case "string":
      return describeText(schema);
    case "array":
      return describeList(schema);
    case "object":
      return "a group of keys";
    default:
      throw new TypeError(`the configuration docs cannot describe the type ${String(schema.type)}`);
  }
}

function describeList({ minItems, maxItems }: JsonSchema): string {
  const least = minItems === undefined ? [] : ["that is not empty"];
  const most = maxItems === undefined ? [] : [`of at most ${maxItems}`];
  return ["a list", ...least, ...most].join(" ");
}

function describeText(schema: JsonSchema): string {
  const parts = [schema.minLength === undefined ? "text" : "non-empty text"];
  if (schema.maxLength !== undefined) parts.push(`of at most ${schema.maxLength} characters`);
  if (schema.pattern !== undefined) parts.push(`that matches ${schema.pattern}`);
  return parts.join(" ");
}

function joinWords(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
