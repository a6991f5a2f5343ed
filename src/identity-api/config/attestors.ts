// The attestors' keys of the configuration: one object a kind. What they mean is written in ../attest/.
import Type from "typebox";
import { integer, text, textMap, textOrNull, texts } from "../../runtime/config/index.ts";

const joinToken = Type.Object(
  { kind: Type.Literal("join-token", { description: "Join tokens, made by `mesh-ca token create`." }) },
  {
    additionalProperties: false,
    description: "One enrolment for each token. Attributes: what the token's maker wrote into it.",
  },
);

const jwt = Type.Object(
  {
    kind: Type.Literal("jwt", { description: "JSON Web Tokens of an identity provider or of Kubernetes." }),
    preset: Type.Union([Type.Literal("kubernetes"), Type.Null()], {
      default: null,
      description: "kubernetes: claims, algorithms and age (3,700 s) of Kubernetes service-account tokens.",
    }),
    issuer: text(null, "The `iss` claim, compared exactly.", { minLength: 1 }),
    audience: text(null, "Our own name: must be among the token's `aud`.", { minLength: 1 }),
    jwksFile: textOrNull("JSON Web Key Set file. Exactly one of jwksFile, jwksUrl and discovery."),
    jwksUrl: textOrNull("https URL of a JSON Web Key Set."),
    discovery: Type.Boolean({
      default: false,
      description: "Find the keys by OpenID Connect discovery below the issuer's URL.",
    }),
    caFile: textOrNull("PEM file with the CA certificates for jwksUrl and discovery. Null: those of the system."),
    maxAgeSeconds: Type.Union([Type.Integer({ minimum: 1, maximum: 86_400 }), Type.Null()], {
      default: null,
      unit: "s",
      description: "Oldest token that is taken, by its `iat`. Null: 600, with the preset kubernetes 3,700.",
    }),
    algorithms: texts(
      "Accepted signature algorithms. Empty: RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384, PS512 and EdDSA.",
      {
        maxItems: 16,
      },
    ),
    claims: textMap(
      "Attribute name to claim: a path through nested objects, separated by dots; with \\. for a dot within a name.",
    ),
  },
  { additionalProperties: false, description: "Tokens with our own audience. Attributes: the claims that are named." },
);

const x509 = Type.Object(
  {
    kind: Type.Literal("x509", {
      description: "A client certificate of an existing (enterprise) PKI, presented in the TLS handshake.",
    }),
    caFile: text(null, "PEM file with the trust anchors of that PKI.", { minLength: 1 }),
    maxPathLength: integer(
      8,
      { minimum: 2, maximum: 8, unit: "certificates" },
      "Longest accepted chain, anchor included.",
    ),
  },
  {
    additionalProperties: false,
    description: "First enrolment by mTLS. Attributes: commonName, dns, issuer and more.",
  },
);

/** One attestor instance. */
export const attestorSchema = Type.Union([joinToken, jwt, x509], { discriminator: "kind" });
