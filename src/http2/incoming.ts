// What frames mean that come (RFC 9113 section 6): their order, their lengths, the streams that they may name. What follows from them is the
// connection's to do.
import { ConnectionFault } from "./fault.ts";
import type { FieldList } from "./field-list.ts";
import { type FloodBudget, FRAME_CHARGE, PING_CHARGE, SETTINGS_CHARGE } from "./flood-budget.ts";
import { type FrameHandler, FrameReader } from "./frame-reader.ts";
import { writePing } from "./frame-writer.ts";
import { HeaderBlock } from "./header-block.ts";
import { type FieldFault, HpackDecoder, HpackError } from "./hpack/decoder.ts";
import type { Output } from "./output.ts";
import {
  ACK,
  COMPRESSION_ERROR,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  GOAWAY,
  HEADERS,
  PADDED,
  PING,
  PRIORITIZED,
  PRIORITY,
  PROTOCOL_ERROR,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  STREAM_CLOSED,
  WINDOW_UPDATE,
} from "./protocol.ts";
import type { Http2Stream } from "./stream.ts";

/** Bytes of a header list as RFC 9113 section 6.5.2 counts them. */
export const MAX_HEADER_LIST_BYTES = 32_768;
/** SETTINGS_HEADER_TABLE_SIZE: the default. 100 fields and four pseudo-fields. */
const LIMITS = { maxTableBytes: 4_096, maxListBytes: MAX_HEADER_LIST_BYTES, maxFields: 104 };
const PRIORITY_BYTES = 5;

/** What frames do to a connection. */
export interface FrameTarget {
  readonly output: Output;
  readonly budget: FloodBudget;
  /** An open stream. */
  find(id: number): Http2Stream | undefined;
  /** Whether a stream was never opened. */
  isIdle(id: number): boolean;
  /** Whether what comes on an ended stream was under way when we ended it. */
  ignores(id: number): boolean;
  /** DATA begins. @returns false: it is more than the connection's window allows */
  takesWindow(bytes: number): boolean;
  /** Bytes of bodies were taken, or dropped. */
  credit(bytes: number): void;
  /** A whole head or trailers came. @param fault what the decoder found */
  headCame(id: number, fields: FieldList, endStream: boolean, fault: FieldFault | undefined): void;
  settingsCame(buffer: Buffer, start: number, end: number): void;
  settingsAcknowledged(): void;
  pingAnswered(payload: Buffer): void;
  goawayCame(lastStream: number, code: number): void;
  windowGrew(bytes: number): void;
  streamWindowGrew(stream: Http2Stream, bytes: number): void;
  /** The peer broke the protocol on a stream. @param reason latin1, plain words */
  breakStream(stream: Http2Stream, code: number, reason: string): void;
  /** The same on one that is not open. */
  resetUnknown(id: number, code: number): void;
}

export class IncomingFrames implements FrameHandler {
  readonly #target: FrameTarget;
  readonly #isClient: boolean;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #block = new HeaderBlock();
  #settled = false;
  /** Whose DATA is being read; undefined: nobody's, or nobody's any more. */
  #dataStream: Http2Stream | undefined;

  constructor(target: FrameTarget, isClient: boolean) {
    this.#target = target;
    this.#isClient = isClient;
    this.#reader = new FrameReader(this, !isClient);
    this.#decoder = new HpackDecoder(LIMITS);
  }

  /** Names what has begun to come and is not whole: a header block, or a frame; 0: nothing has. Bodies do not count. */
  get unfinished(): number {
    return this.#block.stream === 0 ? -this.#reader.unfinished : this.#block.stream;
  }

  /** @throws ConnectionFault, and what the owners of streams throw */
  read(chunk: Buffer): void {
    this.#reader.read(chunk);
  }

  /** Nothing more is read. */
  stop(): void {
    this.#reader.stop();
  }

