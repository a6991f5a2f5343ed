// HTTP on one listener: which engine serves a connection, by which rules, and over which connections to the targets its requests go.
import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { LineAllowance, MeshCaError } from "../../runtime/index.ts";
import { SpiffeId } from "../../spiffe/index.ts";
import type { HttpConfig, ListenerConfig } from "../config/listeners.ts";
import type { ProxyPeer } from "../identity/peer.ts";
import type { ListenerRuntime } from "../listener/runtime.ts";
import type { ObservedEvent } from "../observe/records.ts";
import { connectTarget } from "../upstream/connect.ts";
import { type ConnectionHooks, UpstreamPool } from "../upstream/pool.ts";
import type { PooledConnection } from "../upstream/pooled.ts";
import { addressText, isLocal, type Target } from "../upstream/target.ts";
import type { HttpClientConnection, HttpServerConnection } from "./exchange.ts";
import {
  type RequestRules,
  type ResponseRules,
  requestRules,
  responseRules,
  rulesOfConnection,
  servedHosts,
} from "./fields/rules.ts";
import type { ServedHosts } from "./fields/served-hosts.ts";
import { viaId } from "./fields/via.ts";
import { type ForwardedPeer, Forwarder } from "./forward/forwarder.ts";
import { RetryBudget } from "./forward/retry-budget.ts";
import type { ForwardRoute } from "./forward/route.ts";
import { H1ClientConnection } from "./h1/client-connection.ts";
import { serveH1 } from "./h1/server-connection.ts";
import { H2ClientConnection } from "./h2/client-connection.ts";
import { serveH2 } from "./h2/server-connection.ts";

const FAILURE_LINES = { burst: 10, perSecond: 1 };

export class HttpService {
  readonly #listener: ListenerConfig;
  readonly #runtime: ListenerRuntime;
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #expected: readonly SpiffeId[];
  readonly #pool: UpstreamPool;
  readonly #route: ForwardRoute;
  readonly #responses: ResponseRules;
  /** Undefined: every one is served. */
  readonly #hosts: ServedHosts | undefined;
  readonly #lines: LineAllowance;
  readonly #unsubscribe: () => void;
  /** Of this revision of the state. */
  #requestsOf: number;
  #requests: RequestRules;

