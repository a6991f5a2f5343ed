// An outbound listener: takes plaintext of the local application and originates mTLS to targets whose SPIFFE ID it knows beforehand.
import type { Socket } from "node:net";
import { SpiffeId } from "../../spiffe/index.ts";
import type { OutboundConfig } from "../config/listeners.ts";
import { detectPreface } from "../http/h2/preface.ts";
import { HttpService } from "../http/http-service.ts";
import { TcpConnection, type TcpService } from "../l4/tcp-connection.ts";
import type { ListenerCounts } from "../observe/records.ts";
import type { Target } from "../upstream/target.ts";
import { TcpUpstream } from "../upstream/tcp-upstream.ts";
import { HttpConnection } from "./http-connection.ts";
import type { ProxyListener } from "./listener.ts";
import { openPlainServer, type PlainAddress, type PlainServer } from "./plain-server.ts";
import type { BoundAddress, ListenerRuntime } from "./runtime.ts";

const NONE_REFUSED: ReadonlyMap<string, number> = new Map();

export class OutboundListener implements ProxyListener {
  readonly #config: OutboundConfig;
  readonly #runtime: ListenerRuntime;
  readonly #reusePort: boolean;
  readonly #upstream: TcpUpstream;
  readonly #tcp: TcpService;
  /** Of protocol http. */
  readonly #http: HttpService | undefined;
  readonly #open = new Set<Socket>();
  #server: PlainServer | undefined;
  #accepted = 0;
  #whenEmpty = (): void => {};

  constructor(config: OutboundConfig, runtime: ListenerRuntime, reusePort: boolean) {
    this.#config = config;
    this.#runtime = runtime;
    this.#reusePort = reusePort;
    const expected = config.expect.map((id) => SpiffeId.parse(id));
    this.#upstream = new TcpUpstream(config.name, outboundTargets(config), expected, runtime);
    this.#tcp = { listener: config.name, upstream: this.#upstream, runtime };
    this.#http = config.protocol === "http" ? new HttpService(config, outboundTargets(config), runtime) : undefined;
  }

  get name(): string {
    return this.#config.name;
  }

  async listen(): Promise<BoundAddress> {
    const { logger } = this.#runtime;
    this.#server = await openPlainServer(
      plainAddress(this.#config, this.#reusePort),
      (socket) => this.#take(socket),
      (error) => logger.error({ event: "proxy.fault", listener: this.name, error }, "the listener failed"),
    );
    return this.#server.address;
  }

  async close(graceMs: number): Promise<void> {
    this.#server?.close();
    await this.#allClosed(graceMs);
    this.#http?.close();
  }

  counts(): ListenerCounts {
    return {
      listener: this.name,
      connections: this.#open.size,
      handshakes: 0,
      exchanges: this.#http?.exchanges ?? 0,
      upstreamConnections: this.#http?.upstreamConnections ?? this.#upstream.open,
      accepted: this.#accepted,
      refused: NONE_REFUSED,
    };
  }

  async #allClosed(graceMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
    const grace = setTimeout(() => {
      for (const socket of this.#open) socket.destroy();
    }, graceMs);
    await empty;
    clearTimeout(grace);
  }

  #take(socket: Socket): void {
    const { config, observer } = this.#runtime;
    if (this.#open.size >= config.limits.connections) {
      observer.count("connection-limit", this.name);
      socket.destroy();
      return;
    }
    this.#accepted += 1;
    this.#open.add(socket);
    socket.once("close", () => {
      this.#open.delete(socket);
      if (this.#open.size === 0) this.#whenEmpty();
    });
    if (this.#http === undefined) new TcpConnection(this.#tcp, socket, undefined).start();
    else this.#serveHttp(this.#http, socket);
  }

  /** In plaintext the first bytes tell which HTTP it is; what no engine has yet is ended with the rest all the same. */
  #serveHttp(http: HttpService, socket: Socket): void {
    const { wheel, config } = this.#runtime;
    detectPreface(socket, {
      wheel,
      idleMs: config.timeouts.keepAliveMs,
      prefaceMs: config.timeouts.prefaceMs,
      onProtocol: (protocol, first) => {
        const from = { peer: undefined, remoteAddress: socket.remoteAddress, port: socket.localPort };
        const engine = http.serve(socket, protocol, from, first);
        new HttpConnection(this.#runtime, this.name, socket, undefined).serve(engine);
      },
    });
  }
}

/** The targets of an outbound listener, over mTLS. */
export function outboundTargets({ targets }: OutboundConfig): Target[] {
  return targets.map(({ host, port }) => ({ address: { kind: "tcp", host, port }, security: "mtls" }));
}

function plainAddress({ listen }: OutboundConfig, reusePort: boolean): PlainAddress {
  if (listen.path !== null) return { kind: "unix", path: listen.path };
  if (listen.port === null) throw new TypeError("an outbound listener has a port or a path");
  return { kind: "tcp", host: listen.host, port: listen.port, reusePort };
}