  /** A stream has ended: what still comes of its DATA is nobody's. */
  forget(stream: Http2Stream): void {
    if (this.#dataStream === stream) this.#dataStream = undefined;
  }

  dataBegins(id: number, length: number): void {
    this.#checkOrder(DATA);
    if (id === 0) throw new ConnectionFault(PROTOCOL_ERROR, "DATA on stream 0");
    if (!this.#target.takesWindow(length))
      throw new ConnectionFault(FLOW_CONTROL_ERROR, "more DATA than the window allows");
    const stream = this.#target.find(id);
    this.#dataStream = stream;
    if (stream === undefined) {
      this.#dataOfNobody(id, length);
      return;
    }
    if (stream.received) this.#target.breakStream(stream, STREAM_CLOSED, "DATA behind END_STREAM");
    else if (!stream.takesWindow(length))
      this.#target.breakStream(stream, FLOW_CONTROL_ERROR, "more DATA than the window allows");
    else if (this.#isClient && !stream.answered) this.#target.breakStream(stream, PROTOCOL_ERROR, "DATA before a head");
  }

  dataPiece(piece: Buffer): void {
    const stream = this.#dataStream;
    if (stream !== undefined) stream.receive(piece);
    else {
      this.#target.credit(piece.length);
      this.#target.budget.unwanted(piece.length);
    }
  }

  dataEnds(flags: number, data: number, padding: number): void {
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    const ends = (flags & END_STREAM) !== 0;
    if (padding > 0) {
      this.#target.credit(padding);
      stream?.credit(padding);
    }
    // A little padding hides lengths; much of it, or nothing but it, brings nothing.
    if (data === 0 && !ends) this.#target.budget.charge(padding + 2 * FRAME_CHARGE);
    else if (padding > FRAME_CHARGE) this.#target.budget.charge(padding - FRAME_CHARGE);
    if (ends) stream?.receiveEnd([]);
  }

  frame(type: number, flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    this.#checkOrder(type);
    switch (type) {
      case HEADERS:
        this.#onHeaders(flags, id, buffer, start, end);
        break;
      case CONTINUATION:
        this.#onContinuation(flags, id, buffer.subarray(start, end));
        break;
      case WINDOW_UPDATE:
        this.#onWindowUpdate(id, buffer, start, end);
        break;
      case RST_STREAM:
        this.#onReset(id, buffer, start, end);
        break;
      case SETTINGS:
        this.#onSettings(flags, id, buffer, start, end);
        break;
      case PING:
        this.#onPing(flags, id, buffer.subarray(start, end));
        break;
      case GOAWAY:
        this.#onGoaway(id, buffer, start, end);
        break;
      case PRIORITY:
        this.#onPriority(id, end - start);
        break;
      case PUSH_PROMISE:
        throw new ConnectionFault(PROTOCOL_ERROR, "PUSH_PROMISE, which is not enabled");
      default:
        this.#target.budget.charge(end - start + FRAME_CHARGE);
    }
  }

  /** The first frame is SETTINGS (section 3.4), and nothing comes between the frames of a header block (section 4.3). */
  #checkOrder(type: number): void {
    if (!this.#settled && type !== SETTINGS) {
      throw new ConnectionFault(PROTOCOL_ERROR, "the first frame is not SETTINGS");
    }
    if (this.#block.stream !== 0 && type !== CONTINUATION) {
      throw new ConnectionFault(PROTOCOL_ERROR, "a frame within a header block");
    }
  }

  // Heads.

  #onHeaders(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    if (id === 0) throw new ConnectionFault(PROTOCOL_ERROR, "HEADERS on stream 0");
    let from = start;
    let to = end;
    if ((flags & PADDED) !== 0) {
      to -= buffer[from] ?? 0;
      from += 1;
    }
    if ((flags & PRIORITIZED) !== 0) from += PRIORITY_BYTES;
    if (from > to || from > end)
      throw new ConnectionFault(PROTOCOL_ERROR, "HEADERS shorter than what it says it holds");
    const endStream = (flags & END_STREAM) !== 0;
    if ((flags & END_HEADERS) !== 0) this.#onBlock(id, endStream, buffer, from, to);
    else this.#block.begin(id, endStream, buffer.subarray(from, to));
  }

  #onContinuation(flags: number, id: number, part: Buffer): void {
    const block = this.#block;
    if (id === 0 || id !== block.stream) throw new ConnectionFault(PROTOCOL_ERROR, "CONTINUATION of no header block");
    block.add(part);
    if ((flags & END_HEADERS) === 0) return;
    const whole = block.take();
    this.#onBlock(id, block.endStream, whole, 0, whole.length);
  }

