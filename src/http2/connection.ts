// A connection that speaks HTTP/2 (RFC 9113): what its frames mean, flow control, and how it ends; server.ts and client.ts say what a head means to
// them. It is given bytes and gives bytes; its owner has the socket and the time. What the peer may send for nothing is bounded
// (flood-budget.ts), and so is everything that is kept for it. Neither push, nor priorities, nor extended CONNECT.
import { ConnectionFault } from "./fault.ts";
import type { FieldList } from "./field-list.ts";
import { FloodBudget, type ResetAllowance } from "./flood-budget.ts";
import { writeGoaway, writeReset, writeSettings, writeSettingsAck, writeWindowUpdate } from "./frame-writer.ts";
import type { FieldFault } from "./hpack/decoder.ts";
import { HpackEncoder } from "./hpack/encoder.ts";
import { type FrameTarget, IncomingFrames, MAX_HEADER_LIST_BYTES } from "./incoming.ts";
import { trailersFault } from "./messages.ts";
import { Output } from "./output.ts";
import { PeerSettings } from "./peer-settings.ts";
import {
  DEFAULT_WINDOW_BYTES,
  FLOW_CONTROL_ERROR,
  MAX_WINDOW_BYTES,
  NO_ERROR,
  PROTOCOL_ERROR,
  SETTINGS_MAX_HEADER_LIST_SIZE,
  STREAM_CLOSED,
} from "./protocol.ts";
import { RecentIds } from "./recent-ids.ts";
import type { ByteSink } from "./sink.ts";
import type { Http2Stream } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";
import { WaitingStreams } from "./waiting-streams.ts";

/** How much of bodies is taken before the peer is told. */
const CREDIT_BYTES = 256 * 1024;
/** What may wait for a peer that does not read, before we stop reading what it sends. */
const MAX_BACKLOG_BYTES = 256 * 1024;
/** Bodies that the connection's window has room for: twice what it takes before it tells at least, and never more memory than this for one peer. */
const MIN_BODIES = 8;
const MAX_BODIES = 100;
/**
 * Beyond that, for bodies whose takers keep up: over a distance a stream carries no more than its window in a round trip. It is in the connection's
 * window from the start, so that a body that is large and then taken no more stops no other.
 */
const SPARE_BYTES = 1024 * 1024;
const RESETS_REMEMBERED = 128;
const ENDS_REMEMBERED = 16;

/** What a connection tells its owner. */
export interface ConnectionEvents {
  /** The peer's settings were taken. */
  onSettings(): void;
  /** The peer ends the connection; streams of ours that it has not processed were told. @param code NO_ERROR: others go on */
  onGoaway(code: number): void;
  /** The peer broke the protocol: GOAWAY is written, and nothing more is read. Streams that are still open are told next. */
  onFault(fault: ConnectionFault): void;
}

export abstract class Http2Connection implements FrameTarget {
  readonly output: Output;
  readonly encoder = new HpackEncoder();
  readonly budget: FloodBudget;
  /** How much we may send over the whole connection. */
  sendWindow = DEFAULT_WINDOW_BYTES;
  protected readonly peer = new PeerSettings();
  protected readonly streams = new StreamTable<Http2Stream>();
  protected readonly resets = new RecentIds(RESETS_REMEMBERED);
  protected readonly ended = new RecentIds(ENDS_REMEMBERED);
  readonly #events: ConnectionEvents;
  readonly #sink: ByteSink;
  readonly #incoming: IncomingFrames;
  readonly #isClient: boolean;
  /** The peer has read our settings. */
  protected acknowledged = false;
  #over = false;
  #saidLast = false;
  #reading = true;
  #receiveWindow: number;
  #uncredited = 0;
  #spare = SPARE_BYTES;
  readonly #waiting = new WaitingStreams();

