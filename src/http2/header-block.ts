// A header block that comes in several frames: HEADERS, then CONTINUATION (RFC 9113 section 6.10). Bounded in bytes and in frames, before
// anything of it is decoded.
import { ConnectionFault } from "./fault.ts";
import { ENHANCE_YOUR_CALM } from "./protocol.ts";

/** Twice the largest list that is taken. */
const MAX_BLOCK_BYTES = 64 * 1024;
const MAX_CONTINUATIONS = 16;

export class HeaderBlock {
  /** Whose block is open; 0: none is. Until its end no other frame may come. */
  stream = 0;
  endStream = false;
  #parts: Buffer[] = [];
  #bytes = 0;

  begin(stream: number, endStream: boolean, part: Buffer): void {
    this.stream = stream;
    this.endStream = endStream;
    this.add(part);
  }

  /** @throws ConnectionFault ENHANCE_YOUR_CALM */
  add(part: Buffer): void {
    // Copied: what a small part lies in may be large.
    this.#parts.push(Buffer.from(part));
    this.#bytes += part.length;
    if (this.#bytes > MAX_BLOCK_BYTES || this.#parts.length > MAX_CONTINUATIONS + 1) {
      throw new ConnectionFault(ENHANCE_YOUR_CALM, "a header block of too many bytes or frames");
    }
  }

  /** The whole block; then none is open. */
  take(): Buffer {
    const block = Buffer.concat(this.#parts, this.#bytes);
    this.stream = 0;
    this.#parts = [];
    this.#bytes = 0;
    return block;
  }
}