  #onBlock(id: number, endStream: boolean, buffer: Buffer, start: number, end: number): void {
    let fields: FieldList;
    try {
      fields = this.#decoder.decode(buffer, start, end);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      throw new ConnectionFault(COMPRESSION_ERROR, error.message);
    }
    this.#target.headCame(id, fields, endStream, this.#decoder.fault);
  }

  // Other frames.

  #onSettings(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ConnectionFault(PROTOCOL_ERROR, "SETTINGS on a stream");
    if ((flags & ACK) !== 0) {
      if (end > start)
        throw new ConnectionFault(FRAME_SIZE_ERROR, "an acknowledgement of SETTINGS that says something");
      if (!this.#settled) throw new ConnectionFault(PROTOCOL_ERROR, "the first frame is not SETTINGS");
      this.#target.budget.charge(FRAME_CHARGE);
      this.#target.settingsAcknowledged();
      return;
    }
    this.#target.budget.charge(SETTINGS_CHARGE + end - start);
    this.#settled = true;
    this.#target.settingsCame(buffer, start, end);
  }

  #onPing(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionFault(PROTOCOL_ERROR, "PING on a stream");
    if (payload.length !== 8) throw new ConnectionFault(FRAME_SIZE_ERROR, "PING of a wrong length");
    this.#target.budget.charge(PING_CHARGE);
    if ((flags & ACK) !== 0) this.#target.pingAnswered(payload);
    else writePing(this.#target.output, ACK, payload);
  }

  #onGoaway(id: number, buffer: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ConnectionFault(PROTOCOL_ERROR, "GOAWAY on a stream");
    if (end - start < 8) throw new ConnectionFault(FRAME_SIZE_ERROR, "GOAWAY of a wrong length");
    this.#target.budget.charge(end - start + FRAME_CHARGE);
    this.#target.goawayCame(buffer.readUInt32BE(start) & 0x7fffffff, buffer.readUInt32BE(start + 4));
  }

  #onWindowUpdate(id: number, buffer: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw new ConnectionFault(FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong length");
    this.#target.budget.charge(FRAME_CHARGE);
    const bytes = buffer.readUInt32BE(start) & 0x7fffffff;
    if (id === 0) {
      if (bytes === 0) throw new ConnectionFault(PROTOCOL_ERROR, "WINDOW_UPDATE by nothing");
      this.#target.windowGrew(bytes);
      return;
    }
    const stream = this.#target.find(id);
    if (stream !== undefined) {
      if (bytes > 0) this.#target.streamWindowGrew(stream, bytes);
      else this.#target.breakStream(stream, PROTOCOL_ERROR, "WINDOW_UPDATE by nothing");
      return;
    }
    this.#checkNotIdle(id);
    // Under way when the stream ended, mostly.
    if (bytes === 0) this.#target.resetUnknown(id, PROTOCOL_ERROR);
  }

  #onReset(id: number, buffer: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw new ConnectionFault(FRAME_SIZE_ERROR, "RST_STREAM of a wrong length");
    if (id === 0) throw new ConnectionFault(PROTOCOL_ERROR, "RST_STREAM on stream 0");
    this.#checkNotIdle(id);
    const stream = this.#target.find(id);
    if (stream === undefined) this.#target.budget.charge(FRAME_CHARGE);
    else {
      if (!this.#isClient) this.#target.budget.reset();
      stream.tellReset({ kind: "peer", code: buffer.readUInt32BE(start) });
    }
  }

  /** Nobody reads what it says any more (section 5.3.2). */
  #onPriority(id: number, bytes: number): void {
    if (id === 0) throw new ConnectionFault(PROTOCOL_ERROR, "PRIORITY on stream 0");
    if (bytes !== PRIORITY_BYTES) throw new ConnectionFault(FRAME_SIZE_ERROR, "PRIORITY of a wrong length");
    this.#target.budget.charge(FRAME_CHARGE);
  }

  #checkNotIdle(id: number): void {
    if (this.#target.isIdle(id)) throw new ConnectionFault(PROTOCOL_ERROR, "a frame on a stream that was never opened");
  }

  /** DATA came for a stream that is not open. */
  #dataOfNobody(id: number, length: number): void {
    this.#checkNotIdle(id);
    if (this.#target.ignores(id)) return;
    this.#target.resetUnknown(id, STREAM_CLOSED);
    this.#target.budget.charge(length);
  }
}
