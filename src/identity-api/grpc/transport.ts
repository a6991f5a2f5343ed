// The gRPC server behind our own listeners (TLS port and admin socket): it is handed sockets whose peer has been judged, and carries that
// judgement to the methods. The protocol is in wire/.
import type { Socket } from "node:net";
import type { Connection } from "../connection.ts";
import { WaitingRequests } from "./waiting-requests.ts";
import type { Method } from "./wire/method.ts";
import { GrpcConnection, type GrpcConnectionOptions } from "./wire/server-connection.ts";

export interface TransportLimits {
  readonly maxConcurrentStreams: number;
  readonly maxMessageBytes: number;
  readonly maxSessionMemoryMegabytes: number;
  readonly streamResetBurst: number;
  readonly streamResetPerSecond: number;
  readonly keepaliveSeconds: number;
  readonly idleConnectionSeconds: number;
  readonly requestTimeoutSeconds: number;
  readonly maxWaitingRequests: number;
}

export interface TransportOptions {
  readonly limits: TransportLimits;
  /** A call that was refused before a handler saw it (too large, malformed, deadline): for the log and the count. */
  onRefused(refusal: { readonly method: string; readonly error: unknown; readonly connection: Connection }): void;
  /** Something of ours is broken: the connection was closed. */
  onFault(error: unknown): void;
}

const MEGABYTE = 1024 * 1024;
/** How often overdue requests are looked for, and connections in turn: each once in so many looks. */
const SWEEP_MS = 250;
const LOOKS = 8;

export class GrpcTransport {
  readonly #ofConnections: GrpcConnectionOptions;
  readonly #methods = new Map<string, Method>();
  readonly #connections = new Set<GrpcConnection>();
  readonly #waiting: WaitingRequests;
  readonly #sweeper: NodeJS.Timeout;
  #look = 0;
  #draining: Promise<void> | undefined;
  #onEmpty = (): void => {};

  constructor(options: TransportOptions) {
    const { limits } = options;
    this.#waiting = new WaitingRequests({
      timeoutMs: limits.requestTimeoutSeconds * 1000,
      maxWaiting: limits.maxWaitingRequests,
      now: () => performance.now(),
    });
    this.#ofConnections = {
      methods: this.#methods,
      maxConcurrentStreams: limits.maxConcurrentStreams,
      maxMessageBytes: limits.maxMessageBytes,
      // One message of the largest size can always come.
      maxHeldBytes: Math.max(limits.maxSessionMemoryMegabytes * MEGABYTE, limits.maxMessageBytes + MEGABYTE),
      streamResetBurst: limits.streamResetBurst,
      streamResetPerSecond: limits.streamResetPerSecond,
      keepaliveMs: limits.keepaliveSeconds * 1000,
      idleMs: limits.idleConnectionSeconds * 1000,
      headMs: limits.requestTimeoutSeconds * 1000,
      begin: (end) => this.#waiting.begin(end),
      onRefused: (method, error, connection) => options.onRefused({ method, error, connection }),
      onFault: options.onFault,
      onClosed: (connection) => this.#closed(connection),
    };
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  /** Offers methods. @throws TypeError where one is offered already: our bug */
  add(methods: Readonly<Record<string, Method>>): void {
    for (const method of Object.values(methods)) {
      if (this.#methods.has(method.path)) throw new TypeError(`two methods for ${method.path}`);
      this.#methods.set(method.path, method);
    }
  }

  /** Takes over a socket whose peer was judged. Its error handler is set. */
  accept(socket: Socket, peer: Connection): void {
    const connection = new GrpcConnection(socket, peer, this.#ofConnections);
    this.#connections.add(connection);
    if (this.#draining !== undefined) connection.drain();
  }

  /** Calls whose request has not wholly come. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Open connections. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Refuses new calls, lets those in flight end, and after `graceMs` destroys what is left. */
  drain(graceMs: number): Promise<void> {
    this.#draining ??= this.#drain(graceMs);
    return this.#draining;
  }

  async #drain(graceMs: number): Promise<void> {
    for (const connection of [...this.#connections]) connection.drain();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#connections.size === 0) this.#onEmpty();
    });
    for (const connection of [...this.#connections]) connection.destroy();
    clearInterval(this.#sweeper);
  }

  #closed(connection: GrpcConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty();
  }

  #sweep(): void {
    this.#waiting.sweep();
    const now = performance.now();
    this.#look = (this.#look + 1) % LOOKS;
    let place = 0;
    for (const connection of this.#connections) {
      // At the end all of them: who has said goodbye is not kept waiting.
      if (this.#draining !== undefined || place % LOOKS === this.#look) connection.look(now);
      place += 1;
    }
  }
}
