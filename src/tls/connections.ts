// The open connections of a listener: who they are, how many come from one sender, and when each must end. Every socket in it
// was judged; it leaves by its own `close`.
import type { TLSSocket } from "node:tls";

/** An open connection and what was found about its peer. */
export interface TlsConnection<V> {
  readonly socket: TLSSocket;
  readonly verdict: V;
  readonly remoteAddress: string;
}

interface Kept<V> extends TlsConnection<V> {
  /** Unix milliseconds. */
  readonly expiresAt: number | undefined;
}

export class Connections<V> {
  readonly #open = new Map<TLSSocket, Kept<V>>();
  readonly #bySender = new Map<string, number>();
  #accepted = 0;

  get size(): number {
    return this.#open.size;
  }

  /** How many there were in all. */
  get accepted(): number {
    return this.#accepted;
  }

  countOf(sender: string): number {
    return this.#bySender.get(sender) ?? 0;
  }

  values(): IterableIterator<TlsConnection<V>> {
    return this.#open.values();
  }

  add(connection: TlsConnection<V>, sender: string, expiresAt: number | undefined): void {
    const { socket } = connection;
    this.#accepted += 1;
    this.#open.set(socket, { ...connection, expiresAt });
    this.#bySender.set(sender, this.countOf(sender) + 1);
    socket.once("close", () => {
      this.#open.delete(socket);
      const left = this.countOf(sender) - 1;
      if (left === 0) this.#bySender.delete(sender);
      else this.#bySender.set(sender, left);
    });
  }

  /** Destroys the connections whose time has come, and returns them. */
  destroyExpired(now: number): Kept<V>[] {
    const expired = [...this.#open.values()].filter(({ expiresAt }) => expiresAt !== undefined && expiresAt <= now);
    for (const { socket } of expired) socket.destroy();
    return expired;
  }

  destroyAll(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  /** Resolves when the connections that are open now have closed. */
  async allClosed(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((socket) => new Promise((resolve) => socket.once("close", resolve))));
  }
}
