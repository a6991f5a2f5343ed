// The client's side of a connection: the streams that it opens, and what their answers are.
import { type ConnectionEvents, Http2Connection } from "./connection.ts";
import { ConnectionFault } from "./fault.ts";
import type { FieldList } from "./field-list.ts";
import { HEAD_CHARGE } from "./flood-budget.ts";
import type { FieldFault } from "./hpack/decoder.ts";
import { isInterim, responseFault } from "./messages.ts";
import {
  MAX_STREAM_ID,
  NO_ERROR,
  PREFACE,
  PROTOCOL_ERROR,
  SETTINGS_ENABLE_PUSH,
  SETTINGS_MAX_CONCURRENT_STREAMS,
  STREAM_CLOSED,
} from "./protocol.ts";
import type { ByteSink } from "./sink.ts";
import { Http2Stream, type StreamOwner } from "./stream.ts";

export class Http2Client extends Http2Connection {
  readonly #maxStreams: number;
  #next = 1;
  #farewell = false;

  /** @param maxStreams that are opened at a time, whatever the server allows */
  constructor(sink: ByteSink, events: ConnectionEvents, maxStreams: number) {
    // A server opens no streams: push is refused.
    super(sink, events, true, maxStreams, [SETTINGS_ENABLE_PUSH, 0, SETTINGS_MAX_CONCURRENT_STREAMS, 0]);
    this.#maxStreams = maxStreams;
  }

  /** Streams that can be opened now. */
  get capacity(): number {
    if (this.over || this.#farewell || this.#next > MAX_STREAM_ID) return 0;
    return Math.max(0, Math.min(this.peer.maxConcurrentStreams, this.#maxStreams) - this.streams.size);
  }

  /**
   * Opens a stream with a request's head. To be called with capacity only.
   * @param endStream nothing follows it
   */
  request(fields: FieldList, endStream: boolean, owner: StreamOwner): Http2Stream {
    const stream = new Http2Stream(this, this.#next, this.peer.initialWindowBytes, false);
    this.#next += 2;
    stream.owner = owner;
    this.streams.add(stream);
    stream.sendHead(fields, endStream);
    return stream;
  }

  /** No more streams; the server is told. */
  drain(): void {
    if (this.#farewell || this.over) return;
    this.#farewell = true;
    this.sayLast(NO_ERROR, "");
  }

  protected override begin(): void {
    this.output.add(PREFACE);
  }

  protected override get lastStream(): number {
    return 0;
  }

  override pingAnswered(): void {}

  protected override tellUnprocessed(lastStream: number): void {
    this.#farewell = true;
    for (const stream of this.streams.all()) {
      if (stream.id > lastStream) stream.tellReset({ kind: "unprocessed" });
    }
  }

  override isIdle(id: number): boolean {
    return id % 2 === 0 || id >= this.#next;
  }

  /** We cancel as many streams as our own callers leave: their number within a round trip is not bounded, and no list would hold them. */
  override ignores(id: number): boolean {
    return super.ignores(id) || !this.ended.has(id);
  }

  override headCame(id: number, fields: FieldList, endStream: boolean, fault: FieldFault | undefined): void {
    if (this.isIdle(id)) throw new ConnectionFault(PROTOCOL_ERROR, "HEADERS on a stream that was never opened");
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (!this.ignores(id)) throw new ConnectionFault(STREAM_CLOSED, "HEADERS on a stream that has ended");
      this.budget.unwanted(HEAD_CHARGE);
      return;
    }
    if (stream.answered || stream.received) {
      this.trailersCame(stream, fields, endStream, fault);
      return;
    }
    const reason = fault ?? responseFault(fields);
    if (reason !== undefined) this.breakStream(stream, PROTOCOL_ERROR, reason);
    else if (!isInterim(fields)) {
      stream.answered = true;
      stream.owner?.onHead(fields, endStream);
      if (endStream) stream.receiveEnd([]);
    } else if (endStream) this.breakStream(stream, PROTOCOL_ERROR, "an interim response with END_STREAM");
    else stream.owner?.onInterim(fields);
  }
}
