// One identity rule as written in the configuration file. The registry (../registry/) parses and judges it.
import Type from "typebox";
import { integer, text, textMap, texts } from "../../runtime/config/index.ts";

export const ruleSchema = Type.Object(
  {
    name: text(null, "Unique name.", { minLength: 1, maxLength: 128 }),
    priority: integer(0, { minimum: -1_000_000, maximum: 1_000_000 }, "The highest priority that matches decides."),
    match: textMap("Attribute (`<attestor instance>.<name>`) to an exact value, or a glob within one segment.", {
      default: undefined,
    }),
    spiffeId: text(null, "Template of the SPIFFE ID: spiffe://{trustDomain}/ns/{k8s-prod.namespace}.", {
      minLength: 1,
    }),
    dnsNames: texts("Templates of DNS names.", { maxItems: 32 }),
    ttlSeconds: integer(0, { minimum: 0, maximum: 2_592_000, unit: "s" }, "Lifetime; 0: issuance.defaultTtlSeconds."),
    roles: Type.Array(Type.Union([Type.Literal("auditor"), Type.Literal("operator"), Type.Literal("admin")]), {
      default: [],
      description: "What the identity may do with the API: auditor, operator, admin.",
    }),
    renewAfterExpirySeconds: Type.Union([Type.Integer({ minimum: 0, maximum: 2_592_000 }), Type.Null()], {
      default: null,
      unit: "s",
      description:
        "How long after its expiry the newest certificate may still renew. Null: 7 days for join tokens, else 0.",
    }),
    maxLineageAgeSeconds: integer(
      0,
      { minimum: 0, maximum: 315_360_000, unit: "s" },
      "After this age fresh evidence is asked for; 0: 30 days.",
    ),
  },
  { additionalProperties: false, description: "An identity rule." },
);
