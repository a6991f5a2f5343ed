// The HTTPS port: open exactly while there is a certificate to show. Nobody is asked for a certificate (rule F-4), so that there is
// nothing to judge; connections and handshakes are bounded, also those of one address.
import type { Server } from "node:http";
import type { Clock, Logger, Metrics } from "../../runtime/index.ts";
import { createTlsListener, type IdentitySource, type TlsListener } from "../../tls/index.ts";
import { type Reason, reasonFor } from "../readiness.ts";

export interface WebPortOptions {
  readonly address: { readonly host: string; readonly port: number };
  readonly identity: IdentitySource;
  /** Takes the connections. */
  readonly server: Server;
  readonly maxConnections: number;
  readonly handshakeTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export class WebPort {
  readonly #options: WebPortOptions;
  #listener: TlsListener<undefined> | undefined;
  #bound: { readonly host: string; readonly port: number } | undefined;
  #problem: Reason | undefined;
  #changing: Promise<void> = Promise.resolve();
  #stop = (): void => {};
  #closed = false;

  constructor(options: WebPortOptions) {
    this.#options = options;
    const { metrics, identity } = options;
    metrics.gauge("mesh_ca_https_connections", { description: "Open connections of the HTTPS listener." }, () => [
      { value: this.#listener?.counts().connections ?? 0 },
    ]);
    metrics.gauge(
      "mesh_ca_https_refused",
      { description: "HTTPS connections refused since the port was opened, by code." },
      () => [...(this.#listener?.counts().refused ?? [])].map(([code, value]) => ({ value, attributes: { code } })),
    );
    metrics.gauge(
      "mesh_ca_https_certificate_not_after_seconds",
      {
        description: "When the certificate that the HTTPS listener shows ends, Unix time; 0 while it shows none.",
        unit: "s",
      },
      () => [{ value: (identity.current()?.notAfter ?? 0) / 1000 }],
    );
  }

  /** Opens the port if there is a certificate to show, and follows its changes. @throws TlsError MCA_TLS_LISTEN_FAILED */
  async start(): Promise<void> {
    this.#stop = this.#options.identity.onChange(() => this.#follow());
    if (this.#options.identity.current() !== undefined) await this.#open();
  }

  /** Where it listens; undefined while it is closed. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    return this.#listener === undefined ? undefined : this.#bound;
  }

  /** Why the port is closed although there is a certificate. */
  problem(): Reason | undefined {
    return this.#problem;
  }

  /** Stops accepting at once; requests in flight have `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#stop();
    await this.#changing;
    const { server } = this.#options;
    const closed = this.#listener?.close(graceMs);
    this.#listener = undefined;
    // Ends the look for overdue requests, and what waits for a next request.
    server.close();
    await closed;
  }

  #follow(): void {
    this.#changing = this.#changing
      .then(async () => {
        if (this.#closed) return;
        const valid = this.#options.identity.current() !== undefined;
        if (valid && this.#listener === undefined) await this.#open();
        if (!valid && this.#listener !== undefined) await this.#shut();
      })
      .catch((error: unknown) => {
        this.#problem = reasonFor(error);
        this.#options.logger.error({ event: "https.port_failed", error }, "the HTTPS port could not be opened");
      });
  }

  async #open(): Promise<void> {
    const { identity, server, maxConnections, handshakeTimeoutMs, clock, logger } = this.#options;
    const listener = createTlsListener<undefined>({
      identity,
      peers: "web",
      alpn: ["http/1.1"],
      missingAlpn: "accept",
      judge: () => undefined,
      onConnection: (socket) => void server.emit("connection", socket),
      handshakeTimeoutMs,
      maxConnections,
      maxHandshakes: Math.max(4, Math.floor(maxConnections / 4)),
      perAddress: { maxConnections: Math.max(4, Math.floor(maxConnections / 4)) },
      clock,
      logger,
    });
    const { host, port } = this.#options.address;
    // Port 0 is chosen once: a port that opens again is the same.
    this.#bound = await listener.listen({ host, port: this.#bound?.port ?? port });
    this.#listener = listener;
    this.#problem = undefined;
    logger.info({ event: "https.port_open", ...this.#bound }, "the HTTPS listener listens");
  }

  async #shut(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#options.logger.error(
      { event: "https.port_closed" },
      "there is no valid certificate: the HTTPS port is closed",
    );
    await listener?.close(0);
  }
}
