// What has come of a body that nobody takes at the moment. Flow control bounds its bytes, and this its memory: small pieces are copied together,
// and a piece does not keep a chunk alive that is far larger, so that it matters little into how many frames a peer cut what it sent.

/** Up to this size a piece is copied beside the others. */
const SMALL_BYTES = 2 * 1024;
const FIRST_ROOM_BYTES = 512;
const MAX_ROOM_BYTES = 8 * 1024;
/** A piece that is kept as it is, is at least this part of its memory. */
const LARGEST_SHARE = 4;

export class HeldPieces {
  readonly #pieces: Uint8Array[] = [];
  /** Small pieces, behind all of #pieces. */
  #room: Buffer | undefined;
  #taken = 0;
  #end = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  push(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (piece.length > SMALL_BYTES) {
      this.#closeRoom();
      this.#pieces.push(piece.length * LARGEST_SHARE < piece.buffer.byteLength ? Buffer.from(piece) : piece);
      return;
    }
    let room = this.#room;
    if (room === undefined || this.#end + piece.length > room.length) {
      this.#closeRoom();
      const bytes = room === undefined ? FIRST_ROOM_BYTES : Math.min(4 * room.length, MAX_ROOM_BYTES);
      room = Buffer.allocUnsafeSlow(Math.max(bytes, piece.length));
      this.#room = room;
      this.#taken = 0;
      this.#end = 0;
    }
    room.set(piece, this.#end);
    this.#end += piece.length;
  }

  /** The oldest bytes; undefined: there are none. */
  shift(): Uint8Array | undefined {
    if (this.#pieces.length === 0) this.#closeRoom();
    const piece = this.#pieces.shift();
    if (piece !== undefined) this.#bytes -= piece.length;
    return piece;
  }

  /** @returns how many bytes are gone */
  clear(): number {
    const bytes = this.#bytes;
    this.#bytes = 0;
    this.#pieces.length = 0;
    this.#room = undefined;
    return bytes;
  }

  /** What was told once never changes: nothing more is written into it. */
  #closeRoom(): void {
    if (this.#room !== undefined && this.#end > this.#taken)
      this.#pieces.push(this.#room.subarray(this.#taken, this.#end));
    this.#taken = this.#end;
  }
}
