// The composition root of `mesh-ca server`: opens everything in order, and closes it in the opposite order. It decides nothing
// itself; what each part may do is written in its room. It never creates trust: that is init.ts.
import {
  AuthorityManager,
  type Database,
  Issuer,
  Ledger,
  Rotator,
  selfSignedUpstream,
  type TrustDomainRecord,
  trustDomainOf,
} from "../ca/index.ts";
import {
  type Clock,
  createTelemetry,
  Lifecycle,
  type Logger,
  type RandomSource,
  systemClock,
  systemRandom,
} from "../runtime/index.ts";
import { TrustDomain } from "../spiffe/index.ts";
import { AdminSocket } from "./admin-socket.ts";
import { ApiError } from "./api-error.ts";
import { type Attestors, createAttestors, JoinTokens } from "./attest/index.ts";
import type { Config } from "./config/index.ts";
import { Connection } from "./connection.ts";
import { type DataDir, dataDirOf, prepareDataDir } from "./data-dir.ts";
import { type GrpcFront, startGrpcFront } from "./grpc/front.ts";
import { startHttps } from "./http/https.ts";
import { startOperations } from "./http/operations.ts";
import { publishedTrust } from "./http/published-trust.ts";
import { openKeyStore } from "./key-store.ts";
import { openServerDatabase } from "./open-database.ts";
import { type Acting, type ActingParts, notIssuing } from "./parts.ts";
import { Readiness, type Reason, reasonFor } from "./readiness.ts";
import { Registry } from "./registry/index.ts";
import { ReplicaLock } from "./replica-lock.ts";
import { RuleQuotas } from "./rule-quotas.ts";
import { ServerIdentity } from "./server-identity.ts";
import { authoritySettings, issuanceSettings, ttlBounds } from "./settings.ts";
import { SvidIssuance } from "./svid-issuance.ts";
import { TlsPort } from "./tls-port.ts";
import { tokenAuthority } from "./token-authority.ts";

