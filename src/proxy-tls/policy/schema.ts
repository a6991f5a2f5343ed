// Every key of the policy file: what it may hold and what it means. The loader, the published JSON Schema
// (docs/mesh-ca-policies.schema.json) and the types come from this one place.
import Type, { type Static } from "typebox";
import { type JsonSchema, publishJsonSchema, text } from "../../runtime/config/index.ts";

/** Bounds on a file, so that no file makes a decision slow. */
const MAX_POLICIES = 1_000;
const MAX_RULES = 100;
const MAX_VALUES = 1_000;
const MAX_VALUE_LENGTH = 2_048;

/** Values of a field, ORed. The default stands for a field that is left out: strict.ts refuses a list that is written and empty. */
const values = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: MAX_VALUE_LENGTH }), {
    maxItems: MAX_VALUES,
    default: [],
    description,
  });

const ports = (description: string) =>
  Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), {
    maxItems: MAX_VALUES,
    default: [],
    description,
  });

const group = { additionalProperties: false, minProperties: 1, default: {} };

const from = Type.Object(
  {
    ids: values(
      "SPIFFE IDs of callers: exact, `spiffe://td/*` (a whole trust domain), `spiffe://td/ns/a/**` (that path and all below it).",
    ),
    notIds: values("Callers with none of these IDs."),
  },
  { ...group, description: "Who calls." },
);

const to = Type.Object(
  {
    ports: ports("Ports of the listener."),
    notPorts: ports("None of these ports."),
    hosts: values("Hosts as in `Host` or `:authority`; `*` stands for characters of one label. No port: any port."),
    notHosts: values("None of these hosts."),
    methods: values("Methods, case-sensitive."),
    notMethods: values("None of these methods."),
    paths: values("Paths: exact, `*` for characters of one segment, `/**` at the end for that path and all below it."),
    notPaths: values("None of these paths."),
  },
  { ...group, description: "What is called. Hosts, methods and paths: http listeners only." },
);

const header = Type.Object(
  {
    name: text(null, "Name of the field; upper and lower case are the same.", {
      minLength: 1,
      maxLength: 128,
      pattern: "^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$",
    }),
    values: values("Its value is one of these, compared exactly."),
    notValues: values("Its value is none of these."),
    present: Type.Union([Type.Boolean(), Type.Null()], {
      default: null,
      description:
        "true: the field is there. false: it is not. For this key alone a field that is not there is no riddle.",
    }),
  },
  { additionalProperties: false },
);

const when = Type.Object(
  {
    headers: Type.Array(header, {
      maxItems: 32,
      default: [],
      description: "Header fields, ANDed. http listeners only.",
    }),
    sourceCidrs: values("Addresses of the caller: 10.0.0.0/8, 2001:db8::/32, 192.0.2.7."),
    notSourceCidrs: values("None of these addresses."),
  },
  { ...group, description: "Under which conditions." },
);

const rule = Type.Object({ from, to, when }, { additionalProperties: false, minProperties: 1 });

const policy = Type.Object(
  {
    name: text(null, "Unique name: the log, the metrics and `proxy explain` tell it.", {
      pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,126}$",
    }),
    action: Type.Union([Type.Literal("allow"), Type.Literal("deny"), Type.Literal("audit")], {
      description:
        "deny goes before allow; what no policy allows is denied. audit only tells, and never changes the result.",
    }),
    dryRun: Type.Boolean({ default: false, description: "Only tells what it would do." }),
    listeners: Type.Array(Type.String({ minLength: 1, maxLength: 63 }), {
      maxItems: 64,
      default: [],
      description: "Names of the inbound listeners that it is for. Left out: all of them.",
    }),
    rules: Type.Array(rule, { minItems: 1, maxItems: MAX_RULES, description: "ORed. The keys of a rule are ANDed." }),
  },
  { additionalProperties: false },
);

const document = Type.Object(
  {
    policies: Type.Array(policy, { maxItems: MAX_POLICIES, description: "In any order. [] denies everything." }),
  },
  { additionalProperties: false, title: "mesh-ca policies", description: "Who may call what through the proxy." },
);

export type PolicyDocument = Static<typeof document>;
export type PolicyConfig = Static<typeof policy>;
export type RuleConfig = Static<typeof rule>;
export type HeaderConfig = Static<typeof header>;

// typebox's types hide the JSON Schema keywords that its values have; json-schema.ts names the subset that we write.
export const policySchema = document as unknown as JsonSchema;

/** The JSON Schema of the policy file. What the loader takes for "left out" is no default that anybody could write. */
export function policyJsonSchema(): Record<string, unknown> {
  // A copy by way of JSON, so that only what is published is changed.
  const schema: Record<string, unknown> = JSON.parse(
    JSON.stringify(publishJsonSchema(policySchema, "urn:mesh-ca:policies:1"), (_key, value: unknown) =>
      isSchema(value) ? withoutPlaceholder(value) : value,
    ),
  );
  return schema;
}

function isSchema(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function withoutPlaceholder(schema: Record<string, unknown>): Record<string, unknown> {
  const { default: standard, anyOf, ...rest } = schema;
  const variants = Array.isArray(anyOf)
    ? anyOf.filter((item) => !isSchema(item) || item["type"] !== "null")
    : undefined;
  return {
    ...rest,
    ...(typeof standard === "boolean" ? { default: standard } : {}),
    ...(Array.isArray(standard) ? { minItems: 1 } : {}),
    ...(variants === undefined
      ? {}
      : variants.length === 1 && isSchema(variants[0])
        ? variants[0]
        : { anyOf: variants }),
  };
}
