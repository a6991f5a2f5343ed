// What a connection and its streams tell, noted in order while bytes come in pieces, and what they must not tell.
import type { ConnectionFault, FieldList, Http2Stream, StreamOwner, StreamReset } from "../../../src/http2/index.ts";
import type { Reading, ReadMessage } from "./reading.ts";

export class Notes {
  readonly log: string[] = [];
  readonly messages: ReadMessage[] = [];
  readonly streams = new Map<number, NotedStream>();
  end: Reading["end"];
  /** The number of the piece that is being read. */
  at = 0;
  /** Nothing may be told any more. */
  silent = false;
  /** What is not as it must be. */
  wrong: string | undefined;

  /** Streams that are neither refused, nor reset, nor ended on both sides. */
  get open(): ReadonlySet<number> {
    return new Set([...this.streams.keys()].filter((id) => this.streams.get(id)?.isOpen));
  }

  note(line: string): void {
    if (this.silent) this.wrong ??= `told behind the end: ${line}`;
    this.log.push(line);
  }

  onSettings(): void {
    this.note("settings");
  }

  onGoaway(code: number): void {
    this.note(`goaway ${code}`);
  }

  onFault(fault: ConnectionFault): void {
    this.note(`fault ${fault.code} ${fault.message}`);
    this.end = { at: this.at, why: `${fault.code} ${fault.message}` };
  }
}

/** One stream's owner. Those of a side do more with what they are told. */
export abstract class NotedStream implements StreamOwner {
  stream: Http2Stream | undefined;
  message: ReadMessage | undefined;
  protected readonly notes: Notes;
  readonly #id: number;
  #sent = false;
  #closed = false;

  constructor(notes: Notes, id: number) {
    this.notes = notes;
    this.#id = id;
    notes.streams.set(id, this);
  }

  get isOpen(): boolean {
    return !this.#closed && !(this.#sent && this.stream?.received === true);
  }

  abstract onInterim(fields: FieldList): void;
  abstract onHead(fields: FieldList, endStream: boolean): void;
  protected abstract onWhole(message: ReadMessage): void;

  onData(piece: Uint8Array): void {
    const { notes, message } = this;
    this.check("data");
    if (piece.length === 0) notes.wrong ??= "an empty piece";
    if (message === undefined) notes.wrong ??= "data before a head";
    const text = Buffer.from(piece).toString("latin1");
    if (message !== undefined) message.body += text;
    // A frame's pieces, and frames that follow each other, are one.
    const before = notes.log.at(-1);
    const start = `data ${this.#id} `;
    if (before?.startsWith(start) === true) notes.log[notes.log.length - 1] = before + text;
    else notes.note(start + text);
  }

  onEnd(trailers: FieldList): void {
    const { notes, message } = this;
    this.check("the end");
    notes.note(`end ${this.#id} ${JSON.stringify(trailers)}`);
    if (message === undefined) notes.wrong ??= "an end before a head";
    else {
      message.trailers = trailers;
      this.onWhole(message);
    }
  }

  onSent(): void {
    this.#sent = true;
    this.notes.note(`sent ${this.#id}`);
  }

  onWritable(): void {
    this.notes.note(`writable ${this.#id}`);
  }

  onReset(why: StreamReset): void {
    if (this.#closed) this.notes.wrong ??= `stream ${this.#id} is reset twice`;
    this.notes.note(`reset ${this.#id} ${JSON.stringify(why)}`);
    this.leave();
  }

  /** Its stream is no more. */
  protected leave(): void {
    this.#closed = true;
  }

  protected check(what: string): void {
    if (!this.#closed && this.message?.trailers === undefined) return;
    this.notes.wrong ??= `${what} of stream ${this.#id} behind its end`;
  }
}
