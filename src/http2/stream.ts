// One stream of a connection (RFC 9113 section 5): what has come and waits to be taken, what waits to be sent, and how it ends.
//
//   open -> half closed, either side first -> closed; or reset, by either side, at any time
//
// Nothing is repaired: a stream that was cut off is told as reset, never as ended.
import type { Http2Connection } from "./connection.ts";
import type { FieldList } from "./field-list.ts";
import {
  type FlagsPlace,
  markEnd,
  NO_EPOCH,
  writeData,
  writeHeaders,
  writeReset,
  writeWindowUpdate,
} from "./frame-writer.ts";
import { HeldPieces } from "./held-pieces.ts";
import { DEFAULT_WINDOW_BYTES, END_STREAM, MAX_FRAME_BYTES, PROTOCOL_ERROR } from "./protocol.ts";

const NO_FIELDS: FieldList = Object.freeze([]);
const NOTHING: Uint8Array = new Uint8Array(0);

/** What a stream tells. After onReset, or after onEnd and onSent, nothing comes, but for what had come whole and waits to be taken. */
export interface StreamOwner {
  /** An interim response's head. */
  onInterim(fields: FieldList): void;
  /** The head of the final response. Requests are told by the connection. */
  onHead(fields: FieldList, endStream: boolean): void;
  /** A piece of the body; its bytes never change. */
  onData(piece: Uint8Array): void;
  /** END_STREAM came, and everything before it was told. */
  onEnd(trailers: FieldList): void;
  /** All that was written, and its end, is on its way. */
  onSent(): void;
  /** More may be written. */
  onWritable(): void;
  /** It ended before its time, and not by `reset`. */
  onReset(why: StreamReset): void;
}

export type StreamReset =
  /** RST_STREAM came. */
  | { readonly kind: "peer"; readonly code: number }
  /** The peer broke the protocol on this stream. */
  | { readonly kind: "malformed"; readonly reason: string }
  /** GOAWAY says that it was not processed. */
  | { readonly kind: "unprocessed" }
  /** The connection broke the protocol, and ends. */
  | { readonly kind: "connection" };

export class Http2Stream implements FlagsPlace {
  readonly id: number;
  /** Set by whoever takes the stream, before anything is told. */
  owner: StreamOwner | undefined;
  nextInSlot: Http2Stream | undefined;
  flagsAt = 0;
  flagsEpoch = NO_EPOCH;
  /** How much we may send on it. The connection's to change. */
  sendWindow: number;
  /** In the connection's list of those that wait. */
  listed = false;
  /** The final head of a response has come. */
  answered = false;
  readonly #connection: Http2Connection;
  #windowBytes = DEFAULT_WINDOW_BYTES;
  /** Of it, what is the connection's to lend. */
  #lent = 0;
  /** What is left of it. */
  #receiveWindow = DEFAULT_WINDOW_BYTES;
  #uncredited = 0;
  #paused = false;
  /** What came while it was paused. */
  #held: HeldPieces | undefined;
  /** END_STREAM came, with these trailers. */
  #trailers: FieldList | undefined;
  #told = false;
  /** What waits to be sent. */
  #queue: Uint8Array[] | undefined;
  #queued = 0;
  #mustTell = false;
  #lastFields: FieldList | undefined;
  #sent = false;
  #closed = false;

  /** @param received END_STREAM came with its head; `start` tells it */
  constructor(connection: Http2Connection, id: number, sendWindow: number, received: boolean) {
    this.#connection = connection;
    this.id = id;
    this.sendWindow = sendWindow;
    if (received) this.#trailers = NO_FIELDS;
  }

  /** END_STREAM came; not all before it may have been told. */
  get received(): boolean {
    return this.#trailers !== undefined;
  }

  /** Our END_STREAM is on its way. */
  get sent(): boolean {
    return this.#sent;
  }

  /** Nothing is sent or received any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes that wait for the peer's windows, or for the connection. */
  get queued(): number {
    return this.#queued;
  }