export interface ServerDependencies {
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: RandomSource;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface RunningServer {
  /** `grpc` and `https` are undefined while the port is closed (no valid certificate to show, or switched off). */
  readonly addresses: {
    readonly grpc: ListenAddress | undefined;
    readonly https: ListenAddress | undefined;
    readonly operations: ListenAddress;
  };
  /** Path of the local admin socket (gRPC, plaintext, owner only). */
  readonly adminSocket: string;
  /** Host and port to tell clients (listen.grpc.publicAddress or what it defaults to). */
  readonly publicAddress: string;
  /** Finishes calls in flight (at most limits.shutdownGraceSeconds), then closes everything. Safe to call twice. */
  close(): Promise<void>;
}

/** What all parts are made with. */
interface Base {
  readonly config: Config;
  readonly dir: DataDir;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
  readonly readiness: Readiness;
  readonly telemetry: ReturnType<typeof createTelemetry>;
}

/** The certificate authority, opened. */
interface OpenAuthority {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly authorities: AuthorityManager;
  /** Whose database it is. */
  readonly record: TrustDomainRecord;
}

/**
 * Starts the server. One that may not issue starts too, answers what it can and says why in /readyz.
 * @throws MeshCaError where it cannot even answer: no data directory, no database, a port that is taken
 */
export async function startServer(config: Config, dependencies: ServerDependencies): Promise<RunningServer> {
  const { logger, clock = systemClock, random = systemRandom } = dependencies;
  const lifecycle = new Lifecycle(logger);
  const telemetry = createTelemetry("mesh-ca");
  lifecycle.add("telemetry", () => telemetry.close());
  const readiness = new Readiness();
  const base: Base = { config, dir: dataDirOf(config), clock, random, logger, lifecycle, readiness, telemetry };
  try {
    return await start(base);
  } catch (error) {
    await lifecycle.close();
    throw error;
  }
}

async function start(base: Base): Promise<RunningServer> {
  const { config, dir, random, logger, lifecycle, readiness, telemetry } = base;
  await prepareDataDir(dir, { create: false });
  const socket = await AdminSocket.open(dir.run, random);
  lifecycle.add("admin socket", () => socket.close());
  const authority = await openAuthority(base);
  const publicAddress = { current: (): string => config.listen.grpc.publicAddress ?? "" };
  const acting = await openActing(base, authority, () => publicAddress.current());
  const front = startGrpcFront({ ...base, metrics: telemetry.metrics, acting, ...authority });
  lifecycle.add("gRPC", () => front.close(config.limits.shutdownGraceSeconds * 1000));
  socket.serve((connection) =>
    front.transport.accept(connection, new Connection({ kind: "local" }, "local", base.clock.now())),
  );
  const open = acting.kind === "acting" ? await openTlsPort(base, authority, acting.parts, front) : undefined;
  const port = open?.port;
  const https = await startHttps({
    ...base,
    metrics: telemetry.metrics,
    ownIdentity: open?.identity,
    trust: () => publishedTrust({ authorities: authority.authorities, trustDomain: config.trustDomain }),
  });
  publicAddress.current = () => config.listen.grpc.publicAddress ?? defaultPublicAddress(config, port?.address);
  const operations = await startOperations({
    ...config.listen.operations,
    readiness,
    prometheusText: telemetry.prometheusText,
    logger,
  });
  lifecycle.add("operations", () => operations.close());
  readiness.start();
  lifecycle.add("readiness", () => readiness.close());
  logger.info(
    {
      event: "server.started",
      trustDomain: config.trustDomain,
      replica: config.replica,
      grpc: port?.address,
      https: https.address,
      operations: operations.address,
    },
    "mesh-ca is up",
  );
  return {
    get addresses() {
      return { grpc: port?.address, https: https.address, operations: operations.address };
    },
    adminSocket: socket.path,
    get publicAddress() {
      return publicAddress.current();
    },
    close: () => lifecycle.close(),
  };
}

async function openAuthority(base: Base): Promise<OpenAuthority> {
  const { config, dir, clock, random, logger, lifecycle, telemetry } = base;
  const database = await openServerDatabase({ config, dataDir: dir.path, initialise: false, lifecycle, clock, logger });
  const record = await trustDomainOf(database);
  if (record === undefined) {
    throw new ApiError(
      "MCA_NOT_INITIALISED",
      "This database belongs to no trust domain yet. Run npx mesh-ca init once.",
    );
  }
  const ledger = await Ledger.open({
    database,
    clock,
    logger,
    metrics: telemetry.metrics,
    lineageQuota: config.quotas.lineage,
    maxQueued: config.limits.maxIssuancesInFlight * 2,
  });
  lifecycle.add("ledger", () => ledger.close());
  const authorities = await AuthorityManager.open({
    ledger,
    database,
    keyStore: await openKeyStore(config, { random, logger }),
    upstream: selfSignedUpstream,
    clock,
    random,
    // What is told of trust is told of the trust domain that the database holds, also where another one was configured.
    trustDomain: TrustDomain.parse(record.trustDomain),
    replica: config.replica,
    settings: authoritySettings(config),
    logger,
  });
  lifecycle.add("authorities", () => authorities.close());
  return { database, ledger, authorities, record };
}

/** Everything that acts; nothing of it where the database is another trust domain's (invariant 2). */
async function openActing(base: Base, authority: OpenAuthority, publicAddress: () => string): Promise<Acting> {
  const { config, clock, random, logger, lifecycle, readiness, telemetry } = base;
  const { database, ledger, authorities, record } = authority;
  const trustDomain = TrustDomain.parse(config.trustDomain);
  if (record.trustDomain !== trustDomain.name) return foreignDatabase(base, record);
  const lock = await ReplicaLock.take({ database, replica: config.replica, logger });
  lifecycle.add("replica number", () => lock.close());
  readiness.add(() => lock.problem());
  const attestors = await createAttestors(config.attestors, {
    trustDomain,
    trust: () => authorities.trustSet(),
    trustForExpired: () => authorities.trustSetForExpired(),
    database,
    clock,
    logger,
  });
  watchAttestors(attestors, base);
  const registry = await Registry.open({
    ledger,
    database,
    configRules: config.rules,
    context: { trustDomain, attestors: attestors.descriptions, ttl: ttlBounds(config) },
    clock,
    logger,
  });
  lifecycle.add("registry", () => registry.close());
  const issuer = new Issuer({
    ledger,
    database,
    authorities,
    clock,
    random,
    settings: issuanceSettings(config),
    logger,
    metrics: telemetry.metrics,
  });
  await issuer.start();
  lifecycle.add("issuer", () => issuer.close());
  const rotator = new Rotator({
    authorities,
    clock,
    settings: authoritySettings(config),
    logger,
    metrics: telemetry.metrics,
  });
  rotator.start();
  lifecycle.add("rotator", () => rotator.close());
  watchReadiness(readiness, { authorities, ledger, registry, issuer });
  const issuance = new SvidIssuance({
    attestors,
    registry,
    issuer,
    ledger,
    quotas: new RuleQuotas(config.quotas.rule, clock),
    maxInFlight: config.limits.maxIssuancesInFlight,
    clock,
    random,
    logger,
    logIssued: config.log.issued,
  });
  const tokens = new JoinTokens({
    ledger,
    database,
    registry,
    trustDomain,
    instance: attestors.joinTokenInstance,
    authority: () => tokenAuthority(authorities),
    publicAddress,
    clock,
    random,
  });
  return { kind: "acting", parts: { attestors, registry, tokens, issuance, issuer } };
}

function foreignDatabase({ config, readiness, logger }: Base, record: TrustDomainRecord): Acting {
  const facts = {
    code: "MCA_TRUST_DOMAIN_MISMATCH",
    found: `a database of the trust domain ${record.trustDomain}`,
    expected: `a database of ${config.trustDomain}`,
    command: `set trustDomain: ${record.trustDomain}, or point database.urlFile (or dataDir) at the database of ${config.trustDomain}`,
  };
  const error = notIssuing(facts);
  readiness.add(() => ({ sentence: error.message, ...facts }));
  logger.error({ event: "server.foreign_database", ...facts }, error.message);
  return { kind: "not-acting", error };
}

/** What is wrong with an attestor keeps only its own callers out: told and counted, but the server stays ready. */
function watchAttestors(attestors: Attestors, { readiness, telemetry }: Base): void {
  readiness.addNotes(() =>
    attestors.health().flatMap(({ attestor, problem }) => {
      return problem === undefined ? [] : [{ about: `attestor ${attestor}`, sentence: problem }];
    }),
  );
  telemetry.metrics.gauge(
    "mesh_ca_attestor_problem",
    { description: "1 while the attestor cannot do its work; /readyz tells why." },
    () =>
      attestors.health().map(({ attestor, kind, problem }) => {
        return { value: problem === undefined ? 0 : 1, attributes: { attestor, kind } };
      }),
  );
}

function watchReadiness(
  readiness: Readiness,
  parts: {
    readonly authorities: AuthorityManager;
    readonly ledger: Ledger;
    readonly registry: Registry;
    readonly issuer: Issuer;
  },
): void {
  readiness.add(() => {
    const health = parts.authorities.health();
    return health.kind === "ready" ? undefined : { ...health, sentence: notIssuing(health).message };
  });
  readiness.add((): Reason | undefined => {
    const { writable, reason } = parts.ledger.health();
    return writable
      ? undefined
      : { code: "MCA_LEDGER_UNAVAILABLE", sentence: reason ?? "The ledger takes no records." };
  });
  readiness.add(() => {
    const health = parts.registry.health();
    return health.kind === "ready" ? undefined : health;
  });
  readiness.add(() => {
    const problem = parts.issuer.clockProblem();
    return problem === undefined ? undefined : reasonFor(problem);
  });
}

async function openTlsPort(
  base: Base,
  authority: OpenAuthority,
  parts: ActingParts,
  front: GrpcFront,
): Promise<{ readonly port: TlsPort; readonly identity: ServerIdentity }> {
  const { config, clock, logger, lifecycle, readiness, telemetry } = base;
  const identity = new ServerIdentity({ issuer: parts.issuer, dnsNames: config.listen.grpc.dnsNames, clock, logger });
  await identity.start();
  lifecycle.add("server SVID", () => identity.close());
  const port = new TlsPort({
    address: config.listen.grpc,
    identity,
    attestors: parts.attestors,
    transport: front.transport,
    markUsed: (serial) => authority.ledger.lineages.markUsed(serial),
    limits: config.limits,
    clock,
    logger,
    metrics: telemetry.metrics,
  });
  await port.start();
  lifecycle.add("TLS port", () => front.drainThen(port, config.limits.shutdownGraceSeconds * 1000));
  lifecycle.add(
    "trust follower",
    authority.authorities.onTrustChange(() => port.rejudge()),
  );
  readiness.add(() => identity.problem() ?? port.problem());
  return { port, identity };
}

/** Where no public address is configured: the first DNS name, or this machine, with the port that is really open. */
function defaultPublicAddress(config: Config, bound: ListenAddress | undefined): string {
  const { dnsNames, port } = config.listen.grpc;
  return `${dnsNames[0] ?? "localhost"}:${bound?.port ?? port}`;
}
