// Connections that this process opened, each closed when its peer's certificate expires or is no longer trusted: an open
// connection is not a way around rotation, revocation or removal of an authority.
import type { TLSSocket } from "node:tls";
import type { SchedulingClock } from "./scheduling-clock.ts";

export interface OpenConnection {
  readonly socket: TLSSocket;
  /** When the peer's certificate expires, Unix milliseconds. */
  readonly expiresAt: number;
  /** Throws if the peer would be refused now. */
  judgeAgain(): void;
}

export class OpenConnections {
  readonly #clock: SchedulingClock;
  readonly #open = new Set<OpenConnection>();

  constructor(clock: SchedulingClock) {
    this.#clock = clock;
  }

  /** Takes care of a connection until it closes. */
  add(connection: OpenConnection): void {
    this.#open.add(connection);
    const cancel = this.#clock.at(connection.expiresAt, () => connection.socket.destroy());
    connection.socket.once("close", () => {
      cancel();
      this.#open.delete(connection);
    });
  }

  /** After a change of trust: closes what would not be accepted any more. */
  judgeAgain(): void {
    for (const connection of [...this.#open]) {
      try {
        connection.judgeAgain();
      } catch {
        connection.socket.destroy();
      }
    }
  }

  close(): void {
    for (const { socket } of [...this.#open]) socket.destroy();
  }
}
