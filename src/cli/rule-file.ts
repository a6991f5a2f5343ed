// Reads a rule file into the messages of the registry. Unknown keys are refused here with the nearest known one: the message on
// the wire could not carry them, and a typing mistake would be lost in silence. What the values mean is the server's to judge.
import { Rule } from "../proto/gen/meshca/identity/v1/admin.ts";
import { nearestHint } from "../runtime/index.ts";
import { CliError } from "./errors.ts";

/** What the message can carry. */
const KEYS: readonly string[] = Object.keys(Rule.create());

/** One rule, a list of rules, or {rules: [...]}. @throws CliError MCA_CLI_FILE with file, rule and key */
export function parseRuleFile(file: string, document: unknown): Rule[] {
  const fail = (where: string, sentence: string): never => {
    throw new CliError("MCA_CLI_FILE", `${file}, ${where}: ${sentence}`);
  };
  const list = isRecord(document) && "rules" in document ? document["rules"] : document;
  const items: readonly unknown[] = Array.isArray(list) ? list : [list];
  if (items.length === 0) fail("whole file", "it holds no rule.");
  return items.map((item, index) => {
    const where = `rule ${index + 1}`;
    if (!isRecord(item)) return fail(where, "it is not a mapping of keys to values.");
    for (const key of Object.keys(item)) {
      if (!KEYS.includes(key)) fail(where, `${key} is not a key of a rule.${nearestHint(key, KEYS)}`);
    }
    const text = (key: string): string => {
      const value = item[key] ?? "";
      return typeof value === "string" ? value : fail(where, `${key} must be a text.`);
    };
    const number = (key: string): number => {
      const value = item[key] ?? 0;
      return typeof value === "number" && Number.isSafeInteger(value)
        ? value
        : fail(where, `${key} must be a whole number.`);
    };
    const texts = (key: string): string[] => {
      const value = item[key] ?? [];
      if (Array.isArray(value) && value.every((entry) => typeof entry === "string")) return [...value];
      return fail(where, `${key} must be a list of texts.`);
    };
    const match = item["match"] ?? {};
    if (!isRecord(match) || !Object.values(match).every((value) => typeof value === "string")) {
      return fail(where, "match must be a mapping of attribute names to texts; quote numbers.");
    }
    return {
      name: text("name"),
      priority: number("priority"),
      match: Object.fromEntries(Object.entries(match).map(([name, value]) => [name, String(value)])),
      spiffeId: text("spiffeId"),
      dnsNames: texts("dnsNames"),
      ttlSeconds: number("ttlSeconds"),
      roles: texts("roles"),
      renewAfterExpirySeconds:
        item["renewAfterExpirySeconds"] === undefined ? undefined : number("renewAfterExpirySeconds"),
      maxLineageAgeSeconds: number("maxLineageAgeSeconds"),
    };
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
