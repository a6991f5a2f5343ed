// An agent for node:https whose connections show the present SVID and whose servers are verified by SPIFFE ID. A connection is
// not used for new requests once half of what remained of either certificate at its opening is over, so that requests never run into
// an expiry: rotation costs no request. TLS sessions are never resumed (maxCachedSessions 0; connectTls refuses resumption).
import type { ClientRequestArgs } from "node:http";
import * as https from "node:https";
import type { Socket } from "node:net";
import { type Duplex, PassThrough } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { SchedulingClock } from "./scheduling-clock.ts";

export interface MeshAgentOptions {
  readonly clock: SchedulingClock;
  /** Connects and verifies; also says when the first of the two certificates expires (Unix milliseconds). */
  connect(address: { host: string; port: number }): Promise<{ socket: TLSSocket; expiresAt: number }>;
}

type Created = (error: Error | null, socket: Duplex) => void;

/** Use it as `agent` of `https.request`. */
export class MeshAgent extends https.Agent {
  readonly #clock: SchedulingClock;
  readonly #connect: MeshAgentOptions["connect"];
  readonly #retireAt = new WeakMap<object, number>();

  constructor({ clock, connect }: MeshAgentOptions) {
    // Not "lifo", Node's default: with it the agent hands out an idle connection that was destroyed but has not told so yet
    // (only the head of its list is looked at), and the request fails.
    super({ keepAlive: true, maxCachedSessions: 0, scheduling: "fifo" });
    this.#clock = clock;
    this.#connect = connect;
  }

  override createConnection(options: ClientRequestArgs, callback?: Created): Duplex | null | undefined {
    const host = options.host ?? options.hostname ?? "localhost";
    const port = Number(options.port ?? options.defaultPort ?? 443);
    this.#connect({ host, port }).then(
      ({ socket, expiresAt }) => {
        const now = this.#clock.now();
        const retireAt = now + (expiresAt - now) / 2;
        this.#retireAt.set(socket, retireAt);
        const cancel = this.#clock.at(retireAt, () => this.#dropIdle(socket));
        socket.once("close", cancel);
        callback?.(null, socket);
      },
      (error: Error) => callback?.(error, new PassThrough().destroy()),
    );
    return undefined;
  }

  /** Called by Node when a response is done: false closes the connection instead of keeping it. */
  override keepSocketAlive(socket: Duplex): boolean {
    const retireAt = this.#retireAt.get(socket) ?? 0;
    if (this.#clock.now() >= retireAt) return false;
    // Declared as void, but Node's own answer is a boolean, and it matters: false when the server is about to close.
    const kept: unknown = super.keepSocketAlive(socket);
    return kept === true;
  }

  #dropIdle(socket: Socket): void {
    const idle = Object.values(this.freeSockets).some((sockets) => sockets?.includes(socket));
    if (!idle) return;
    // First out of the agent's list, for the same reason.
    socket.emit("agentRemove");
    socket.destroy();
  }
}
