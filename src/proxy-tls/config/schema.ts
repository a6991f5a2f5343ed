// Every key of the proxy's configuration: type, default, unit, range and what it is for. The loader, the published JSON Schema,
// docs/proxy-configuration.md and the type ProxyConfig all come from this one place.
import Type, { type Static } from "typebox";
import { flag, integer, section, text, textOrNull } from "../../runtime/config/index.ts";
import { inboundSchema, outboundSchema } from "./listeners.ts";

const meshCaIdentity = Type.Object(
  {
    kind: Type.Literal("mesh-ca", { description: "From a mesh-ca server, renewed before it expires." }),
    server: textOrNull("host:port of the Identity API. Null: what the join token or the state directory says.", {
      examples: ["ca.example.test:8443"],
    }),
    stateDir: text(null, "Directory (0700) that keeps key, certificate and trust across restarts.", { minLength: 1 }),
    joinTokenFile: textOrNull("File with a join token, for the first enrolment."),
    jwtFile: textOrNull("File with a JWT, such as a Kubernetes service-account token, for the first enrolment."),
    attestor: textOrNull("The server's attestor instance that is to check the JWT."),
    trustFile: textOrNull(
      "Trust file (`mesh-ca bundle export --format mesh-ca`); needed where no join token is given.",
    ),
  },
  { additionalProperties: false, description: "An identity that is kept fresh." },
);

const filesIdentity = Type.Object(
  {
    kind: Type.Literal("files", { description: "From PEM files that something else keeps fresh." }),
    certificateFile: text(null, "Certificate chain in PEM, leaf first.", { minLength: 1 }),
    keyFile: text(null, "Private key in PEM; mode 0600 or 0640.", { minLength: 1 }),
    trustFile: textOrNull("Trust file (trust.json of `mesh-ca svid fetch`). Exactly one of trustFile and bundleFile."),
    bundleFile: textOrNull(
      "Trust anchors of our own trust domain in PEM. Rule X-16 (siblings under one root) is off with it.",
    ),
  },
  { additionalProperties: false, description: "Files, watched: a changed and good set is used at once." },
);

const federated = Type.Object(
  {
    trustDomain: text(null, "The other trust domain.", { minLength: 1 }),
    bundleFile: text(null, "Its trust anchors: PEM, a SPIFFE bundle (JSON) or a trust file. Watched.", {
      minLength: 1,
    }),
  },
  {
    additionalProperties: false,
    description: "Another trust domain whose identities are verified by its own anchors.",
  },
);

const timeouts = section("Every deadline. A byte a second extends neither head nor total.", {
  handshakeMs: integer(10_000, { minimum: 100, maximum: 120_000, unit: "ms" }, "From accept to a verified peer."),
  prefaceMs: integer(5_000, { minimum: 100, maximum: 120_000, unit: "ms" }, "HTTP/2 in plaintext: its first 24 bytes."),
  headMs: integer(
    10_000,
    { minimum: 100, maximum: 120_000, unit: "ms" },
    "From a request's first byte to its whole head.",
  ),
  bodyIdleMs: integer(
    30_000,
    { minimum: 100, maximum: 3_600_000, unit: "ms" },
    "Between two pieces of a request's body, until the response begins.",
  ),
  streamIdleMs: integer(
    300_000,
    { minimum: 0, maximum: 86_400_000, unit: "ms" },
    "Between two pieces of a response's body, and of a request's beside it: streams, gRPC; 0: no bound.",
  ),
  writeStallMs: integer(30_000, { minimum: 100, maximum: 3_600_000, unit: "ms" }, "A receiver that takes nothing."),
  requestMs: integer(
    0,
    { minimum: 0, maximum: 86_400_000, unit: "ms" },
    "A whole exchange, from its head to its end; 0: no bound (streams).",
  ),
  connectMs: integer(5_000, { minimum: 10, maximum: 120_000, unit: "ms" }, "To a target, its handshake included."),
  responseMs: integer(
    60_000,
    { minimum: 0, maximum: 3_600_000, unit: "ms" },
    "From the whole request to the response's head; 0: no bound.",
  ),
  keepAliveMs: integer(
    60_000,
    { minimum: 100, maximum: 3_600_000, unit: "ms" },
    "A client's connection without a request.",
  ),
  upstreamIdleMs: integer(
    30_000,
    { minimum: 100, maximum: 3_600_000, unit: "ms" },
    "A pooled connection without a request.",
  ),
  tcpIdleMs: integer(
    3_600_000,
    { minimum: 0, maximum: 86_400_000, unit: "ms" },
    "A tcp connection without a byte; 0: no bound.",
  ),
});

