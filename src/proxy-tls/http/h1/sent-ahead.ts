// What a client has sent before its time: behind a request whose answer is still to come. It waits unparsed, within bounds.

const MAX_BYTES = 64 * 1024;
/** Each piece costs more than its bytes. */
const MAX_PIECES = 32;

export class SentAhead {
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** No more should be read. */
  get isFull(): boolean {
    return this.#bytes >= MAX_BYTES || this.#pieces.length >= MAX_PIECES;
  }

  add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  /** The first piece; undefined: there is none. */
  get first(): Uint8Array | undefined {
    return this.#pieces[0];
  }

  /** The first so many bytes of the first piece were taken. */
  taken(bytes: number): void {
    const [first] = this.#pieces;
    if (first === undefined) return;
    this.#bytes -= bytes;
    if (bytes === first.length) this.#pieces.shift();
    else this.#pieces[0] = first.subarray(bytes);
  }

  forget(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }
}
