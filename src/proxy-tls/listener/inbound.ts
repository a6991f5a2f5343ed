// An inbound listener: terminates mTLS, knows its peer by our own verifier before anything else happens, and hands the connection to the
// relay (tcp) or to the HTTP engines (http). A peer without a verified SPIFFE ID never gets further than the handshake.
import type { TLSSocket } from "node:tls";
import { createTlsListener, type IdentitySource, type TlsIdentity, type TlsListener } from "../../tls/index.ts";
import type { InboundConfig } from "../config/listeners.ts";
import { HttpService } from "../http/http-service.ts";
import { type Caller, TcpConnection, type TcpService } from "../l4/tcp-connection.ts";
import type { ListenerCounts } from "../observe/records.ts";
import type { StateSource } from "../state.ts";
import type { Address, Target } from "../upstream/target.ts";
import { TcpUpstream } from "../upstream/tcp-upstream.ts";
import { HttpConnection } from "./http-connection.ts";
import type { ProxyListener } from "./listener.ts";
import type { BoundAddress, ListenerRuntime } from "./runtime.ts";

export class InboundListener implements ProxyListener {
  readonly #config: InboundConfig;
  readonly #runtime: ListenerRuntime;
  readonly #reusePort: boolean;
  readonly #tls: TlsListener<Caller>;
  readonly #upstream: TcpUpstream;
  readonly #tcp: TcpService;
  /** Of protocol http. */
  readonly #http: HttpService | undefined;
  /** The port that is bound: what policies match. */
  #port: number | undefined;

  constructor(config: InboundConfig, runtime: ListenerRuntime, reusePort: boolean) {
    this.#config = config;
    this.#runtime = runtime;
    this.#reusePort = reusePort;
    this.#upstream = new TcpUpstream(config.name, [inboundTarget(config)], [], runtime);
    this.#http = config.protocol === "http" ? new HttpService(config, [inboundTarget(config)], runtime) : undefined;
    this.#tcp = {
      listener: config.name,
      upstream: this.#upstream,
      runtime,
      decider: (peer, remoteAddress) =>
        runtime.state.current().policies.forConnection({
          listener: config.name,
          principal: peer.id,
          sourceAddress: remoteAddress,
          port: this.#port,
        }),
    };
    this.#tls = this.#createTls();
  }

  get name(): string {
    return this.#config.name;
  }

  async listen(): Promise<BoundAddress> {
    const { host, port } = this.#config;
    const bound = await this.#tls.listen({ host, port, reusePort: this.#reusePort });
    this.#port = bound.port;
    return bound;
  }

  async close(graceMs: number): Promise<void> {
    await this.#tls.close(graceMs);
    this.#http?.close();
  }

  counts(): ListenerCounts {
    const { connections, handshakes, accepted, refused } = this.#tls.counts();
    return {
      listener: this.name,
      ...{ connections, handshakes, accepted, refused },
      exchanges: this.#http?.exchanges ?? 0,
      upstreamConnections: this.#http?.upstreamConnections ?? this.#upstream.open,
    };
  }

  #createTls(): TlsListener<Caller> {
    const { state, config, clock, logger } = this.#runtime;
    const { limits, timeouts } = config;
    return createTlsListener<Caller>({
      identity: identityOf(state),
      alpn: this.#config.protocol === "http" ? ["h2", "http/1.1"] : [],
      minVersion: this.#config.minTlsVersion === "1.2" ? "TLSv1.2" : "TLSv1.3",
      missingAlpn: "accept",
      allowHalfOpen: true,
      judge: (chain, { remoteAddress }) => {
        const { peers, trustRevision } = state.current();
        return { peer: peers.verify(chain, clock.now()), remoteAddress, trustRevision };
      },
      onConnection: (socket, caller) => this.#take(socket, caller),
      handshakeTimeoutMs: timeouts.handshakeMs,
      maxConnections: limits.connections,
      maxHandshakes: limits.handshakes,
      perAddress: limits.connectionsPerAddress === 0 ? {} : { maxConnections: limits.connectionsPerAddress },
      clock,
      logger: logger.child({ listener: this.#config.name }),
    });
  }

  #take(socket: TLSSocket, caller: Caller): void {
    if (this.#http === undefined) new TcpConnection(this.#tcp, socket, caller).start();
    else this.#serveHttp(this.#http, socket, caller);
  }

  #serveHttp(http: HttpService, socket: TLSSocket, caller: Caller): void {
    const { peer, remoteAddress } = caller;
    const protocol = socket.alpnProtocol === "h2" ? "h2" : "http/1.1";
    const from = { peer, remoteAddress, port: this.#port, serverName: serverNameOf(socket) };
    const engine = http.serve(socket, protocol, from);
    new HttpConnection(this.#runtime, this.name, socket, caller).serve(engine);
  }
}

/** The name that the client asked for, as it came; undefined: none. */
function serverNameOf({ servername }: TLSSocket): string | undefined {
  return typeof servername === "string" ? servername : undefined;
}

/** The target of an inbound listener: the application, in plaintext. */
export function inboundTarget({ target }: InboundConfig): Target {
  const { host, port, path } = target;
  let address: Address;
  if (path !== null) address = { kind: "unix", path };
  else if (port !== null) address = { kind: "tcp", host, port };
  else throw new TypeError("a target has a port or a path");
  return { address, security: "plaintext" };
}

/** The identity of the present state. The same object as long as its revision is the same, whatever else of the state changes. */
function identityOf(state: StateSource): IdentitySource {
  let revision: number | undefined;
  let identity: TlsIdentity | undefined;
  return {
    current() {
      const present = state.current();
      if (present.identityRevision !== revision) {
        revision = present.identityRevision;
        identity = present.identity;
      }
      return identity;
    },
    onChange: (listener) => state.onChange(listener),
  };
}