const limits = section("Bounds on what others can use up, for each process.", {
  connections: integer(
    10_000,
    { minimum: 1, maximum: 1_000_000, unit: "connections" },
    "Open connections of a listener.",
  ),
  connectionsPerAddress: integer(
    0,
    { minimum: 0, maximum: 1_000_000, unit: "connections" },
    "Open connections of one address (IPv6: /64); 0: no other bound.",
  ),
  handshakes: integer(500, { minimum: 1, maximum: 100_000, unit: "handshakes" }, "TLS handshakes in progress."),
  streams: integer(
    100,
    { minimum: 1, maximum: 10_000, unit: "streams" },
    "Concurrent streams of an HTTP/2 connection.",
  ),
  upstreamConnections: integer(
    10_000,
    { minimum: 1, maximum: 1_000_000, unit: "connections" },
    "Open connections to the targets of a listener. A tcp listener has one for each of its own; an http listener keeps some for each caller.",
  ),
  pendingRequests: integer(
    1_000,
    { minimum: 0, maximum: 100_000, unit: "requests" },
    "Requests of a listener that wait for a connection to a target.",
  ),
});

/** The configuration of one proxy. */
export const proxyConfigSchema = Type.Object(
  {
    identity: Type.Union([meshCaIdentity, filesIdentity], { discriminator: "kind" }),
    federation: Type.Array(federated, { default: [], maxItems: 64, description: "Other trust domains." }),
    listeners: Type.Array(Type.Union([inboundSchema, outboundSchema], { discriminator: "direction" }), {
      minItems: 1,
      maxItems: 64,
      description: "Where the proxy listens, and where it forwards to.",
    }),
    policyFile: textOrNull(
      "YAML or JSON file of policies; watched. Null: none, so that inbound listeners deny everything.",
    ),
    workers: integer(
      0,
      { minimum: 0, maximum: 256, unit: "processes" },
      "Processes that share the listeners; 0: one for each core; 1: everything in one process.",
    ),
    timeouts,
    limits,
    retries: section("Requests that are sent again on a new connection.", {
      budgetPercent: integer(20, { minimum: 0, maximum: 100, unit: "%" }, "Retries, of the requests of the last 10 s."),
      minimumPerSecond: integer(3, { minimum: 0, maximum: 1_000, unit: "1/s" }, "Retries that are always allowed."),
    }),
    expiry: section("Connections whose peer's certificate has expired.", {
      tcpGraceSeconds: integer(0, { minimum: 0, maximum: 86_400, unit: "s" }, "How long a tcp connection lives on."),
      httpGraceSeconds: integer(
        10,
        { minimum: 0, maximum: 86_400, unit: "s" },
        "How long a drained HTTP connection may take to finish.",
      ),
    }),
    drain: section("Stopping.", {
      graceSeconds: integer(
        25,
        { minimum: 0, maximum: 3_600, unit: "s" },
        "How long work in flight may take at SIGTERM.",
      ),
    }),
    admin: section("Health, metrics and certificates, in plain HTTP. Never open it to others.", {
      host: text("127.0.0.1", "Loopback address."),
      port: integer(15_000, { minimum: 0, maximum: 65_535 }, "TCP port; 0 lets the system choose one."),
    }),
    log: section("The log: JSON lines, about the proxy on standard error, about requests on standard output.", {
      level: Type.Union([Type.Literal("debug"), Type.Literal("info"), Type.Literal("warn"), Type.Literal("error")], {
        default: "info",
        description: "The least severe lines that are written.",
      }),
      access: flag(true, "One line for each request (http) or connection (tcp)."),
    }),
    via: text(
      "mesh-ca",
      "Our name in the Via field, before an id of this proxy and listener; a request that carries both already is refused (508).",
      {
        pattern: "^[A-Za-z0-9-]{1,63}$",
      },
    ),
  },
  {
    additionalProperties: false,
    title: "mesh-ca proxy configuration",
    description: "Configuration of `mesh-ca proxy run`.",
  },
);

export type ProxyConfig = Static<typeof proxyConfigSchema>;
