// Every key of the configuration: type, default, unit, range and what it is for. The loader, the published JSON Schema,
// docs/configuration.md and the Config type all come from this one place. Secrets are never keys with values in the file:
// they come from a file that a key names, or from the environment.
import Type, { type Static } from "typebox";
import { flag, integer, section, text, textOrNull, texts } from "../../runtime/config/index.ts";
import { attestorSchema } from "./attestors.ts";
import { ruleSchema } from "./rules.ts";

const listenSchema = section("Where the server listens.", {
  grpc: section("The Identity API: gRPC over TLS 1.3.", {
    host: text("0.0.0.0", "Address to listen on."),
    port: integer(8443, { minimum: 0, maximum: 65535 }, "TCP port; 0 lets the system choose one."),
    publicAddress: textOrNull(
      "host:port that join tokens tell workloads to call. Null: the first DNS name, or localhost, with the port that is listened on.",
      { examples: ["ca.example.test:8443"] },
    ),
    dnsNames: texts("DNS names that the server's own certificate carries, for clients that look at names too.", {
      maxItems: 16,
    }),
  }),
  https: section(
    "The trust bundle for other trust domains: HTTPS, TLS 1.2 and 1.3, open to everybody (SPIFFE Federation). No client certificate is asked for.",
    {
      enabled: flag(true, "Whether this listener is there at all."),
      host: text("0.0.0.0", "Address to listen on."),
      port: integer(8444, { minimum: 0, maximum: 65535 }, "TCP port; 0 lets the system choose one."),
      certificateFile: textOrNull(
        "PEM file with a certificate of a public CA, leaf first, then the intermediates (profile https_web). A replaced file is taken up. Null: the server's own SVID is shown (profile https_spiffe).",
        { examples: ["/etc/mesh-ca/tls/fullchain.pem"] },
      ),
      keyFile: textOrNull("PEM file with the key of certificateFile. Needed with it, and refused without it."),
    },
  ),
  operations: section("Health, readiness and metrics in plain HTTP. Keep it on the loopback interface.", {
    host: text("127.0.0.1", "Address to listen on."),
    port: integer(8445, { minimum: 0, maximum: 65535 }, "TCP port; 0 lets the system choose one."),
  }),
});

const databaseSchema = section(
  "The database. Without a URL the server runs its own PostgreSQL inside the data directory.",
  {
    url: textOrNull(
      "PostgreSQL URL. A secret: allowed in the environment (MESH_CA_DATABASE__URL) only, refused in the file.",
      {
        secret: true,
      },
    ),
    urlFile: textOrNull("File that holds the PostgreSQL URL on one line."),
    tls: Type.Union([Type.Literal("verify-full"), Type.Literal("insecure-plaintext")], {
      default: "verify-full",
      description:
        "How the connection to an external database is secured. insecure-plaintext sends everything readable; only for a socket or a loopback address.",
    }),
    caFile: textOrNull(
      "PEM file with the CA certificates that the database's certificate is verified against. Null: those of the system.",
    ),
    poolSize: integer(
      8,
      { minimum: 2, maximum: 100, unit: "connections" },
      "Connections that the server keeps to the database.",
    ),
  },
);

const authoritySchema = section("The certificate authority of this replica.", {
  upstream: Type.Union([Type.Literal("self-signed"), Type.Literal("disk"), Type.Literal("offline")], {
    default: "self-signed",
    description:
      "Where an authority gets its certificate. self-signed: it is its own root. disk: an issuing CA in files (authority.disk) signs it. offline: people sign a request and import the answer (mesh-ca authority csr, import).",
  }),
  disk: section("The issuing CA of authority.upstream: disk. Replaced files are used for the next authority.", {
    certificateFile: textOrNull(
      "The issuing CA's certificate, with its intermediates and its root: PEM, DER or PKCS#7, in any order.",
      { examples: ["/etc/mesh-ca/issuing-ca.pem"] },
    ),
    keyFile: textOrNull("Its private key in PEM; mode 0600.", { examples: ["/etc/mesh-ca/issuing-ca.key"] }),
    passphraseFile: textOrNull("File (mode 0600) whose one line is the passphrase of that key. Null: it has none."),
  }),
  keyAlgorithm: Type.Union([Type.Literal("ec-p256"), Type.Literal("ec-p384")], {
    default: "ec-p256",
    description: "Algorithm of new authority keys.",
  }),
  refreshHintSeconds: integer(
    300,
    { minimum: 1, maximum: 86_400, unit: "s" },
    "How often a consumer of the trust bundle that has no live stream asks again.",
  ),
  propagationFloorSeconds: integer(
    600,
    { minimum: 1, maximum: 604_800, unit: "s" },
    "How long a new authority is published at least before it signs.",
  ),
  rotatorTickSeconds: integer(
    10,
    { minimum: 1, maximum: 3600, unit: "s" },
    "How often the rotator looks whether something is due.",
  ),
  lifetimeSeconds: integer(
    604_800,
    { minimum: 60, maximum: 31_536_000, unit: "s" },
    "Lifetime of an authority's certificate. More than six times issuance.maxTtlSeconds, so that the rotation overlap holds.",
  ),
  revocationCheck: section(
    "Watching the CRLs and OCSP responders that the certificates of this replica's own authorities and of the CAs above them name. A certificate that the enterprise has revoked stops issuance under it; an address that fails never does.",
    {
      enabled: flag(true, "Whether they are watched."),
      intervalSeconds: integer(
        300,
        { minimum: 1, maximum: 86_400, unit: "s" },
        "How often each address is asked. Less often while it fails (at most 15 min apart, or this interval) and where answers are large.",
      ),
    },
  ),
});

