// One connection of a tcp listener, from accept to its record: decided, connected to a target, relayed, judged again while it is open.
//
//   connecting -> relaying -> ended        a refusal, a failure or the client's leaving ends it from any state
import type { Socket } from "node:net";
import { plainAddress, resetConnection } from "../../tls/index.ts";
import type { ProxyPeer } from "../identity/peer.ts";
import type { OpenConnection } from "../listener/open-connections.ts";
import type { ListenerRuntime } from "../listener/runtime.ts";
import type { ConnectionEnd } from "../observe/records.ts";
import type { ConnectionDecider, Decision } from "../policy/decision.ts";
import type { TcpUpstream, UpstreamConnection } from "../upstream/tcp-upstream.ts";
import { Relay } from "./relay.ts";

/** What the connections of one listener share. */
export interface TcpService {
  readonly listener: string;
  readonly upstream: TcpUpstream;
  readonly runtime: ListenerRuntime;
  /** Of inbound listeners: the present policies, narrowed to a connection. Outbound ones forward whatever comes. */
  decider?(peer: ProxyPeer, remoteAddress: string): ConnectionDecider;
}

/** The verified caller of an inbound listener. */
export interface Caller {
  readonly peer: ProxyPeer;
  readonly remoteAddress: string;
  /** What it was verified by. */
  readonly trustRevision: number;
}

export class TcpConnection implements OpenConnection {
  trustRevision: number;
  policyRevision: number;
  readonly #service: TcpService;
  readonly #downstream: Socket;
  readonly #caller: Caller | undefined;
  readonly #remoteAddress: string | undefined;
  readonly #startedAt: number;
  readonly #startedMonotonic = performance.now();
  #connecting: AbortController | undefined;
  #upstream: UpstreamConnection | undefined;
  #relay: Relay | undefined;
  #decision: Decision | undefined;
  /** Why it ends, once that is known. */
  #end: ConnectionEnd | undefined;
  #recorded = false;
  /** When a byte was last seen to have moved, monotonic milliseconds. */
  #activeAt = this.#startedMonotonic;

  /** @param downstream half-open, with an error handler, read by nobody */
  constructor(service: TcpService, downstream: Socket, caller: Caller | undefined) {
    const { state, clock } = service.runtime;
    const { trustRevision, policyRevision } = state.current();
    this.#service = service;
    this.#downstream = downstream;
    this.#caller = caller;
    const { remoteAddress } = downstream;
    this.#remoteAddress =
      caller?.remoteAddress ?? (remoteAddress === undefined ? undefined : plainAddress(remoteAddress));
    this.#startedAt = clock.now();
    this.trustRevision = caller?.trustRevision ?? trustRevision;
    this.policyRevision = policyRevision;
  }

  /** The caller's, or that of an outbound connection's target once it is known. */
  get peer(): ProxyPeer | undefined {
    return this.#caller?.peer ?? this.#upstream?.peer;
  }

  /** Decides, connects and relays. Never throws. */
  start(): void {
    const { runtime, upstream, listener } = this.#service;
    this.#decision = this.#decide();
    if (this.#decision?.effect === "deny") {
      this.#refuse("denied");
      return;
    }
    if (upstream.open >= runtime.config.limits.upstreamConnections) {
      runtime.observer.count("upstream-limit", listener);
      this.#refuse("overloaded");
      return;
    }
    runtime.connections.add(this);
    if (this.#end !== undefined) return;
    void this.#connect();
  }

  endUntrusted(): void {
    this.#reevaluated("no-longer-trusted");
  }

  reconsider(): void {
    const decision = this.#decide();
    if (decision === undefined) return;
    this.#decision = decision;
    if (decision.effect === "deny") this.#reevaluated("no-longer-allowed");
  }

  sweep(now: number, monotonic: number): void {
    const { timeouts, expiry } = this.#service.runtime.config;
    const { peer } = this;
    if (peer !== undefined && now > peer.notAfter + expiry.tcpGraceSeconds * 1_000) {
      this.#reevaluated("peer-expired");
      return;
    }
    if (this.#relay === undefined) return;
    if (this.#relay.isActive) {
      this.#relay.isActive = false;
      this.#activeAt = monotonic;
    } else if (timeouts.tcpIdleMs > 0 && monotonic - this.#activeAt >= timeouts.tcpIdleMs) {
      this.#abort("idle");
    }
  }

  /** Nothing tells a tcp peer that we are stopping: it has the grace. */
  drain(): void {}

  endDrained(): void {
    this.#abort("drained");
  }

  #decide(): Decision | undefined {
    if (this.#caller === undefined) return undefined;
    return this.#service.decider?.(this.#caller.peer, this.#caller.remoteAddress).decide(undefined);
  }

  async #connect(): Promise<void> {
    const connecting = new AbortController();
    const left = (): void => this.#abort("downstream-reset");
    this.#connecting = connecting;
    this.#downstream.once("close", left);
    try {
      const upstream = await this.#service.upstream.connect(connecting.signal);
      if (upstream === undefined) this.#abort("upstream-unavailable");
      else this.#relayTo(upstream);
    } catch (error) {
      // Whoever aborted has said why.
      if (!connecting.signal.aborted) this.#fault(error);
    } finally {
      this.#connecting = undefined;
      this.#downstream.off("close", left);
    }
  }

  #relayTo(upstream: UpstreamConnection): void {
    this.#upstream = upstream;
    if (this.#end !== undefined) {
      resetConnection(upstream.socket);
      return;
    }
    this.#relay = new Relay(this.#downstream, upstream.socket, {
      mayRefuse: this.#service.upstream.mayRefuse,
      onEnd: (end) => this.#record(this.#end ?? end),
    });
    if (this.#caller !== undefined) return;
    // Trust may have changed during the handshake.
    this.trustRevision = upstream.trustRevision;
    this.#service.runtime.connections.add(this);
  }

  #reevaluated(end: ConnectionEnd): void {
    this.#service.runtime.observer.count("connection-reevaluated", this.#service.listener);
    this.#abort(end);
  }

  #refuse(end: ConnectionEnd): void {
    this.#end = end;
    resetConnection(this.#downstream);
    this.#record(end);
  }

  /** Ends it now; the first reason counts. */
  #abort(end: ConnectionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    if (this.#relay !== undefined) {
      this.#relay.abort();
      return;
    }
    this.#connecting?.abort();
    resetConnection(this.#downstream);
    this.#record(end);
  }

  #fault(error: unknown): void {
    const { listener, runtime } = this.#service;
    runtime.logger.error({ event: "proxy.fault", listener, error }, "a connection ended by a fault of ours");
    this.#abort("fault");
  }

  #record(end: ConnectionEnd): void {
    if (this.#recorded) return;
    this.#recorded = true;
    const { listener, runtime } = this.#service;
    runtime.connections.delete(this);
    runtime.observer.connection({
      listener,
      startedAt: this.#startedAt,
      durationMs: performance.now() - this.#startedMonotonic,
      peer: this.#caller?.peer.idText,
      remoteAddress: this.#remoteAddress,
      decision: this.#decision,
      upstream: this.#upstream?.address,
      upstreamPeer: this.#upstream?.peer?.idText,
      receivedBytes: this.#relay?.receivedBytes ?? 0,
      sentBytes: this.#relay?.sentBytes ?? 0,
      end,
    });
  }
}
