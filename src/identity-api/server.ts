// The composition root of `mesh-ca server`: opens everything in order, and closes it in the opposite order. It decides nothing
// itself; what each part may do is written in its room. It never creates trust: that is init.ts.
import { type Clock, Lifecycle, type Logger, type RandomSource, systemClock, systemRandom } from "../runtime/index.ts";
import { createTelemetry } from "../runtime/telemetry.ts";
import { openActing } from "./acting.ts";
import { AdminSocket } from "./admin-socket.ts";
import type { Config } from "./config/index.ts";
import { Connection } from "./connection.ts";
import { dataDirOf, prepareDataDir } from "./data-dir.ts";
import { startGrpcFront } from "./grpc/front.ts";
import { watchHealth } from "./health-gauges.ts";
import { startHttps } from "./http/https.ts";
import { startOperations } from "./http/operations.ts";
import { publishedTrust } from "./http/published-trust.ts";
import { openAuthority } from "./open-authority.ts";
import { openTlsPort } from "./open-tls-port.ts";
import { Readiness } from "./readiness.ts";
import type { ServerBase } from "./server-base.ts";

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
  const base: ServerBase = { config, dir: dataDirOf(config), clock, random, logger, lifecycle, readiness, telemetry };
  try {
    return await start(base);
  } catch (error) {
    await lifecycle.close();
    throw error;
  }
}

async function start(base: ServerBase): Promise<RunningServer> {
  const { config, dir, random, logger, lifecycle, readiness, telemetry } = base;
  await prepareDataDir(dir, { create: false });
  const socket = await AdminSocket.open(dir.run, random);
  lifecycle.add("admin socket", () => socket.close());
  const authority = await openAuthority(base);
  const publicAddress = { current: (): string => config.listen.grpc.publicAddress ?? "" };
  const acting = await openActing(base, authority, () => publicAddress.current());
  watchHealth(base, authority);
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

/** Where no public address is configured: the first DNS name, or this machine, with the port that is really open. */
function defaultPublicAddress(config: Config, bound: ListenAddress | undefined): string {
  const { dnsNames, port } = config.listen.grpc;
  return `${dnsNames[0] ?? "localhost"}:${bound?.port ?? port}`;
}
