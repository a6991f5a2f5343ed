// One request and its response on an HTTP/1.1 connection to a target: the request's half, written from the parsed state.
import type { AbortCause, ClientEvents, ClientExchange, RequestHead } from "../exchange.ts";
import type { SafeFields } from "../fields/safe-fields.ts";
import { CHUNK_END, chunkHeader, lastChunk } from "./chunk-writer.ts";

/** What an exchange needs of its connection. */
export interface CarryingConnection {
  /** @param more it is to leave together with what is written next. @returns false: wait until it can be written again */
  write(part: string | Uint8Array, more?: boolean): boolean;
  /** The request was written as a whole. */
  requestEnded(): void;
  /** Response and request have ended. */
  finished(reusable: boolean): void;
  abort(): void;
  pauseReading(): void;
  resumeReading(): void;
}

export class H1ClientExchange implements ClientExchange {
  readonly events: ClientEvents;
  received = false;
  /** The connection ends with this exchange. */
  responseClose = false;
  /** The whole request was given to the connection. */
  requestEnded: boolean;
  readonly #connection: CarryingConnection;
  readonly #chunked: boolean;
  /** Bytes that the announced content-length still asks for. */
  #left: number;
  #over = false;
  #blocked = false;

  constructor(connection: CarryingConnection, head: RequestHead, events: ClientEvents) {
    this.#connection = connection;
    this.events = events;
    this.#chunked = head.body.kind === "open";
    this.#left = head.body.kind === "length" ? head.body.bytes : 0;
    this.requestEnded = head.body.kind === "none" || (head.body.kind === "length" && this.#left === 0);
  }

  write(chunk: Uint8Array): boolean {
    if (this.#over || this.requestEnded || chunk.length === 0) return true;
    let accepted: boolean;
    if (this.#chunked) {
      this.#connection.write(chunkHeader(chunk.length), true);
      this.#connection.write(chunk, true);
      accepted = this.#connection.write(CHUNK_END);
    } else {
      if (chunk.length > this.#left) throw new TypeError("a body longer than its content-length");
      this.#left -= chunk.length;
      accepted = this.#connection.write(chunk);
    }
    if (!accepted) this.#blocked = true;
    return accepted;
  }

  end(trailers: SafeFields): void {
    if (this.#over || this.requestEnded) return;
    if (this.#left !== 0) {
      this.abort();
      return;
    }
    this.requestEnded = true;
    if (this.#chunked) this.#connection.write(lastChunk(trailers));
    this.#connection.requestEnded();
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#connection.abort();
  }

  pauseBody(): void {
    if (!this.#over) this.#connection.pauseReading();
  }

  resumeBody(): void {
    if (!this.#over) this.#connection.resumeReading();
  }

  /** The response was complete. A request that was not wholly written by then ends the connection. */
  responseEnded(trailers: SafeFields): void {
    this.#over = true;
    // First told, then given back: who waits for a connection must not be served before this exchange is over.
    this.events.end(trailers);
    this.#connection.finished(this.requestEnded && !this.responseClose);
  }

  failed(cause: AbortCause): void {
    if (this.#over) return;
    this.#over = true;
    this.events.failed({ cause, received: this.received, unprocessed: false });
  }

  unblock(): void {
    if (!this.#blocked || this.#over) return;
    this.#blocked = false;
    this.events.writable();
  }
}
