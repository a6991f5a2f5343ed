// Writes frames (RFC 9113 section 6) into an Output.
import type { FieldList } from "./field-list.ts";
import type { HpackEncoder } from "./hpack/encoder.ts";
import type { Output } from "./output.ts";
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FRAME_HEADER_BYTES,
  GOAWAY,
  HEADERS,
  MAX_FRAME_BYTES,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "./protocol.ts";

/** No output is ever in it. */
export const NO_EPOCH = -1;

const SETTING_BYTES = 6;
const PING_BYTES = 8;
/** A GOAWAY's reason is cut to this many bytes. */
const MAX_REASON_BYTES = 200;

/** Where the flags of a stream's last frame are, while they can still be changed: in this epoch of the output. */
export interface FlagsPlace {
  flagsAt: number;
  flagsEpoch: number;
}

function writeHeader(target: Buffer, at: number, length: number, type: number, flags: number, stream: number): number {
  target[at] = length >>> 16;
  target[at + 1] = length >>> 8;
  target[at + 2] = length;
  target[at + 3] = type;
  target[at + 4] = flags;
  return writeUint32(target, at + 5, stream);
}

function writeUint32(target: Buffer, at: number, value: number): number {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
  return at + 4;
}

/** @param settings identifier, value, identifier, value ... */
export function writeSettings(output: Output, settings: readonly number[]): void {
  const bytes = (settings.length / 2) * SETTING_BYTES;
  let at = output.reserve(FRAME_HEADER_BYTES + bytes);
  const target = output.memory;
  at = writeHeader(target, at, bytes, SETTINGS, 0, 0);
  for (let index = 0; index < settings.length; index += 2) {
    const identifier = settings[index] ?? 0;
    target[at] = identifier >>> 8;
    target[at + 1] = identifier;
    at = writeUint32(target, at + 2, settings[index + 1] ?? 0);
  }
  output.commit(at);
}

export function writeSettingsAck(output: Output): void {
  const at = output.reserve(FRAME_HEADER_BYTES);
  output.commit(writeHeader(output.memory, at, 0, SETTINGS, ACK, 0));
}

/** @param payload eight bytes */
export function writePing(output: Output, flags: number, payload: Uint8Array): void {
  const at = output.reserve(FRAME_HEADER_BYTES + PING_BYTES);
  const target = output.memory;
  const start = writeHeader(target, at, PING_BYTES, PING, flags, 0);
  target.set(payload, start);
  output.commit(start + PING_BYTES);
}

export function writeReset(output: Output, stream: number, code: number): void {
  const at = output.reserve(FRAME_HEADER_BYTES + 4);
  const target = output.memory;
  output.commit(writeUint32(target, writeHeader(target, at, 4, RST_STREAM, 0, stream), code));
}

/** @param stream 0: the connection's window */
export function writeWindowUpdate(output: Output, stream: number, bytes: number): void {
  const at = output.reserve(FRAME_HEADER_BYTES + 4);
  const target = output.memory;
  output.commit(writeUint32(target, writeHeader(target, at, 4, WINDOW_UPDATE, 0, stream), bytes));
}

/** @param reason latin1, for the peer's operator */
export function writeGoaway(output: Output, lastStream: number, code: number, reason: string): void {
  const debug = Buffer.from(reason.slice(0, MAX_REASON_BYTES), "latin1");
  const at = output.reserve(FRAME_HEADER_BYTES + 8 + debug.length);
  const target = output.memory;
  let end = writeHeader(target, at, 8 + debug.length, GOAWAY, 0, 0);
  end = writeUint32(target, writeUint32(target, end, lastStream), code);
  target.set(debug, end);
  output.commit(end + debug.length);
}

/**
 * A piece of a body, at most MAX_FRAME_BYTES long.
 * @param place of the stream: END_STREAM may be set there later (`markEnd`)
 */
export function writeData(output: Output, place: FlagsPlace, stream: number, flags: number, piece: Uint8Array): void {
  const at = output.reserve(FRAME_HEADER_BYTES);
  const target = output.memory;
  const end = writeHeader(target, at, piece.length, DATA, flags, stream);
  output.commit(end);
  remember(output, place, at);
  if (piece.length > 0) output.add(piece);
}

/** A head or trailers: HEADERS, and CONTINUATION where the block is longer than a frame. */
export function writeHeaders(
  output: Output,
  place: FlagsPlace,
  encoder: HpackEncoder,
  stream: number,
  flags: number,
  fields: FieldList,
): void {
  const bound = encoder.bound(fields);
  place.flagsEpoch = NO_EPOCH;
  if (bound > MAX_FRAME_BYTES) {
    writeLongHeaders(output, encoder, stream, flags, fields, bound);
    return;
  }
  const at = output.reserve(FRAME_HEADER_BYTES + bound);
  const target = output.memory;
  const end = encoder.encode(target, at + FRAME_HEADER_BYTES, fields);
  writeHeader(target, at, end - at - FRAME_HEADER_BYTES, HEADERS, flags | END_HEADERS, stream);
  output.commit(end);
  remember(output, place, at);
}

function writeLongHeaders(
  output: Output,
  encoder: HpackEncoder,
  stream: number,
  flags: number,
  fields: FieldList,
  bound: number,
): void {
  const block = Buffer.allocUnsafe(bound);
  const end = encoder.encode(block, 0, fields);
  let start = 0;
  do {
    const piece = block.subarray(start, Math.min(start + MAX_FRAME_BYTES, end));
    const last = start + piece.length === end ? END_HEADERS : 0;
    const at = output.reserve(FRAME_HEADER_BYTES);
    const type = start === 0 ? HEADERS : CONTINUATION;
    output.commit(writeHeader(output.memory, at, piece.length, type, (start === 0 ? flags : 0) | last, stream));
    output.add(piece);
    start += piece.length;
  } while (start < end);
}

function remember(output: Output, place: FlagsPlace, at: number): void {
  place.flagsAt = at + 4;
  place.flagsEpoch = output.epoch;
}

/**
 * Sets END_STREAM on the last frame of a stream, if it has not left.
 * @returns whether it is set
 */
export function markEnd(output: Output, place: FlagsPlace): boolean {
  if (place.flagsEpoch !== output.epoch) return false;
  const { memory } = output;
  memory[place.flagsAt] = (memory[place.flagsAt] ?? 0) | END_STREAM;
  place.flagsEpoch = NO_EPOCH;
  return true;
}
