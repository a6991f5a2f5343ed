// From plain data (YAML, the API, the database) to a RuleDefinition. Strict: an unknown field, role or type is an error that
// names the nearest known one, because a misspelt restriction that is ignored is a hole. What the definition means in this
// trust domain is judged in compile-rule.ts.
import { nearestHint } from "../../runtime/index.ts";
import { RuleError } from "./errors.ts";
import type { Refuse } from "./template.ts";
import { type Role, type RuleDefinition, roles } from "./types.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const DAY = 86_400;

/** Bounds that hold in every trust domain. */
export const limits = {
  selectors: 32,
  dnsNames: 32,
  priority: 1_000_000,
  ttlSeconds: 30 * DAY,
  renewAfterExpirySeconds: 30 * DAY,
  maxLineageAgeSeconds: 3650 * DAY,
} as const;

const FIELDS = [
  "name",
  "priority",
  "match",
  "spiffeId",
  "dnsNames",
  "ttlSeconds",
  "roles",
  "renewAfterExpirySeconds",
  "maxLineageAgeSeconds",
] as const;
type Field = (typeof FIELDS)[number];

/** Reads one rule. `where` names it in errors until its own name is known. @throws RuleError */
export function parseRule(input: unknown, where: string): RuleDefinition {
  if (!isRecord(input)) throw new RuleError(where, "rule", "write an object with name, match and spiffeId.");
  const given = Object.hasOwn(input, "name") ? input["name"] : undefined;
  const name = typeof given === "string" && NAME.test(given) ? given : where;
  const refusing =
    (field: string): Refuse =>
    (sentence) => {
      throw new RuleError(name, field, sentence);
    };
  for (const field of Object.keys(input)) {
    if (!FIELDS.some((known) => known === field))
      refusing(field)(`is no field of a rule.${nearestHint(field, FIELDS)}`);
  }
  const read = (field: Field): unknown => (Object.hasOwn(input, field) ? (input[field] ?? undefined) : undefined);
  if (given !== name) {
    refusing("name")("write 1 to 128 letters, digits, dots, dashes and underscores, beginning with a letter or digit.");
  }
  return {
    name,
    priority: integer(read("priority") ?? 0, -limits.priority, limits.priority, refusing("priority")),
    match: parseMatch(read("match"), refusing("match")),
    spiffeId: text(read("spiffeId"), refusing("spiffeId")),
    dnsNames: list(read("dnsNames") ?? [], limits.dnsNames, refusing("dnsNames")),
    ttlSeconds: integer(read("ttlSeconds") ?? 0, 0, limits.ttlSeconds, refusing("ttlSeconds")),
    roles: parseRoles(read("roles") ?? [], refusing("roles")),
    renewAfterExpirySeconds: optionalInteger(
      read("renewAfterExpirySeconds"),
      limits.renewAfterExpirySeconds,
      refusing("renewAfterExpirySeconds"),
    ),
    maxLineageAgeSeconds: integer(
      read("maxLineageAgeSeconds") ?? 0,
      0,
      limits.maxLineageAgeSeconds,
      refusing("maxLineageAgeSeconds"),
    ),
  };
}

function parseMatch(value: unknown, refuse: Refuse): ReadonlyMap<string, string> {
  if (!isRecord(value)) return refuse('write an object of "<attestor instance>.<attribute>" to a value or glob.');
  const entries = Object.entries(value);
  if (entries.length === 0) refuse("needs at least one selector: a rule that asks for nothing would match everybody.");
  if (entries.length > limits.selectors) refuse(`has more than ${limits.selectors} selectors.`);
  return new Map(
    entries.map(([attribute, pattern]) => {
      if (typeof pattern !== "string") {
        return refuse(`the value of "${attribute}" is not a text; put numbers and true or false in quotes.`);
      }
      return [attribute, pattern];
    }),
  );
}

function parseRoles(value: unknown, refuse: Refuse): readonly Role[] {
  const found = list(value, roles.length, refuse).map((name) => {
    const role = roles.find((known) => known === name);
    return role ?? refuse(`"${name}" is no role.${nearestHint(name, roles)}`);
  });
  return roles.filter((role) => found.includes(role));
}

function list(value: unknown, max: number, refuse: Refuse): readonly string[] {
  if (!Array.isArray(value)) return refuse("write a list.");
  if (value.length > max) refuse(`has more than ${max} members.`);
  const texts = value.map((member: unknown) => text(member, refuse));
  if (new Set(texts).size !== texts.length) refuse("names something twice.");
  return texts;
}

function text(value: unknown, refuse: Refuse): string {
  if (typeof value !== "string" || value === "") return refuse("write a text that is not empty.");
  return value;
}

function integer(value: unknown, min: number, max: number, refuse: Refuse): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    return refuse(`write a whole number from ${min} to ${max}.`);
  }
  return value;
}

function optionalInteger(value: unknown, max: number, refuse: Refuse): number | undefined {
  return value === undefined ? undefined : integer(value, 0, max, refuse);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
