// The server's side of a connection: new streams, what is refused before anybody is told, and the two steps of its farewell.
//
//   open -> announced (GOAWAY that refuses nothing, and a PING) -> final (GOAWAY with the last stream; newer ones are ignored)
import { type ConnectionEvents, Http2Connection } from "./connection.ts";
import { ConnectionFault } from "./fault.ts";
import type { FieldList } from "./field-list.ts";
import { HEAD_CHARGE, type ResetAllowance } from "./flood-budget.ts";
import { writeGoaway, writePing, writeReset } from "./frame-writer.ts";
import type { FieldFault } from "./hpack/decoder.ts";
import { requestFault } from "./messages.ts";
import {
  MAX_STREAM_ID,
  NO_ERROR,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  SETTINGS_MAX_CONCURRENT_STREAMS,
  STREAM_CLOSED,
} from "./protocol.ts";
import type { ByteSink } from "./sink.ts";
import { Http2Stream } from "./stream.ts";

/** How long the client may take to answer the farewell's PING. */
const FAREWELL_MS = 1_000;
const FAREWELL_PING = Buffer.from("farewell", "latin1");
const ALIVE_PING = Buffer.from("alive???", "latin1");

export interface ServerEvents extends ConnectionEvents {
  /** A request's head, well formed. Whoever takes it sets the stream's owner before this returns; else it is to be reset. */
  onRequest(stream: Http2Stream, fields: FieldList, endStream: boolean): void;
  /** A request's head that has more fields or bytes than were allowed. To be answered, or reset. */
  onTooLarge(stream: Http2Stream): void;
  /** A request that was malformed, and was reset. @param reason plain words */
  onMalformed(reason: string): void;
}

export class Http2Server extends Http2Connection {
  readonly #events: ServerEvents;
  readonly #maxStreams: number;
  /** The last stream that came, and the last that we looked at: behind the farewell no other. */
  #lastCame = 0;
  #lastStream = 0;
  #farewell: "none" | "announced" | "final" = "none";
  #farewellMs = 0;

  /**
   * @param maxStreams that the client may have open
   * @param resets of them that may end before their time
   */
  constructor(sink: ByteSink, events: ServerEvents, maxStreams: number, resets?: ResetAllowance) {
    super(sink, events, false, maxStreams, [SETTINGS_MAX_CONCURRENT_STREAMS, maxStreams], resets);
    this.#events = events;
    this.#maxStreams = maxStreams;
  }

  /** The client knows which streams are served: none comes any more. */
  get saidFarewell(): boolean {
    return this.#farewell === "final";
  }

  /**
   * No new streams. The first GOAWAY announces it and refuses none, so that what is under way is served (section 6.8); the one behind the
   * client's answer to a PING, or behind a second, names the last stream.
   */
  drain(): void {
    if (this.#farewell !== "none" || this.over) return;
    this.#farewell = "announced";
    writeGoaway(this.output, MAX_STREAM_ID, NO_ERROR, "");
    writePing(this.output, 0, FAREWELL_PING);
  }

  /** Asks for a sign of life: whoever reads answers at once. */
  ping(): void {
    if (!this.over) writePing(this.output, 0, ALIVE_PING);
  }

  override tick(elapsedMs: number): void {
    super.tick(elapsedMs);
    if (this.#farewell !== "announced") return;
    this.#farewellMs += elapsedMs;
    if (this.#farewellMs >= FAREWELL_MS) this.#sayFarewell();
  }

  protected override get lastStream(): number {
    return this.#lastStream;
  }

  protected override begin(): void {}

  override pingAnswered(payload: Buffer): void {
    if (this.#farewell === "announced" && payload.equals(FAREWELL_PING)) this.#sayFarewell();
  }

  protected override tellUnprocessed(): void {}

  override isIdle(id: number): boolean {
    return id % 2 === 0 || id > this.#lastCame;
  }

  /** Behind the farewell, all that is newer than its last stream. */
  override ignores(id: number): boolean {
    return super.ignores(id) || (this.#farewell === "final" && id > this.#lastStream);
  }

  override headCame(id: number, fields: FieldList, endStream: boolean, fault: FieldFault | undefined): void {
    const open = this.streams.get(id);
    if (open !== undefined) this.trailersCame(open, fields, endStream, fault);
    else if (id % 2 === 0) throw new ConnectionFault(PROTOCOL_ERROR, "a client's stream of an even number");
    else if (id > this.#lastCame) this.#opened(id, fields, endStream, fault);
    else if (!this.ignores(id)) {
      const code = this.ended.has(id) ? STREAM_CLOSED : PROTOCOL_ERROR;
      throw new ConnectionFault(code, "HEADERS on a stream that has ended");
    } else this.budget.unwanted(HEAD_CHARGE);
  }

  #opened(id: number, fields: FieldList, endStream: boolean, fault: FieldFault | undefined): void {
    this.#lastCame = id;
    if (this.#farewell === "final") {
      // Under way when the client had not yet read which was the last: it knows that it was not processed.
      this.budget.charge(HEAD_CHARGE);
      if (!endStream) this.budget.stopsBody();
      return;
    }
    this.#lastStream = id;
    if (this.streams.size >= this.#maxStreams) {
      // A client that has not read our settings may well open more at once.
      if (this.acknowledged) this.budget.reset();
      else this.budget.charge(HEAD_CHARGE);
      this.#refuse(id, REFUSED_STREAM, endStream);
      return;
    }
    const reason = fault === "list-too-large" ? undefined : (fault ?? requestFault(fields));
    if (reason !== undefined) {
      this.budget.reset();
      this.#refuse(id, PROTOCOL_ERROR, endStream);
      this.#events.onMalformed(reason);
      return;
    }
    const stream = new Http2Stream(this, id, this.peer.initialWindowBytes, endStream);
    this.streams.add(stream);
    if (fault === undefined) this.#events.onRequest(stream, fields, endStream);
    else this.#events.onTooLarge(stream);
    stream.start();
  }

  #refuse(id: number, code: number, endStream: boolean): void {
    writeReset(this.output, id, code);
    this.resets.add(id);
    if (!endStream) this.budget.stopsBody();
  }

  #sayFarewell(): void {
    this.#farewell = "final";
    this.sayLast(NO_ERROR, "");
  }
}
