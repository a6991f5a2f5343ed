// An HTTP connection among the open ones: its engine serves it, and here it ends by what it was let in by.
import type { Socket } from "node:net";
import type { HttpServerConnection } from "../http/exchange.ts";
import type { ProxyPeer } from "../identity/peer.ts";
import type { Caller } from "../l4/tcp-connection.ts";
import type { OpenConnection } from "./open-connections.ts";
import type { ListenerRuntime } from "./runtime.ts";

export class HttpConnection implements OpenConnection {
  readonly peer: ProxyPeer | undefined;
  trustRevision: number;
  policyRevision: number;
  readonly #runtime: ListenerRuntime;
  readonly #listener: string;
  readonly #socket: Socket;
  #engine: HttpServerConnection | undefined;
  #draining = false;

  constructor(runtime: ListenerRuntime, listener: string, socket: Socket, caller: Caller | undefined) {
    const { trustRevision, policyRevision } = runtime.state.current();
    this.#runtime = runtime;
    this.#listener = listener;
    this.#socket = socket;
    this.peer = caller?.peer;
    this.trustRevision = caller?.trustRevision ?? trustRevision;
    this.policyRevision = policyRevision;
  }

  /** Registers the connection that `engine` serves until its socket closes. */
  serve(engine: HttpServerConnection): void {
    this.#engine = engine;
    this.#socket.once("close", () => this.#runtime.connections.delete(this));
    this.#runtime.connections.add(this);
  }

  endUntrusted(): void {
    this.#reevaluated("no-longer-trusted");
  }

  reconsider(): void {
    this.#engine?.reconsider();
  }

  sweep(now: number): void {
    if (this.peer === undefined || now <= this.peer.notAfter) return;
    const graceMs = this.#runtime.config.expiry.httpGraceSeconds * 1_000;
    if (now > this.peer.notAfter + graceMs) this.#reevaluated("peer-expired");
    else this.drain();
  }

  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#engine?.drain();
  }

  endDrained(): void {
    this.#engine?.destroy("drained");
  }

  #reevaluated(reason: string): void {
    this.#runtime.observer.count("connection-reevaluated", this.#listener);
    this.#engine?.destroy(reason);
  }
}
