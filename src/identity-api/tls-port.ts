// The TLS port of the Identity API: open exactly while the server has a valid SVID of its own. Peers are judged at the handshake
// and again when trust changes; a connection whose certificate is no longer good is refused every call from then on, and closed once its
// trust stream has had time to tell why.
import type { Clock, Logger, Metrics } from "../runtime/index.ts";
import { createTlsListener, type TlsListener } from "../tls/index.ts";
import type { Certificate } from "../x509/index.ts";
import type { Attestors } from "./attest/index.ts";
import { Connection } from "./connection.ts";
import type { GrpcTransport } from "./grpc/transport.ts";
import { type Reason, reasonFor } from "./readiness.ts";
import type { ServerIdentity } from "./server-identity.ts";

export interface TlsPortOptions {
  readonly address: { readonly host: string; readonly port: number };
  readonly identity: ServerIdentity;
  readonly attestors: Attestors;
  readonly transport: GrpcTransport;
  /** A verified SVID of ours, perhaps an expired one, was shown on a new connection. */
  shown(leaf: Certificate, connection: Connection): void;
  readonly limits: {
    readonly maxConnections: number;
    readonly maxHandshakes: number;
    /** 0: no bound. */
    readonly maxConnectionsPerAddress: number;
    readonly handshakeTimeoutSeconds: number;
  };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Connections judged again before others get their turn. */
const REJUDGE_SLICE = 64;
/**
 * A connection closes that long after its peer is no longer trusted: what has changed is on its way on that connection's own trust stream,
 * and a client that lost it would learn of a revocation only when it has come back.
 */
const LAST_WORDS_MS = 250;

export class TlsPort {
  readonly #options: TlsPortOptions;
  #listener: TlsListener<Connection> | undefined;
  #bound: { host: string; port: number } | undefined;
  #problem: Reason | undefined;
  #changing: Promise<void> = Promise.resolve();
  #stop = (): void => {};
  #closed = false;
  #rejudging = false;
  #rejudgeAgain = false;

  constructor(options: TlsPortOptions) {
    this.#options = options;
    options.metrics.gauge(
      "mesh_ca_tls_connections",
      { description: "Open TLS connections of the Identity API." },
      () => [{ value: this.#listener?.counts().connections ?? 0 }],
    );
    options.metrics.gauge("mesh_ca_tls_handshakes", { description: "TLS handshakes in progress." }, () => [
      { value: this.#listener?.counts().handshakes ?? 0 },
    ]);
    options.metrics.gauge(
      "mesh_ca_tls_refused",
      { description: "TLS connections refused since the port was opened, by code." },
      () => [...(this.#listener?.counts().refused ?? [])].map(([code, value]) => ({ value, attributes: { code } })),
    );
  }

  /** Opens the port if there is an SVID to show, and follows its changes. @throws TlsError MCA_TLS_LISTEN_FAILED */
  async start(): Promise<void> {
    this.#stop = this.#options.identity.onChange(() => this.#follow());
    if (this.#options.identity.current() !== undefined) await this.#open();
  }

  /** Where it listens; undefined while it is closed. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    return this.#listener === undefined ? undefined : this.#bound;
  }

  /** Why the port is closed although there is an SVID. */
  problem(): Reason | undefined {
    return this.#problem;
  }

  /** Trust has changed: judges every peer that came by an SVID again. */
  rejudge(): void {
    if (this.#rejudging) {
      this.#rejudgeAgain = true;
      return;
    }
    this.#rejudging = true;
    this.#rejudgeAll()
      .catch((error: unknown) =>
        this.#options.logger.error({ event: "trust.rejudge_failed", error }, "peers were not judged again"),
      )
      .finally(() => {
        this.#rejudging = false;
        if (this.#rejudgeAgain && !this.#closed) {
          this.#rejudgeAgain = false;
          this.rejudge();
        }
      });
  }

  /** Stops accepting at once; open connections have `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#stop();
    await this.#changing;
    await this.#listener?.close(graceMs);
    this.#listener = undefined;
  }

  /** The identity has changed: the listener follows by itself; opening and closing the port is ours. */
  #follow(): void {
    this.#changing = this.#changing.then(async () => {
      if (this.#closed) return;
      const valid = this.#options.identity.current() !== undefined;
      if (valid && this.#listener === undefined) await this.#open();
      if (!valid && this.#listener !== undefined) await this.#shut();
    });
    this.#changing = this.#changing.catch((error: unknown) => {
      this.#problem = reasonFor(error);
      this.#options.logger.error({ event: "server.port_failed", error }, "the TLS port could not be opened");
    });
  }

  async #open(): Promise<void> {
    const listener = this.#make();
    const { host, port } = this.#options.address;
    // Port 0 is chosen once: a port that opens again after an outage is the same.
    this.#bound = await listener.listen({ host, port: this.#bound?.port ?? port });
    this.#listener = listener;
    this.#problem = undefined;
    this.#options.logger.info({ event: "server.port_open", ...this.#bound }, "the Identity API listens");
  }

  async #shut(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#options.logger.error(
      { event: "server.port_closed" },
      "the server's own SVID has expired: the TLS port is closed",
    );
    await listener?.close(0);
  }

  #make(): TlsListener<Connection> {
    const { identity, attestors, transport, limits, clock, logger, shown } = this.#options;
    return createTlsListener<Connection>({
      identity,
      alpn: ["h2"],
      missingAlpn: "h2",
      judge: (chain, { remoteAddress }) => new Connection(attestors.judgePeer(chain), remoteAddress, clock.now()),
      onConnection(socket, connection) {
        if (connection.leaf !== undefined) shown(connection.leaf, connection);
        transport.accept(socket, connection);
      },
      expiresAt: (connection) => connection.endsAt,
      handshakeTimeoutMs: limits.handshakeTimeoutSeconds * 1000,
      maxConnections: limits.maxConnections,
      maxHandshakes: limits.maxHandshakes,
      ...(limits.maxConnectionsPerAddress === 0
        ? {}
        : { perAddress: { maxConnections: limits.maxConnectionsPerAddress } }),
      clock,
      logger,
    });
  }

  async #rejudgeAll(): Promise<void> {
    let judged = 0;
    const refused: { destroy(): unknown }[] = [];
    for (const { socket, verdict: connection } of [...(this.#listener?.connections() ?? [])]) {
      const { verdict } = connection;
      if (verdict.kind !== "svid" && verdict.kind !== "expired-svid") continue;
      const again = this.#options.attestors.judgePeer(verdict.svid.path);
      if (again.kind !== verdict.kind) {
        this.#options.logger.warn(
          {
            event: "connection.distrusted",
            peer: connection.peerName,
            address: connection.address,
            ...(again.kind === "refused" ? { code: again.error.code } : {}),
          },
          "closing a connection whose certificate is no longer trusted",
        );
        refused.push(socket);
      }
      connection.rejudge(again);
      if (++judged % REJUDGE_SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    if (refused.length === 0) return;
    setTimeout(() => {
      for (const socket of refused) socket.destroy();
    }, LAST_WORDS_MS).unref();
  }
}
