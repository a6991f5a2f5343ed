// One request to a target and its response on a stream of an HTTP/2 client connection.
import {
  CANCEL,
  type FieldList,
  type Http2Client,
  type Http2Stream,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  type StreamOwner,
  type StreamReset,
} from "../../../http2/index.ts";
import { type AbortCause, type ClientEvents, type ClientExchange, NO_FIELDS, type RequestHead } from "../exchange.ts";
import { checkHeadSize } from "../fields/head-size.ts";
import { NO_SAFE_FIELDS, type SafeFields } from "../fields/safe-fields.ts";
import { screenInterim, screenResponse } from "../fields/screen-response.ts";
import { screenTrailers } from "../fields/screen-trailers.ts";
import { endsAtHead } from "../h1/framing.ts";
import { badResponse, type HttpRefusal, RefusedError } from "../refusal.ts";
import type { Listed } from "../roster.ts";
import type { H2ClientConnection } from "./client-connection.ts";
import { readResponseHead, writeRequestList } from "./heads.ts";

const MAX_INTERIM_HEADS = 8;
const NOT_SET = Number.POSITIVE_INFINITY;
const UNKNOWN = -1;

export class H2ClientExchange implements ClientExchange, StreamOwner, Listed {
  place = -1;
  readonly #connection: H2ClientConnection;
  readonly #head: RequestHead;
  readonly #events: ClientEvents;
  #stream: Http2Stream | undefined;
  #requestEnded = false;
  /** Bytes that the announced content-length still asks for; undefined: none was announced. */
  #left: number | undefined;
  #received = false;
  #answered = false;
  #interims = 0;
  /** Of the response's head, as they came. */
  #fields: FieldList = NO_FIELDS;
  /** Bytes of the response's body that were announced, and that came. */
  #expected = UNKNOWN;
  #bytes = 0;
  #over = false;
  #idleSince = NOT_SET;
  #stalledSince = NOT_SET;

  constructor(connection: H2ClientConnection, head: RequestHead, events: ClientEvents) {
    this.#connection = connection;
    this.#head = head;
    this.#events = events;
  }

