// All gRPC services on one transport, which the TLS port and the admin socket feed with connections.
import type { AuthorityManager, Database, Ledger, TrustDomainRecord, Upstream } from "../../ca/index.ts";
import type { Clock, Logger, Metrics, RandomSource } from "../../runtime/index.ts";
import type { Config } from "../config/index.ts";
import type { Acting } from "../parts.ts";
import type { Readiness } from "../readiness.ts";
import { AccessGate } from "./access-gate.ts";
import { auditService } from "./audit.ts";
import { authorityService } from "./authority.ts";
import { Calls } from "./calls.ts";
import { Health } from "./health.ts";
import { identityService } from "./identity.ts";
import { reflectionService } from "./reflection.ts";
import { registryService } from "./registry.ts";
import { tokenService } from "./token.ts";
import { GrpcTransport } from "./transport.ts";
import { TrustFeed } from "./trust-feed.ts";
import { TrustWatchers } from "./trust-watchers.ts";

export interface GrpcFrontOptions {
  readonly config: Config;
  readonly acting: Acting;
  readonly database: Database;
  readonly ledger: Ledger;
  readonly authorities: AuthorityManager;
  readonly upstream: Upstream;
  readonly record: TrustDomainRecord;
  readonly readiness: Readiness;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface GrpcFront {
  readonly transport: GrpcTransport;
  /** Ends the trust streams, lets calls in flight end, and closes every connection together with the port. */
  drainThen(port: { close(graceMs: number): Promise<void> }, graceMs: number): Promise<void>;
  close(graceMs: number): Promise<void>;
}

export function startGrpcFront(options: GrpcFrontOptions): GrpcFront {
  const { config, acting, clock, random, logger, metrics } = options;
  const transport: GrpcTransport = new GrpcTransport({
    limits: config.limits,
    onRefused: (refusal) => calls.refusedEarly(refusal),
    onFault: (error) => logger.error({ event: "connection.fault", error }, "a connection was closed: a fault of ours"),
  });
  const calls: Calls = new Calls({ clock, random, logger, metrics });
  metrics.gauge("mesh_ca_requests_waiting", { description: "Calls whose request has not wholly come." }, () => [
    { value: transport.waiting },
  ]);
  const gate = new AccessGate({
    registry: acting.kind === "acting" ? acting.parts.registry : undefined,
    ledger: acting.kind === "acting" ? options.ledger : undefined,
    development: options.record.development,
    clock,
    logger,
  });
  const feed = new TrustFeed(options.authorities, logger);
  const watchers = new TrustWatchers({ feed, maxWatchers: config.limits.maxWatchers, metrics, clock });
  const trustDomain = options.record.trustDomain;
  transport.add(identityService({ calls, gate, acting, feed, watchers, trustDomain }));
  transport.add(registryService({ calls, gate, acting }));
  transport.add(tokenService({ calls, gate, acting }));
  transport.add(auditService({ calls, gate, database: options.database }));
  transport.add(authorityService({ ...options, calls, gate, watchers }));
  const { maxWatchers } = config.limits;
  const health = new Health({ calls, readiness: options.readiness, maxWatchers, logger });
  transport.add(health.methods);
  transport.add(reflectionService());

  const close = async (graceMs: number): Promise<void> => {
    watchers.close();
    health.close();
    feed.close();
    await transport.drain(graceMs);
    calls.close();
  };
  return {
    transport,
    async drainThen(port, graceMs) {
      // The port stops accepting at once; both wait for the same connections.
      await Promise.all([port.close(graceMs), close(graceMs)]);
    },
    close,
  };
}