  constructor(listener: ListenerConfig, targets: readonly Target[], runtime: ListenerRuntime) {
    const { config, state, observer, clock, random, wheel } = runtime;
    this.#listener = listener;
    this.#runtime = runtime;
    this.#targets = new Map(targets.map((target) => [addressText(target.address), target]));
    this.#expected = listener.direction === "outbound" ? listener.expect.map((id) => SpiffeId.parse(id)) : [];
    this.#requestsOf = state.current().revision;
    this.#requests = this.#makeRules();
    this.#responses = responseRules(listener.http, this.#count);
    this.#hosts = listener.direction === "inbound" ? servedHosts(listener.hosts) : undefined;
    this.#lines = new LineAllowance(FAILURE_LINES, clock);
    this.#pool = new UpstreamPool({
      targets: [...this.#targets.keys()],
      connect: (target, hooks) => this.#connect(target, hooks),
      state,
      verify: (peer) => this.#verify(peer),
      now: () => clock.now(),
      maxConnections: config.limits.upstreamConnections,
      maxPending: config.limits.pendingRequests,
      idleMs: config.timeouts.upstreamIdleMs,
      wheel,
      count: this.#count,
      onFault: this.#fault,
    });
    this.#route = {
      listener: listener.name,
      direction: listener.direction,
      pool: this.#pool,
      shareUpstream: listener.http.shareUpstream,
      setsClientCert: listener.direction === "inbound" && listener.forwardedClientCert === "sanitize-set",
      ...{ state, observer, clock, random, wheel },
      retries: new RetryBudget({
        percent: config.retries.budgetPercent,
        minimumPerSecond: config.retries.minimumPerSecond,
      }),
      requestMs: config.timeouts.requestMs,
      responseMs: config.timeouts.responseMs,
      via: this.#via,
      inProgress: { exchanges: 0 },
    };
    this.#unsubscribe = state.onChange(() => this.#pool.reconsider());
  }

  /** In progress. */
  get exchanges(): number {
    return this.#route.inProgress.exchanges;
  }

  /** Connections to the targets, those that are being made included. */
  get upstreamConnections(): number {
    return this.#pool.size;
  }

  /**
   * Serves a connection until it closes. The socket is half-open and has an error handler.
   * @param first bytes that were read from it before
   */
  serve(socket: Socket, protocol: "http/1.1" | "h2", from: ForwardedPeer, first?: Uint8Array): HttpServerConnection {
    const { config, wheel } = this.#runtime;
    const forwarder = new Forwarder(this.#route, from);
    const covered = this.#hosts?.coveredBy(from.serverName);
    const options = {
      handler: forwarder.handler,
      rules: covered === undefined ? this.#rules : rulesOfConnection(this.#rules, covered),
      timeouts: config.timeouts,
      wheel,
      onRefused: forwarder.refusedHead,
      reconsider: () => {
        forwarder.reconsider();
        // Nobody keeps a connection over which nothing is allowed any more.
        if (forwarder.allowsNothing) engine.drain();
      },
      onFault: this.#fault,
      count: this.#count,
    };
    const scheme = this.#listener.direction === "inbound" ? "https" : "http";
    const engine: HttpServerConnection =
      protocol === "http/1.1"
        ? serveH1(socket, { ...options, allowHttp10: this.#listener.http.allowHttp10 }, first)
        : serveH2(socket, { ...options, scheme, streams: config.limits.streams }, first);
    return engine;
  }

  /** Ends every connection to the targets. */
  close(): void {
    this.#unsubscribe();
    this.#pool.close();
  }

  readonly #count = (event: ObservedEvent): void => {
    this.#runtime.observer.count(event, this.#listener.name);
  };

  readonly #fault = (error: unknown): void => {
    const fields = { event: "proxy.fault", listener: this.#listener.name, error };
    this.#runtime.logger.error(fields, "a fault of ours; the connection has ended by it");
  };

  /** Of the present policies: what they name may not come twice. */
  readonly #rules = (): RequestRules => {
    this.#follow();
    return this.#requests;
  };

  readonly #via = (): string => {
    this.#follow();
    return this.#requests.via;
  };

  #follow(): void {
    const { revision } = this.#runtime.state.current();
    if (this.#requestsOf === revision) return;
    this.#requestsOf = revision;
    this.#requests = this.#makeRules();
  }

  #makeRules(): RequestRules {
    const { policies, identity } = this.#runtime.state.current();
    // What no other proxy has, and every process of this one.
    const instance = createHash("sha256")
      .update(identity?.certificateChainPem ?? "")
      .digest("hex");
    const via = viaId(this.#runtime.config.via, this.#listener.name, instance);
    return requestRules(this.#listener, policies, via, this.#count);
  }

  #verify(peer: ProxyPeer): void {
    this.#runtime.state.current().peers.verifyExpected(peer.chain, this.#expected, this.#runtime.clock.now());
  }

  async #connect(name: string, hooks: ConnectionHooks): Promise<PooledConnection> {
    const target = this.#targets.get(name);
    if (target === undefined) throw new TypeError(`no target ${name}`);
    const { state, config, clock } = this.#runtime;
    const { identity, peers } = state.current();
    try {
      const { socket, peer, protocol } = await connectTarget(target, {
        ...{ identity, peers, expected: this.#expected, clock },
        alpn: alpnOf(this.#listener.http),
        timeoutMs: config.timeouts.connectMs,
      });
      this.#count("upstream-connected");
      return { connection: this.#engine(socket, target, protocol, hooks), target: name, peer };
    } catch (error) {
      this.#failed(name, error);
      throw error;
    }
  }

  #engine(socket: Socket, target: Target, alpn: string | undefined, hooks: ConnectionHooks): HttpClientConnection {
    const { config, wheel } = this.#runtime;
    const plaintext = target.security === "plaintext";
    const options = {
      ...{ rules: this.#responses, timeouts: config.timeouts, wheel, count: this.#count, onFault: this.#fault },
      onIdle: () => hooks.onIdle(),
      onClosed: () => hooks.onClosed(),
    };
    const { upstreamProtocol, requestTrailers } = this.#listener.http;
    if (plaintext ? upstreamProtocol === "h2" : alpn === "h2") {
      const scheme = plaintext ? "http" : "https";
      return new H2ClientConnection(socket, { ...options, scheme, requestTrailers: requestTrailers.length > 0 });
    }
    // Only where nobody can forge the end of a connection may a body end with it.
    const untilClose = plaintext && isLocal(target.address) ? "allow" : "refuse";
    return new H1ClientConnection(socket, { ...options, untilClose });
  }

  #failed(target: string, error: unknown): void {
    this.#count("upstream-connect-failed");
    const fields = { event: "proxy.upstream_failed", listener: this.#listener.name, target };
    const { logger } = this.#runtime;
    if (!(error instanceof MeshCaError)) {
      logger.error({ ...fields, code: "internal", error }, "a connection to a target failed by a fault of ours");
      return;
    }
    const leftOut = this.#lines.take();
    if (leftOut !== undefined) logger.warn({ ...fields, code: error.code, leftOut }, error.message);
  }
}

function alpnOf({ upstreamProtocol }: HttpConfig): readonly string[] {
  return upstreamProtocol === "auto" ? ["h2", "http/1.1"] : [upstreamProtocol];
}
