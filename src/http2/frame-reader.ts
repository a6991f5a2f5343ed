// Cuts what a connection receives into frames (RFC 9113 section 4.1). DATA is told in the pieces in which it comes, uncopied; every other frame
// is told when it is whole. Pure: no socket, no timer. Every split of the same bytes tells the same frames.
import { ConnectionFault } from "./fault.ts";
import {
  DATA,
  FRAME_HEADER_BYTES,
  FRAME_SIZE_ERROR,
  MAX_FRAME_BYTES,
  PADDED,
  PREFACE,
  PROTOCOL_ERROR,
} from "./protocol.ts";

/** What is told of frames. What it throws comes out of `read`. */
export interface FrameHandler {
  /** A DATA frame begins. @param length of its whole payload, padding included: what flow control counts */
  dataBegins(stream: number, length: number): void;
  /** A piece of its data; never empty. */
  dataPiece(piece: Buffer): void;
  /** @param data bytes that were data @param padding bytes that were not */
  dataEnds(flags: number, data: number, padding: number): void;
  /** Another frame, whole: its payload is `buffer` from `start` to `end`, to be read before this returns. */
  frame(type: number, flags: number, stream: number, buffer: Buffer, start: number, end: number): void;
}

const NOTHING = Buffer.alloc(0);

type State = "preface" | "header" | "payload" | "pad-length" | "data" | "padding" | "stopped";

export class FrameReader {
  readonly #handler: FrameHandler;
  #state: State;
  /** A preface, a header or a payload that came in parts, and how much of it is there. */
  #part: Buffer = NOTHING;
  #have = 0;
  /** That have begun. */
  #frames = 0;
  #type = 0;
  #flags = 0;
  #stream = 0;
  #length = 0;
  /** What is still to come of the data and of the padding of the DATA frame that is being read. */
  #data = 0;
  #padding = 0;
  #dataBytes = 0;
  #paddingBytes = 0;

  /** @param preface the 24 bytes of a client's preface come first */
  constructor(handler: FrameHandler, preface: boolean) {
    this.#handler = handler;
    this.#state = preface ? "preface" : "header";
  }

  /** The number of the frame, or preface, that has come in part; 0: none has. Data does not count. */
  get unfinished(): number {
    const partly = this.#have > 0 || this.#state === "payload" || this.#state === "preface";
    return partly ? this.#frames + 1 : 0;
  }

  /** Nothing more is told. */
  stop(): void {
    this.#state = "stopped";
  }

  /** @throws ConnectionFault */
  read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.#state) {
        case "preface":
          at = this.#readPreface(chunk, at);
          break;
        case "header":
          at = this.#readHeader(chunk, at);
          break;
        case "payload":
          at = this.#readPayload(chunk, at);
          break;
        case "pad-length":
          this.#readPadLength(chunk[at] ?? 0);
          at += 1;
          break;
        case "data":
          at = this.#readData(chunk, at);
          break;
        case "padding":
          at = this.#readPadding(chunk, at);
          break;
        case "stopped":
          return;
      }
    }
  }

  #readPreface(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + PREFACE.length - this.#have);
    if (PREFACE.compare(chunk, at, end, this.#have, this.#have + end - at) !== 0) {
      throw new ConnectionFault(PROTOCOL_ERROR, "this is not the preface of HTTP/2");
    }
    this.#have += end - at;
    if (this.#have === PREFACE.length) {
      this.#have = 0;
      this.#state = "header";
    }
    return end;
  }

  #readHeader(chunk: Buffer, start: number): number {
    let from = chunk;
    let at = start;
    let end = start + FRAME_HEADER_BYTES;
    if (this.#have > 0 || end > chunk.length) {
      if (this.#have === 0) this.#part = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
      end = this.#collect(chunk, start, FRAME_HEADER_BYTES);
      if (this.#have < FRAME_HEADER_BYTES) return end;
      from = this.#part;
      at = 0;
      this.#have = 0;
      this.#part = NOTHING;
    }
    const length = ((from[at] ?? 0) << 16) | ((from[at + 1] ?? 0) << 8) | (from[at + 2] ?? 0);
    this.#type = from[at + 3] ?? 0;
    this.#flags = from[at + 4] ?? 0;
    // The first bit is reserved, and ignored.
    this.#stream = from.readUInt32BE(at + 5) & 0x7fffffff;
    this.#length = length;
    this.#frames += 1;
    if (length > MAX_FRAME_BYTES) throw new ConnectionFault(FRAME_SIZE_ERROR, "a frame of more than 16,384 bytes");
    if (this.#type === DATA) this.#beginData();
    else if (length === 0) this.#handler.frame(this.#type, this.#flags, this.#stream, from, at, at);
    else this.#state = "payload";
    return end;
  }

  #readPayload(chunk: Buffer, start: number): number {
    const end = start + this.#length;
    if (this.#have === 0 && end <= chunk.length) {
      this.#state = "header";
      this.#handler.frame(this.#type, this.#flags, this.#stream, chunk, start, end);
      return end;
    }
    if (this.#have === 0) this.#part = Buffer.allocUnsafe(this.#length);
    const read = this.#collect(chunk, start, this.#length);
    if (this.#have === this.#length) {
      const payload = this.#part;
      this.#have = 0;
      this.#part = NOTHING;
      this.#state = "header";
      this.#handler.frame(this.#type, this.#flags, this.#stream, payload, 0, payload.length);
    }
    return read;
  }

  /** @returns where the chunk goes on */
  #collect(chunk: Buffer, start: number, wanted: number): number {
    const end = Math.min(chunk.length, start + wanted - this.#have);
    chunk.copy(this.#part, this.#have, start, end);
    this.#have += end - start;
    return end;
  }

  #beginData(): void {
    const padded = (this.#flags & PADDED) !== 0;
    if (padded && this.#length === 0) throw new ConnectionFault(FRAME_SIZE_ERROR, "a padded frame without padding");
    this.#dataBytes = this.#length;
    this.#paddingBytes = 0;
    this.#padding = 0;
    this.#data = this.#length;
    this.#state = padded ? "pad-length" : "data";
    this.#handler.dataBegins(this.#stream, this.#length);
    if (this.#length === 0) this.#endData();
  }

  #readPadLength(padding: number): void {
    if (padding >= this.#length) throw new ConnectionFault(PROTOCOL_ERROR, "padding longer than its frame");
    this.#padding = padding;
    this.#paddingBytes = padding + 1;
    this.#data = this.#length - padding - 1;
    this.#dataBytes = this.#data;
    if (this.#data > 0) this.#state = "data";
    else this.#afterData();
  }

  #readData(chunk: Buffer, start: number): number {
    const end = Math.min(chunk.length, start + this.#data);
    this.#data -= end - start;
    this.#handler.dataPiece(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end));
    // The handler may have stopped the reader.
    if (this.#data === 0 && this.#state === "data") this.#afterData();
    return end;
  }

  #afterData(): void {
    if (this.#padding > 0) this.#state = "padding";
    else this.#endData();
  }

  #readPadding(chunk: Buffer, start: number): number {
    const end = Math.min(chunk.length, start + this.#padding);
    this.#padding -= end - start;
    if (this.#padding === 0) this.#endData();
    return end;
  }

  #endData(): void {
    if (this.#state === "stopped") return;
    this.#state = "header";
    this.#handler.dataEnds(this.#flags, this.#dataBytes, this.#paddingBytes);
  }
}
