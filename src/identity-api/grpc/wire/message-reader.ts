// Length-prefixed messages (gRPC over HTTP/2): a flag octet, four of length, the message. What has not come whole is copied, so that a few octets
// do not keep the record that they came in; memory grows with what has come and never with what was announced.
import { ApiError } from "../../api-error.ts";

const HEADER_BYTES = 5;
const EMPTY = Buffer.alloc(0);

/** A frame to be filled: `length` bytes of message behind its header. */
export function frameOf(length: number): { readonly frame: Buffer; readonly message: Buffer } {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  frame[0] = 0;
  frame.writeUInt32BE(length, 1);
  return { frame, message: frame.subarray(HEADER_BYTES) };
}

/** A message as it came. */
export interface WireMessage {
  /** The flag octet says so. */
  readonly compressed: boolean;
  /** Of the memory that it came in, or of the reader's own: nobody else writes to it. */
  readonly bytes: Buffer;
}

export class MessageReader {
  readonly #maxMessageBytes: number;
  /** What has come and was not taken. */
  #bytes: Buffer = EMPTY;
  /** Memory of our own in which #bytes lies at the beginning; undefined: it lies in somebody else's. */
  #own: Buffer | undefined;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** Bytes that have come and were not taken. */
  get waiting(): number {
    return this.#bytes.length;
  }

  add(piece: Uint8Array): void {
    if (this.#bytes.length === 0) {
      this.#bytes = piece instanceof Buffer ? piece : Buffer.from(piece.buffer, piece.byteOffset, piece.length);
      this.#own = undefined;
      return;
    }
    const bytes = this.#bytes.length + piece.length;
    const room = this.#room(bytes);
    room.set(piece, this.#bytes.length);
    this.#bytes = room.subarray(0, bytes);
  }

  /**
   * Takes the next message; undefined: none is whole.
   * @throws ApiError MCA_MESSAGE_TOO_LARGE, by the length that it announces; MCA_REQUEST_INVALID
   */
  next(): WireMessage | undefined {
    const end = this.#firstEnd();
    const bytes = this.#bytes;
    if (end === 0 || bytes.length < end) return undefined;
    this.#bytes = bytes.subarray(end);
    this.#own = undefined;
    return { compressed: bytes[0] === 1, bytes: bytes.subarray(HEADER_BYTES, end) };
  }

  /**
   * Looks at what has come of a request that is one message.
   * @throws ApiError as `next`, and for what is more than one
   */
  checkOne(): void {
    const end = this.#firstEnd();
    if (end > 0 && this.#bytes.length > end) throw unreadableFrame("it is not exactly one message");
  }

  /** To be called when nothing more is taken for now: what is left becomes a copy. */
  keep(): void {
    if (this.#bytes.length === 0) this.#bytes = EMPTY;
    else if (this.#own === undefined) {
      const { length } = this.#bytes;
      const own = Buffer.allocUnsafe(length);
      this.#bytes.copy(own);
      this.#own = own;
      this.#bytes = own;
    }
  }

  clear(): void {
    this.#bytes = EMPTY;
    this.#own = undefined;
  }

  /** Where the first message ends, when its header is here; else 0. */
  #firstEnd(): number {
    const bytes = this.#bytes;
    if (bytes.length < HEADER_BYTES) return 0;
    const length = bytes.readUInt32BE(1);
    if (length > this.#maxMessageBytes) throw messageTooLarge(this.#maxMessageBytes);
    if ((bytes[0] ?? 0) > 1) throw unreadableFrame("its first octet is neither 0 nor 1");
    return HEADER_BYTES + length;
  }

  /** Memory for `bytes` bytes with what is there at its beginning. It doubles, so that small pieces are not copied again and again. */
  #room(bytes: number): Buffer {
    const own = this.#own;
    if (own !== undefined && own.length >= bytes) return own;
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(2 * this.#bytes.length, this.#maxMessageBytes)));
    this.#bytes.copy(grown);
    this.#own = grown;
    return grown;
  }
}

export function messageTooLarge(maxMessageBytes: number): ApiError {
  return new ApiError(
    "MCA_MESSAGE_TOO_LARGE",
    `The message is larger than this server takes (${maxMessageBytes} bytes). Send a smaller one.`,
  );
}

/** What came is no sequence of messages as the method takes them. */
export function unreadableFrame(why: string): ApiError {
  return new ApiError("MCA_REQUEST_INVALID", `The message cannot be read: ${why}.`);
}