  /** Sends the head. */
  begin(http2: Http2Client): void {
    const { body } = this.#head;
    this.#requestEnded = body.kind === "none" || (body.kind === "length" && body.bytes === 0);
    this.#left = body.kind === "length" ? body.bytes : undefined;
    const list = writeRequestList(this.#head, this.#connection.options.scheme);
    this.#stream = http2.request(list, this.#requestEnded, this);
  }

  // ClientExchange.

  write(chunk: Uint8Array): boolean {
    if (this.#over || this.#requestEnded || chunk.length === 0) return true;
    if (this.#left !== undefined) {
      if (chunk.length > this.#left) throw new TypeError("a body longer than its content-length");
      this.#left -= chunk.length;
    }
    if (this.#stream?.write(chunk) !== false) return true;
    // What was under way when the taker said stop may still come: the time counts from the first.
    if (this.#stalledSince === NOT_SET) this.#stalledSince = this.#connection.sweep.now;
    return false;
  }

  end(trailers: SafeFields): void {
    if (this.#over || this.#requestEnded) return;
    if (this.#left !== undefined && this.#left !== 0) {
      this.abort();
      return;
    }
    this.#requestEnded = true;
    this.#stalledSince = this.#connection.sweep.now;
    const takesTrailers = this.#connection.options.requestTrailers && this.#head.body.kind === "open";
    this.#stream?.end(takesTrailers ? trailers : NO_SAFE_FIELDS);
  }

  abort(): void {
    if (this.#over) return;
    this.#stream?.reset(CANCEL);
    this.#leave();
  }

  pauseBody(): void {
    this.#idleSince = NOT_SET;
    this.#stream?.pause();
  }

  resumeBody(): void {
    if (this.#over || !this.#answered) return;
    this.#idleSince = this.#connection.sweep.now;
    this.#stream?.resume();
  }

  // What the connection calls.

  checkDeadlines(now: number): void {
    const { streamIdleMs, writeStallMs } = this.#connection.options.timeouts;
    if (streamIdleMs > 0 && now - this.#idleSince > streamIdleMs)
      this.#fail({ kind: "timeout", deadline: "body-idle" });
    else if (writeStallMs > 0 && now - this.#stalledSince > writeStallMs) {
      this.#fail({ kind: "timeout", deadline: "write-stall" });
    }
  }

  /** The connection ends. */
  cut(cause: AbortCause): void {
    // Whole, and not yet taken.
    if (cause.kind === "peer-gone" && this.#stream?.received === true) return;
    this.#fail(cause);
  }

  // StreamOwner.

  onInterim(raw: FieldList): void {
    this.#received = true;
    this.#interims += 1;
    if (this.#interims > MAX_INTERIM_HEADS) {
      this.#malformed(badResponse("too-many-interim"));
      return;
    }
    const head = this.#reading(() => readResponseHead(raw, false, this.#head.method));
    const fields =
      head === undefined ? undefined : this.#reading(() => screenInterim(head, this.#connection.options.rules));
    if (fields === undefined) return;
    if (head?.status === 100) this.#events.interim(100, NO_SAFE_FIELDS);
    else if (head?.status === 103) this.#events.interim(103, fields);
  }

  onHead(raw: FieldList, endStream: boolean): void {
    this.#received = true;
    const { method } = this.#head;
    const head = this.#reading(() => {
      const received = readResponseHead(raw, endStream, method);
      this.#fields = received.fields;
      return screenResponse(received, this.#connection.options.rules);
    });
    if (head === undefined) return;
    const { body, status } = head;
    if (endsAtHead(method, status)) this.#expected = 0;
    else if (body.kind === "length") this.#expected = body.bytes;
    this.#answered = true;
    this.#idleSince = this.#connection.sweep.now;
    this.#events.head(head);
  }

  onData(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#expected !== UNKNOWN && this.#bytes > this.#expected) {
      this.#malformed(badResponse("body-longer-than-length"));
      return;
    }
    if (this.#idleSince !== NOT_SET) this.#idleSince = this.#connection.sweep.now;
    this.#events.data(piece);
  }

  onEnd(raw: FieldList): void {
    if (this.#expected !== UNKNOWN && this.#bytes !== this.#expected) {
      this.#malformed(badResponse("body-shorter-than-length"));
      return;
    }
    const trailers = raw.length === 0 ? NO_SAFE_FIELDS : this.#reading(() => this.#readTrailers(raw));
    if (trailers === undefined) return;
    // Where the rest of the request is not wanted.
    this.#stream?.reset(CANCEL);
    this.#leave();
    this.#events.end(trailers);
  }

  onWritable(): void {
    this.#stalledSince = NOT_SET;
    this.#events.writable();
  }

  onSent(): void {
    this.#stalledSince = NOT_SET;
  }

  onReset(why: StreamReset): void {
    // A whole response that is not yet taken stays one, whatever became of the stream.
    if (this.#stream?.received === true) return;
    if (why.kind === "malformed") {
      // It has answered, if badly: nobody may ask again.
      this.#received = true;
      this.#malformed(badResponse("http2-protocol"));
    } else {
      const unprocessed = why.kind === "unprocessed" || (why.kind === "peer" && why.code === REFUSED_STREAM);
      this.#fail({ kind: "peer-gone" }, unprocessed);
    }
  }

  #readTrailers(raw: FieldList): SafeFields {
    // They count into the head's limits.
    checkHeadSize(0, this.#fields, raw, badResponse);
    return screenTrailers(raw, this.#connection.options.rules);
  }

  /** What the screens refuse ends the exchange. */
  #reading<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.#malformed(error.refusal);
      return undefined;
    }
  }

  // Ends.

  #malformed(refusal: HttpRefusal): void {
    if (this.#over) return;
    this.#stream?.reset(PROTOCOL_ERROR);
    this.#leave();
    this.#events.failed({ cause: { kind: "malformed", refusal }, received: this.#received, unprocessed: false });
  }

  #fail(cause: AbortCause, refused = false): void {
    if (this.#over) return;
    const unprocessed = refused && !this.#received;
    this.#stream?.reset(CANCEL);
    this.#leave();
    this.#events.failed({ cause, received: this.#received, unprocessed });
  }

  #leave(): void {
    this.#over = true;
    this.#idleSince = NOT_SET;
    this.#stalledSince = NOT_SET;
    this.#connection.left(this);
  }
}