const keysSchema = section("The private keys of this replica's authorities: files in the data directory.", {
  passphraseFile: textOrNull(
    "File (mode 0600) whose one line is the passphrase that new key files are sealed with. Null: the systemd credential mesh-ca-key-passphrase if the service has it, else keys are not sealed.",
  ),
});

const issuanceSchema = section("Issued certificates.", {
  defaultTtlSeconds: integer(
    3600,
    { minimum: 5, maximum: 2_592_000, unit: "s" },
    "Lifetime where the rule names none.",
  ),
  maxTtlSeconds: integer(86_400, { minimum: 5, maximum: 2_592_000, unit: "s" }, "Upper bound of every lifetime."),
  minTtlSeconds: integer(
    600,
    { minimum: 5, maximum: 86_400, unit: "s" },
    "Lower bound: a certificate that would live shorter is refused (MCA_TTL_TOO_SHORT).",
  ),
  clockSkewSeconds: integer(
    60,
    { minimum: 0, maximum: 600, unit: "s" },
    "How far notBefore lies in the past, for peers whose clocks are behind.",
  ),
  maxClockDifferenceSeconds: integer(
    10,
    { minimum: 1, maximum: 60, unit: "s" },
    "Nothing is issued while this machine's clock and the database's differ by more.",
  ),
});

function bucket(what: string, burst: number, perHour: number) {
  return section(`Token bucket for ${what}.`, {
    burst: integer(burst, { minimum: 1, maximum: 10_000_000, unit: "certificates" }, "How many may be issued at once."),
    perHour: integer(
      perHour,
      { minimum: 1, maximum: 1_000_000_000, unit: "certificates/h" },
      "How fast the bucket fills again.",
    ),
  });
}

const quotasSchema = section("How much one caller may write into the ledger.", {
  lineage: bucket("one lineage (one enrolled workload)", 20, 60),
  rule: bucket("one rule, on each replica", 20_000, 200_000),
});

