// What is published of a configuration schema: a JSON Schema for editors and checks, and the page docs/configuration.md.
import { describeValues, type JsonSchema, shapeOf } from "./json-schema.ts";
import { configKeys } from "./overrides.ts";

/** The JSON Schema (2020-12) of the file: keys that have a default are not required there. */
export function publishJsonSchema(schema: JsonSchema, id: string): Record<string, unknown> {
  return { $schema: "https://json-schema.org/draft/2020-12/schema", $id: id, ...relax(schema) };
}

function relax(schema: JsonSchema): Record<string, unknown> {
  const out: Record<string, unknown> = { ...schema };
  delete out["discriminator"];
  delete out["secret"];
  if (schema.properties !== undefined) {
    const properties = schema.properties;
    out["properties"] = mapValues(properties, relax);
    const required = (schema.required ?? []).filter((key) => properties[key]?.default === undefined);
    if (required.length > 0) out["required"] = required;
    else delete out["required"];
  }
  if (schema.patternProperties !== undefined) out["patternProperties"] = mapValues(schema.patternProperties, relax);
  if (schema.items !== undefined) out["items"] = relax(schema.items);
  if (schema.anyOf !== undefined) out["anyOf"] = schema.anyOf.map(relax);
  return out;
}

function mapValues<In, Out>(group: Readonly<Record<string, In>>, change: (value: In) => Out): Record<string, Out> {
  return Object.fromEntries(Object.entries(group).map(([key, value]) => [key, change(value)]));
}

/** What a page says that is not in the schema. */
export interface ConfigurationPage {
  readonly title: string;
  /** Lines before the first table. */
  readonly introduction: readonly string[];
  /** Whether keys can be set by environment variables, which are then told beside them. */
  readonly environment: boolean;
}

/** The page that documents every key: Markdown, made from the schema alone. */
export function renderConfigurationDocs(schema: JsonSchema, page: ConfigurationPage): string {
  const names = new Map(
    page.environment ? configKeys(schema).map((key) => [key.path.join("."), key.environmentName]) : [],
  );
  const lines = [
    `# ${page.title}`,
    "",
    "<!-- Made from the schema by `npm run generate`. Do not edit by hand. -->",
    "",
    ...page.introduction,
    "",
  ];
  const top = shapeOf(schema);
  if (top.kind !== "section") throw new TypeError("a configuration schema is a group of keys");
  const plain = Object.entries(top.properties).filter(([, child]) => shapeOf(child).kind === "value");
  lines.push("## Top level", "", ...table(plain.map(([key, child]) => row(key, child, names.get(key)))), "");
  for (const [key, child] of Object.entries(top.properties)) {
    if (shapeOf(child).kind !== "value") lines.push(...renderGroup(key, child, names));
  }
  return `${lines.join("\n").trimEnd()}\n`;
}

function renderGroup(path: string, group: JsonSchema, names: ReadonlyMap<string, string>): string[] {
  return [`## ${path}`, "", ...description(group), ...renderBody(path, group, names)];
}

/** The tables of a group: one of its own keys, then one for each group in it. */
function renderBody(path: string, schema: JsonSchema, names: ReadonlyMap<string, string>): string[] {
  const shape = shapeOf(schema);
  switch (shape.kind) {
    case "section":
      return renderSection(path, shape.properties, names);
    case "map":
      return renderBody(`${path}.<name>`, shape.values, names);
    case "list":
      return renderBody(`${path}[]`, shape.items, names);
    case "variants":
      return [...shape.variants].flatMap(([name, variant]) => [
        `### ${path} with ${shape.key}: ${name}`,
        "",
        ...description(variant),
        ...renderBody(path, variant, names),
      ]);
    case "value":
      return [];
  }
}

function renderSection(
  path: string,
  properties: Readonly<Record<string, JsonSchema>>,
  names: ReadonlyMap<string, string>,
): string[] {
  const rows: string[] = [];
  const nested: string[] = [];
  for (const [key, child] of Object.entries(properties)) {
    const at = `${path}.${key}`;
    const body = renderBody(at, child, names);
    if (shapeOf(child).kind !== "section") rows.push(row(at, child, names.get(at)));
    if (body.length > 0) nested.push(`${at.includes("[]") ? "####" : "##"} ${at}`, "", ...description(child), ...body);
  }
  return [...(rows.length > 0 ? [...table(rows), ""] : []), ...nested];
}

function description(schema: JsonSchema): string[] {
  return schema.description === undefined ? [] : [schema.description, ""];
}

function table(rows: readonly string[]): string[] {
  return ["| key | default | unit | allowed | meaning |", "|---|---|---|---|---|", ...rows];
}

function row(path: string, schema: JsonSchema, environment: string | undefined): string {
  const standard = schema.default === undefined ? "required" : `\`${JSON.stringify(schema.default)}\``;
  const allowed = describeValues({ ...schema, ...(schema.unit === undefined ? {} : { unit: "" }) }).trim();
  const key = environment === undefined ? `\`${path}\`` : `\`${path}\`<br>\`${environment}\``;
  const cells = [key, standard, schema.unit ?? "", allowed, schema.description ?? ""];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
