// Carries the bytes of one connection to another and back, as they come. Each direction ends by itself (half-close); a connection that
// ends without having ended its direction (a reset, a vanished peer) resets the other one, so that nobody takes a part for the whole.
// Back pressure goes through: what the slow side does not take is not read from the fast one.
//
// Bytes are counted and never looked at. No timer and no buffer belongs to a relay: whoever owns it looks at `isActive` now and then.
import type { Socket } from "node:net";
import { bytesPassed } from "../../runtime/index.ts";
import { resetConnection } from "../../tls/index.ts";
import { claimBuffer } from "../upstream/read-buffer.ts";

/** Who ended a relay first: both directions had ended, one side vanished, or the target hung up before its first byte. */
export type RelayEnd = "closed" | "downstream-reset" | "upstream-reset" | "upstream-unavailable";

export interface RelayOptions {
  /** The target speaks TLS 1.3: an end before its first byte, while the client is not done, is its refusal of our certificate. */
  readonly mayRefuse: boolean;
  /** Called once, when both sockets have closed. */
  onEnd(end: RelayEnd): void;
}

export class Relay {
  readonly #downstream: Socket;
  readonly #upstream: Socket;
  readonly #options: RelayOptions;
  /** From the downstream side. */
  receivedBytes = 0;
  /** To the downstream side. */
  sentBytes = 0;
  /** Bytes have moved since this was last set to false. */
  isActive = true;
  #end: RelayEnd | undefined;
  #open = 2;

  /** Begins to carry. Both sockets are half-open ones that nobody else reads, and each has an error handler. */
  constructor(downstream: Socket, upstream: Socket, options: RelayOptions) {
    this.#downstream = downstream;
    this.#upstream = upstream;
    this.#options = options;
    downstream.on("data", (chunk: Buffer) => {
      this.receivedBytes += chunk.length;
      bytesPassed(chunk.length);
      this.isActive = true;
      if (!upstream.write(chunk)) downstream.pause();
    });
    upstream.on("data", (chunk: Buffer) => {
      this.sentBytes += chunk.length;
      this.isActive = true;
      const giveBack = claimBuffer(chunk);
      if (giveBack === undefined) bytesPassed(chunk.length);
      if (!downstream.write(chunk, giveBack)) upstream.pause();
    });
    this.#join(downstream, upstream, "downstream-reset");
    this.#join(upstream, downstream, "upstream-reset");
  }

  /** Ends both sides at once, so that neither peer can take what it has for everything. */
  abort(): void {
    resetConnection(this.#downstream);
    resetConnection(this.#upstream);
  }

  #join(from: Socket, to: Socket, vanished: RelayEnd): void {
    to.on("drain", () => {
      this.isActive = true;
      from.resume();
    });
    const ended = (): void => {
      if (from === this.#upstream && this.#isRefusal()) this.#fail("upstream-unavailable");
      else to.end();
    };
    from.on("end", ended);
    // An end without a byte before it is told to nobody where nobody was reading yet, and never again.
    if (from.readableEnded) ended();
    from.on("close", () => this.#closed(from, vanished));
    if (from.closed) this.#closed(from, vanished);
  }

  #isRefusal(): boolean {
    return this.#options.mayRefuse && this.sentBytes === 0 && !this.#downstream.readableEnded;
  }

  #fail(end: RelayEnd): void {
    this.#end ??= end;
    this.abort();
  }

  #closed(socket: Socket, vanished: RelayEnd): void {
    if (!socket.readableEnded || !socket.writableFinished) {
      this.#fail(vanished === "upstream-reset" && this.#isRefusal() ? "upstream-unavailable" : vanished);
    }
    this.#open -= 1;
    if (this.#open === 0) this.#options.onEnd(this.#end ?? "closed");
  }
}