  /**
   * @param maxStreams that are open at a time: bodies that nobody takes must not stop the others, so that there is room for one of each
   * @param settings of ours: identifier, value, identifier, value ...
   * @param resets streams of the peer that may end before their time
   */
  protected constructor(
    sink: ByteSink,
    events: ConnectionEvents,
    isClient: boolean,
    maxStreams: number,
    settings: readonly number[],
    resets?: ResetAllowance,
  ) {
    this.budget = new FloodBudget(resets);
    this.#sink = sink;
    this.#events = events;
    this.#isClient = isClient;
    this.#receiveWindow = Math.min(Math.max(maxStreams, MIN_BODIES), MAX_BODIES) * DEFAULT_WINDOW_BYTES + SPARE_BYTES;
    this.output = new Output(sink);
    this.#incoming = new IncomingFrames(this, isClient);
    this.begin();
    writeSettings(this.output, [...settings, SETTINGS_MAX_HEADER_LIST_SIZE, MAX_HEADER_LIST_BYTES]);
    writeWindowUpdate(this.output, 0, this.#receiveWindow - DEFAULT_WINDOW_BYTES);
  }

  /** GOAWAY came: streams of ours above the last were not processed. */
  protected abstract tellUnprocessed(lastStream: number): void;
  /** What goes out first. */
  protected abstract begin(): void;
  /** Streams that are open. */
  get active(): number {
    return this.streams.size;
  }

  /** Nothing is told or sent any more. */
  get over(): boolean {
    return this.#over;
  }

  /** Names what has begun to come and is not whole: a header block, or a frame; 0: nothing has. Bodies do not count. */
  get unfinished(): number {
    return this.#incoming.unfinished;
  }

  // What its owner calls.

  /** Bytes came. What its streams' owners throw comes out of it. */
  receive(chunk: Buffer): void {
    if (this.#over) return;
    try {
      this.#incoming.read(chunk);
      this.budget.checkResets();
    } catch (error) {
      if (!(error instanceof ConnectionFault)) throw error;
      this.#fail(error);
      return;
    }
    // Whoever does not read is not read: what it asks for costs memory here.
    if (this.output.backlog <= MAX_BACKLOG_BYTES || !this.#reading || this.#over) return;
    this.output.flush();
    if (this.#sink.writableLength <= MAX_BACKLOG_BYTES) return;
    this.#reading = false;
    this.#sink.pause();
  }

  /** The sink has drained. */
  drained(): void {
    if (this.#over) return;
    this.#waiting.pump(this);
    if (this.#reading) return;
    this.#reading = true;
    this.#sink.resume();
  }

  /** Time has passed: budgets fill again. @param elapsedMs since the last call */
  tick(elapsedMs: number): void {
    this.budget.refill(elapsedMs);
  }

  /**
   * Ends it: nothing more is told, and its streams are told nothing, but for what waits until its owner resumes it. What was collected is
   * written, and GOAWAY behind it.
   */
  stop(): void {
    if (this.#over) return;
    this.sayLast(NO_ERROR, "");
    this.#over = true;
    this.#incoming.stop();
    this.output.close();
  }

  /** Ends it as `stop` does, and every stream is told. */
  cut(): void {
    this.stop();
    this.#tellAll();
  }

  #tellAll(): void {
    for (const stream of this.streams.all()) stream.tellReset({ kind: "connection" });
  }

  /** Ends it because of the peer: GOAWAY, and every stream is told. */
  #fail(fault: ConnectionFault): void {
    if (this.#over) return;
    this.#saidLast = true;
    writeGoaway(this.output, this.lastStream, fault.code, fault.message);
    this.stop();
    this.#events.onFault(fault);
    this.#tellAll();
  }

  /** The GOAWAY behind which nothing new is taken; once. */
  protected sayLast(code: number, reason: string): void {
    if (this.#saidLast) return;
    this.#saidLast = true;
    writeGoaway(this.output, this.lastStream, code, reason);
  }

  /** The last stream of the peer that we have looked at. */
  protected abstract get lastStream(): number;

  // What its streams call.

  /** A stream waits to send, or to be told that it may. */
  list(stream: Http2Stream): void {
    this.#waiting.add(stream, this.streams.size);
  }

  /** Bytes of bodies were taken, or dropped. */
  credit(bytes: number): void {
    if (this.#over) return;
    this.#uncredited += bytes;
    if (this.#uncredited < CREDIT_BYTES) return;
    this.#receiveWindow += this.#uncredited;
    writeWindowUpdate(this.output, 0, this.#uncredited);
    this.#uncredited = 0;
  }

  /** A stream's body is taken as fast as it comes. @returns by how much its window may grow: `wanted` at most */
  lend(wanted: number): number {
    const lent = Math.min(wanted, this.#spare);
    this.#spare -= lent;
    return lent;
  }

  /** @param lent what a stream has no use for any more */
  giveBack(lent: number): void {
    this.#spare += lent;
  }

  /** A stream has ended. @param dropsBody what of it still comes is not wanted */
  forget(stream: Http2Stream, dropsBody: boolean): void {
    this.streams.delete(stream);
    this.#incoming.forget(stream);
    if (!dropsBody) {
      this.ended.add(stream.id);
      return;
    }
    this.resets.add(stream.id);
    if (!stream.received) this.budget.stopsBody(stream.windowBytes);
  }

  // FrameTarget.

  abstract isIdle(id: number): boolean;
  abstract headCame(id: number, fields: FieldList, endStream: boolean, fault: FieldFault | undefined): void;
  abstract pingAnswered(payload: Buffer): void;

  find(id: number): Http2Stream | undefined {
    return this.streams.get(id);
  }

  ignores(id: number): boolean {
    return this.resets.has(id);
  }

  takesWindow(bytes: number): boolean {
    this.#receiveWindow -= bytes;
    return this.#receiveWindow >= 0;
  }

  settingsCame(buffer: Buffer, start: number, end: number): void {
    const { peer } = this;
    const before = peer.initialWindowBytes;
    peer.read(buffer, start, end, this.#isClient);
    this.encoder.setPeerTableBytes(peer.headerTableBytes);
    // Before what the new windows let out.
    writeSettingsAck(this.output);
    if (peer.initialWindowBytes !== before) this.#shiftWindows(peer.initialWindowBytes - before);
    this.#events.onSettings();
    if (peer.initialWindowBytes > before) this.#waiting.pump(this);
  }

  settingsAcknowledged(): void {
    this.acknowledged = true;
  }

  goawayCame(lastStream: number, code: number): void {
    this.tellUnprocessed(lastStream);
    this.#events.onGoaway(code);
  }

  windowGrew(bytes: number): void {
    this.sendWindow += bytes;
    if (this.sendWindow > MAX_WINDOW_BYTES) throw new ConnectionFault(FLOW_CONTROL_ERROR, "a window beyond 2^31-1");
    this.#waiting.pump(this);
  }

  streamWindowGrew(stream: Http2Stream, bytes: number): void {
    stream.sendWindow += bytes;
    if (stream.sendWindow > MAX_WINDOW_BYTES) {
      this.breakStream(stream, FLOW_CONTROL_ERROR, "a window beyond 2^31-1");
      return;
    }
    // It alone has gained; it may be in the list of those that wait, and stay there.
    while (stream.queued > 0 && !this.#over && stream.pump());
  }

  /** Trailers of a stream that is open. */
  protected trailersCame(
    stream: Http2Stream,
    fields: FieldList,
    endStream: boolean,
    fault: FieldFault | undefined,
  ): void {
    if (stream.received) this.breakStream(stream, STREAM_CLOSED, "HEADERS behind END_STREAM");
    else if (!endStream) this.breakStream(stream, PROTOCOL_ERROR, "trailers without END_STREAM");
    else {
      const reason = fault ?? trailersFault(fields);
      if (reason === undefined) stream.receiveEnd(fields);
      else this.breakStream(stream, PROTOCOL_ERROR, reason);
    }
  }

  /** What the first window has changed by changes every stream's (section 6.9.2). */
  #shiftWindows(by: number): void {
    for (const stream of this.streams.all()) {
      stream.sendWindow += by;
      if (stream.sendWindow > MAX_WINDOW_BYTES) throw new ConnectionFault(FLOW_CONTROL_ERROR, "a window beyond 2^31-1");
    }
  }

  // Ends of streams.

  /** The peer broke the protocol on a stream. @param reason latin1, plain words */
  breakStream(stream: Http2Stream, code: number, reason: string): void {
    this.budget.reset();
    writeReset(this.output, stream.id, code);
    stream.tellReset({ kind: "malformed", reason });
  }

  /** The same on one that is not open. */
  resetUnknown(id: number, code: number): void {
    this.budget.reset();
    writeReset(this.output, id, code);
    this.resets.add(id);
  }
}