  /** What the peer may send of the body before we take any of it. */
  get windowBytes(): number {
    return this.#windowBytes;
  }

  get paused(): boolean {
    return this.#paused;
  }

  // What its owner calls.

  /** Sends a head. @param endStream nothing follows it */
  sendHead(fields: FieldList, endStream: boolean): void {
    if (this.#closed || this.#sent) return;
    const { output, encoder } = this.#connection;
    writeHeaders(output, this, encoder, this.id, endStream ? END_STREAM : 0, fields);
    if (endStream) this.#ended();
  }

  /** Sends bytes of the body. @returns false: wait for onWritable */
  write(piece: Uint8Array): boolean {
    if (this.#closed || this.#sent || this.#lastFields !== undefined || piece.length === 0) return true;
    const rest = this.#queued > 0 ? piece : this.#send(piece);
    if (rest !== undefined) {
      this.#queue ??= [];
      this.#queue.push(rest);
      this.#queued += rest.length;
    } else if (!this.#connection.output.full) return true;
    this.#mustTell = true;
    this.#connection.list(this);
    return false;
  }

  /** Nothing more is written. @param trailers none: an empty list */
  end(trailers: FieldList = NO_FIELDS): void {
    if (this.#closed || this.#sent || this.#lastFields !== undefined) return;
    this.#lastFields = trailers;
    this.#mustTell = false;
    if (this.#queued === 0) this.#sendEnd(trailers);
  }

  /** Ends it so that the peer can never take what it has for complete. Its owner is told nothing more. @param code of section 7; PROTOCOL_ERROR: the message is malformed, which counts as the peer's fault */
  reset(code: number): void {
    this.owner = undefined;
    this.#drop();
    if (this.#closed) return;
    const { output, over, budget } = this.#connection;
    if (!over) writeReset(output, this.id, code);
    if (code === PROTOCOL_ERROR) budget.resetByOwner();
    this.close(true);
  }

  /** Stops onData and onEnd. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#flow();
  }

  // What the connection calls.

  /** Its head was told. */
  start(): void {
    if (this.#trailers !== undefined && !this.#paused) this.#tellEnd();
  }

  /** A DATA frame begins. @returns false: it is more than was allowed */
  takesWindow(bytes: number): boolean {
    this.#receiveWindow -= bytes;
    return this.#receiveWindow >= 0;
  }

  /** A piece of the body came. */
  receive(piece: Uint8Array): void {
    if (this.#paused || this.#held !== undefined) {
      this.#held ??= new HeldPieces();
      this.#held.push(piece);
      return;
    }
    this.#deliver(piece);
  }

  /** Bytes that were taken, or were none of the body. */
  credit(bytes: number): void {
    if (this.#trailers !== undefined || this.#closed) return;
    this.#uncredited += bytes;
    // Half a window: a WINDOW_UPDATE costs both sides.
    if (this.#uncredited < this.#windowBytes / 2) return;
    const isTaken = !this.#paused && this.#held === undefined;
    const lent = isTaken ? this.#connection.lend(this.#windowBytes) : 0;
    this.#lent += lent;
    this.#windowBytes += lent;
    this.#receiveWindow += this.#uncredited + lent;
    writeWindowUpdate(this.#connection.output, this.id, this.#uncredited + lent);
    this.#uncredited = 0;
  }

  /** END_STREAM came. */
  receiveEnd(trailers: FieldList): void {
    if (this.#closed) return;
    this.#trailers = trailers;
    if (this.#sent) this.#complete();
    if (!this.#paused && this.#held === undefined) this.#tellEnd();
  }

  /** Sends at most a frame of what waits; if more waits, it is listed again. @returns false: nothing could be done, and it waits still */
  pump(): boolean {
    const queue = this.#queue;
    const piece = queue?.[0];
    if (queue !== undefined && piece !== undefined) {
      const bytes = this.#sendable(piece.length);
      if (bytes === 0) return false;
      this.#queued -= bytes;
      if (bytes === piece.length) queue.shift();
      else queue[0] = piece.subarray(bytes);
      this.#sendPiece(bytes === piece.length ? piece : piece.subarray(0, bytes));
      if (this.#queued > 0) {
        this.#connection.list(this);
        return true;
      }
    }
    this.#queue = undefined;
    if (this.#lastFields !== undefined) {
      if (!this.#sent) this.#sendEnd(this.#lastFields);
    } else if (this.#mustTell) {
      if (this.#connection.output.full) return false;
      this.#mustTell = false;
      this.owner?.onWritable();
    }
    return true;
  }

  /** Forgets it. @param dropsBody the rest of what comes is not wanted */
  close(dropsBody: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = undefined;
    this.#queued = 0;
    // What came whole may still be taken.
    if (this.#trailers === undefined) this.#drop();
    if (this.#held === undefined) this.#giveBack();
    this.#connection.forget(this, dropsBody);
  }

  #complete(): void {
    this.#connection.budget.completed();
    this.close(false);
  }

  /** It ended before its time. */
  tellReset(why: StreamReset): void {
    if (this.#closed) return;
    const { owner } = this;
    // Behind the peer's own reset nothing is under way.
    this.close(why.kind !== "peer");
    owner?.onReset(why);
  }

  // Receiving.

  #deliver(piece: Uint8Array): void {
    this.owner?.onData(piece);
    this.#connection.credit(piece.length);
    this.credit(piece.length);
  }

  #flow(): void {
    const held = this.#held;
    while (held !== undefined && held.bytes > 0 && !this.#paused) {
      const piece = held.shift();
      if (held.bytes === 0) this.#held = undefined;
      if (piece !== undefined) this.#deliver(piece);
    }
    if (!this.#paused && this.#held === undefined && this.#trailers !== undefined) this.#tellEnd();
  }

  /** What was held is not wanted any more: the other streams need its room. */
  #drop(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#connection.credit(held.clear());
    this.#giveBack();
  }

  /** Nothing more comes, and nothing of it waits. */
  #giveBack(): void {
    this.#connection.giveBack(this.#lent);
    this.#lent = 0;
  }

  #tellEnd(): void {
    if (this.#told) return;
    this.#told = true;
    this.#giveBack();
    this.owner?.onEnd(this.#trailers ?? NO_FIELDS);
  }

  // Sending.

  /** @returns what could not be sent; undefined: nothing is left */
  #send(piece: Uint8Array): Uint8Array | undefined {
    let rest = piece;
    for (;;) {
      const bytes = this.#sendable(rest.length);
      if (bytes === rest.length) {
        this.#sendPiece(rest);
        return undefined;
      }
      if (bytes === 0) return rest;
      this.#sendPiece(rest.subarray(0, bytes));
      rest = rest.subarray(bytes);
    }
  }

  #sendable(bytes: number): number {
    const connection = this.#connection;
    if (connection.output.full) return 0;
    return Math.max(0, Math.min(bytes, MAX_FRAME_BYTES, this.sendWindow, connection.sendWindow));
  }

  #sendPiece(piece: Uint8Array): void {
    const connection = this.#connection;
    this.sendWindow -= piece.length;
    connection.sendWindow -= piece.length;
    connection.budget.sent(piece.length);
    writeData(connection.output, this, this.id, 0, piece);
  }

  #sendEnd(trailers: FieldList): void {
    const { output, encoder } = this.#connection;
    if (trailers.length > 0) writeHeaders(output, this, encoder, this.id, END_STREAM, trailers);
    else if (!markEnd(output, this)) writeData(output, this, this.id, END_STREAM, NOTHING);
    this.#ended();
  }

  #ended(): void {
    this.#sent = true;
    if (this.#trailers !== undefined) this.#complete();
    this.owner?.onSent();
  }
}