const limitsSchema = section("Bounds against overload.", {
  maxConnections: integer(
    10_000,
    { minimum: 8, maximum: 1_000_000, unit: "connections" },
    "Open TLS connections; more are closed at once.",
  ),
  maxHttpsConnections: integer(
    1000,
    { minimum: 16, maximum: 100_000, unit: "connections" },
    "Open connections of the HTTPS listener; more are closed at once. One address has a quarter of them.",
  ),
  maxHandshakes: integer(
    512,
    { minimum: 4, maximum: 100_000, unit: "connections" },
    "Connections that have not finished their TLS handshake.",
  ),
  maxConnectionsPerAddress: integer(
    0,
    { minimum: 0, maximum: 1_000_000, unit: "connections" },
    "Open connections from one address; 0 sets no bound (many workloads may sit behind one address).",
  ),
  handshakeTimeoutSeconds: integer(10, { minimum: 1, maximum: 120, unit: "s" }, "How long a TLS handshake may take."),
  maxConcurrentStreams: integer(
    1000,
    { minimum: 1, maximum: 100_000, unit: "calls" },
    "Calls at once on one connection.",
  ),
  maxMessageBytes: integer(
    65_536,
    { minimum: 20_480, maximum: 16_777_216, unit: "B" },
    "Size of one received message.",
  ),
  maxSessionMemoryMegabytes: integer(
    4,
    { minimum: 1, maximum: 1024, unit: "MB" },
    "Requests that are not whole and answers that are not read, of one connection; one message of the largest size always fits.",
  ),
  streamResetBurst: integer(
    200,
    { minimum: 1, maximum: 1_000_000, unit: "resets" },
    "Streams a peer may reset at once before its connection is closed.",
  ),
  streamResetPerSecond: integer(
    20,
    { minimum: 1, maximum: 1_000_000, unit: "resets/s" },
    "How fast the allowance of stream resets fills again.",
  ),
  maxWatchers: integer(
    20_000,
    { minimum: 1, maximum: 1_000_000, unit: "streams" },
    "Open WatchTrust streams, and as many of the standard health service. Callers without a certificate have a quarter of them.",
  ),
  maxIssuancesInFlight: integer(
    2048,
    { minimum: 1, maximum: 100_000, unit: "calls" },
    "Issuances at once; more are refused with UNAVAILABLE so that the rest stay fast.",
  ),
  keepaliveSeconds: integer(
    60,
    { minimum: 5, maximum: 7200, unit: "s" },
    "A connection without traffic is asked for a sign of life this often.",
  ),
  idleConnectionSeconds: integer(
    300,
    { minimum: 10, maximum: 86_400, unit: "s" },
    "A connection without any call is closed after this time.",
  ),
  requestTimeoutSeconds: integer(
    30,
    { minimum: 1, maximum: 600, unit: "s" },
    "How long the request of a call may take to come whole.",
  ),
  maxWaitingRequests: integer(
    4096,
    { minimum: 16, maximum: 1_000_000, unit: "calls" },
    "Calls whose request has not wholly come; of more the oldest are ended.",
  ),
  shutdownGraceSeconds: integer(
    10,
    { minimum: 0, maximum: 600, unit: "s" },
    "How long calls in flight may take after SIGTERM.",
  ),
});

/** The whole configuration file. */
export const configSchema = Type.Object(
  {
    trustDomain: text(null, "Name of the trust domain, for example example.test. The database must hold the same.", {
      minLength: 1,
      maxLength: 255,
    }),
    dataDir: textOrNull(
      "Folder for keys, the embedded database, sockets. Null: /var/lib/mesh-ca for root, else $XDG_DATA_HOME/mesh-ca or ~/.local/share/mesh-ca.",
    ),
    replica: integer(
      1,
      { minimum: 1, maximum: 127 },
      "Number of this replica, unique among those on one database; first octet of its serial numbers.",
    ),
    listen: listenSchema,
    database: databaseSchema,
    authority: authoritySchema,
    keys: keysSchema,
    issuance: issuanceSchema,
    attestors: Type.Record(Type.String(), attestorSchema, {
      default: {},
      description:
        "Ways to prove who is asking, by instance name. The instance's name is the prefix of its attributes.",
      additionalProperties: false,
    }),
    rules: Type.Array(ruleSchema, {
      default: [],
      maxItems: 10_000,
      description: "Identity rules: which attributes earn which identity. Read-only to the API.",
    }),
    quotas: quotasSchema,
    limits: limitsSchema,
    operations: section(
      "What the operators say of their operations. The server decides nothing by it; `mesh-ca doctor` compares.",
      {
        recoveryTimeSeconds: Type.Union([Type.Integer({ minimum: 1, maximum: 2_592_000 }), Type.Null()], {
          default: null,
          unit: "s",
          description:
            "How long it may take until a lost server or database works again. Certificates should live twice as long. Null: not compared.",
        }),
        dedicatedRoot: flag(
          false,
          "The enterprise root signs for this trust domain alone, or every other CA under it is kept out by name constraints: imports and doctor do not warn of it.",
        ),
      },
    ),
    log: section("The log: JSON lines on standard error.", {
      level: Type.Union(
        [
          Type.Literal("debug"),
          Type.Literal("info"),
          Type.Literal("warn"),
          Type.Literal("error"),
          Type.Literal("silent"),
        ],
        { default: "info", description: "The least level that is written." },
      ),
      issued: flag(true, "One line for each issued certificate (svid.issued). The ledger has them in any case."),
    }),
  },
  { additionalProperties: false, title: "mesh-ca configuration", description: "Configuration of `mesh-ca server`." },
);

/** A whole, checked configuration: every key present. */
export type Config = Static<typeof configSchema>;
export type AttestorConfig = Static<typeof attestorSchema>;
export type RuleConfig = Static<typeof ruleSchema>;
