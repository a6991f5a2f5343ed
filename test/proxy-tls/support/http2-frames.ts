// HTTP/2 frames written and read by hand, so that a test can send what no library would, and see what no library tells. Fields are HPACK
// literals without indexing and without Huffman coding (RFC 7541 section 6.2.2), so that every byte is the test's own.
import type { Socket } from "node:net";

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A length of HPACK with a 7-bit prefix (no Huffman). */
function hpackLength(length: number): Buffer {
  if (length < 127) return Buffer.from([length]);
  const bytes = [127];
  let rest = length - 127;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** A block of fields: name, value, name, value ... in latin1. */
export function block(...fields: string[]): Buffer {
  const parts: Buffer[] = [];
  for (const [index, text] of fields.entries()) {
    const bytes = Buffer.from(text, "latin1");
    if (index % 2 === 0) parts.push(Buffer.from([0]));
    parts.push(hpackLength(bytes.length), bytes);
  }
  return Buffer.concat(parts);
}

export function headers(stream: number, flags: number, ...fields: string[]): Buffer {
  return frame(HEADERS, flags | END_HEADERS, stream, block(...fields));
}

export function data(stream: number, flags: number, body: string | Uint8Array): Buffer {
  return frame(DATA, flags, stream, typeof body === "string" ? Buffer.from(body, "latin1") : body);
}

export function reset(stream: number, code: number): Buffer {
  return frame(RST_STREAM, 0, stream, uint32(code));
}

export function goaway(lastStream: number, code: number): Buffer {
  return frame(GOAWAY, 0, 0, Buffer.concat([uint32(lastStream), uint32(code)]));
}

export function windowUpdate(stream: number, increment: number): Buffer {
  return frame(WINDOW_UPDATE, 0, stream, uint32(increment));
}

/** SETTINGS: pairs of identifier and value. */
export function settings(...pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length);
  for (const [index, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, index * 6);
    payload.writeUInt32BE(value, index * 6 + 2);
  }
  return frame(SETTINGS, 0, 0, payload);
}

/** What each side has to begin with, behind the client's preface. */
export function openingFrames(): Buffer {
  return settings();
}

export function request(stream: number, flags: number, method: string, path: string, ...fields: string[]): Buffer {
  const pseudo = [":method", method, ":scheme", "http", ":path", path, ":authority", "example.test"];
  return headers(stream, flags, ...pseudo, ...fields);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The whole frames at the beginning of `bytes`, and what is behind them. A stream's number is told with its reserved bit, which nobody sets. */
export function takeFrames(bytes: Buffer): { readonly frames: Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= 9) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    const [type = 0, flags = 0] = bytes.subarray(at + 3, at + 5);
    frames.push({ type, flags, stream: bytes.readUInt32BE(at + 5), payload: bytes.subarray(at + 9, end) });
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** Reads frames from a socket and answers SETTINGS, as little as a peer has to. */
export class FrameReader {
  readonly frames: Frame[] = [];
  ended = false;
  readonly #waiting = new Set<() => void>();

  /** @param preface how many bytes come before the first frame: 24 for a server's side */
  constructor(socket: Socket, options: { readonly preface?: number; readonly acknowledge?: boolean } = {}) {
    let skip = options.preface ?? 0;
    let held: Buffer = Buffer.alloc(0);
    const note = (): void => {
      for (const look of [...this.#waiting]) look();
    };
    socket.on("data", (chunk: Buffer) => {
      const skipped = Math.min(skip, chunk.length);
      skip -= skipped;
      const { frames, rest } = takeFrames(Buffer.concat([held, chunk.subarray(skipped)]));
      held = rest;
      for (const found of frames) {
        this.frames.push(found);
        if (found.type === SETTINGS && (found.flags & ACK) === 0 && options.acknowledge !== false) {
          socket.write(frame(SETTINGS, ACK, 0));
        }
      }
      note();
    });
    const end = (): void => {
      this.ended = true;
      note();
    };
    socket.on("end", end);
    socket.on("close", end);
    socket.on("error", () => {});
  }

  /** The first frame that `matches`, when it is there. Rejects when the connection ends without it. */
  find(matches: (frame: Frame) => boolean): Promise<Frame> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = this.frames.find(matches);
        if (found === undefined && !this.ended) return;
        this.#waiting.delete(look);
        if (found === undefined) reject(new Error("the connection ended without the frame"));
        else resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }

  of(stream: number): Frame[] {
    return this.frames.filter((found) => found.stream === stream);
  }

  closed(): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!this.ended) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }
}
