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

/** The page that documents every key: Markdown, made from the schema alone. */
export function renderConfigurationDocs(schema: JsonSchema): string {
  const lines = [
    "# Configuration",
    "",
    "<!-- Made from the schema by `npm run generate`. Do not edit by hand. -->",
    "",
    "One YAML file, given with `--config`. Environment variables win over the file, flags (`--set key=value`) over both.",
    "Unknown keys and unknown `MESH_CA_` variables are refused. `mesh-ca config check` tries a file, `mesh-ca config schema`",
    "prints the JSON Schema.",
    "",
  ];
  const top = shapeOf(schema);
  if (top.kind !== "section") throw new TypeError("a configuration schema is a group of keys");
  const plain = Object.entries(top.properties).filter(([, child]) => shapeOf(child).kind === "value");
  lines.push(
    "## Top level",
    "",
    ...table(plain.map(([key, child]) => row(key, child, environmentOf(schema, key)))),
    "",
  );
  for (const [key, child] of Object.entries(top.properties)) {
    if (shapeOf(child).kind !== "value") lines.push(...renderGroup(key, child, schema));
  }
  return `${lines.join("\n").trimEnd()}\n`;
}

function renderGroup(path: string, group: JsonSchema, root: JsonSchema): string[] {
  const shape = shapeOf(group);
  const head = [`## ${path}`, "", group.description ?? "", ""];
  switch (shape.kind) {
    case "section": {
      const rows: string[] = [];
      const nested: string[] = [];
      for (const [key, child] of Object.entries(shape.properties)) {
        if (shapeOf(child).kind === "section") nested.push(...renderGroup(`${path}.${key}`, child, root));
        else rows.push(row(`${path}.${key}`, child, environmentOf(root, `${path}.${key}`)));
      }
      return [...head, ...(rows.length > 0 ? [...table(rows), ""] : []), ...nested];
    }
    case "map":
      return [...head, ...renderItems(`${path}.<name>`, shape.values)];
    case "list":
      return [...head, ...renderItems(`${path}[]`, shape.items)];
    default:
      return head;
  }
}

function renderItems(path: string, schema: JsonSchema): string[] {
  const shape = shapeOf(schema);
  if (shape.kind === "section")
    return [...table(Object.entries(shape.properties).map(([key, child]) => row(`${path}.${key}`, child, ""))), ""];
  if (shape.kind !== "variants") return [];
  return [...shape.variants].flatMap(([name, variant]) => [
    `### ${path} with ${shape.key}: ${name}`,
    "",
    variant.description ?? "",
    "",
    ...renderItems(path, variant),
  ]);
}

function environmentOf(root: JsonSchema, path: string): string {
  return configKeys(root).find((key) => key.path.join(".") === path)?.environmentName ?? "";
}

function table(rows: readonly string[]): string[] {
  return ["| key | default | unit | allowed | meaning |", "|---|---|---|---|---|", ...rows];
}

function row(path: string, schema: JsonSchema, environment: string): string {
  const standard = schema.default === undefined ? "required" : `\`${JSON.stringify(schema.default)}\``;
  const allowed = describeValues({ ...schema, ...(schema.unit === undefined ? {} : { unit: "" }) }).trim();
  const key = environment === "" ? `\`${path}\`` : `\`${path}\`<br>\`${environment}\``;
  const cells = [key, standard, schema.unit ?? "", allowed, schema.description ?? ""];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
