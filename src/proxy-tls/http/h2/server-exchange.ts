// One request and its response on a stream of an HTTP/2 server connection.
import {
  type FieldList,
  type Http2Stream,
  INTERNAL_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  type StreamOwner,
  type StreamReset,
} from "../../../http2/index.ts";
import type { AbortCause, RequestHead, ResponseHead, ServerEvents, ServerExchange } from "../exchange.ts";
import { NO_SAFE_FIELDS, type SafeFields } from "../fields/safe-fields.ts";
import { endsAtHead } from "../h1/framing.ts";
import type { RawRequestHead } from "../raw-head.ts";
import { BODY_IDLE, badRequest, type HttpRefusal, RefusedError } from "../refusal.ts";
import type { Listed } from "../roster.ts";
import { readRequestTrailers, writeInterimList, writeResponseList } from "./heads.ts";
import { writeRefusal } from "./refused-stream.ts";
import type { H2ServerConnection } from "./server-connection.ts";

const NOT_SET = Number.POSITIVE_INFINITY;

export class H2ServerExchange implements ServerExchange, StreamOwner, Listed {
  place = -1;
  readonly request: RequestHead;
  readonly #connection: H2ServerConnection;
  readonly #stream: Http2Stream;
  #events: ServerEvents | undefined;
  #requestEnded: boolean;
  /** As it came: trailers count into its limits. */
  readonly #head: RawRequestHead;
  /** Of the request's body. */
  #received = 0;
  #continued = false;
  #responded = false;
  #responseEnded = false;
  #takesTrailers = false;
  /** Bytes that the announced content-length still asks for; undefined: none was announced. */
  #left: number | undefined;
  /** Nothing is told or done any more. */
  #over = false;
  /** Since when the next piece of the request is awaited, and since when the client takes nothing. */
  #idleSince = NOT_SET;
  #stalledSince = NOT_SET;

  constructor(connection: H2ServerConnection, stream: Http2Stream, request: RequestHead, head: RawRequestHead) {
    this.#requestEnded = stream.received;
    this.#connection = connection;
    this.#stream = stream;
    this.request = request;
    this.#head = head;
    stream.owner = this;
  }

  /** Starts telling, when the handler has taken the request. */
  begin(events: ServerEvents): void {
    if (this.#over) return;
    this.#events = events;
    if (!this.#requestEnded && !this.#stream.paused) this.#idleSince = this.#connection.sweep.now;
  }

  // ServerExchange.

  pauseBody(): void {
    this.#idleSince = NOT_SET;
    this.#stream.pause();
  }

  resumeBody(): void {
    if (this.#over || this.#requestEnded || this.#responseEnded) return;
    this.#idleSince = this.#connection.sweep.now;
    this.#stream.resume();
  }

  interim(status: 100 | 103, fields: SafeFields): void {
    if (this.#over || this.#responded) return;
    if (status === 100) {
      // The first byte of the request's body has come: nobody waits any more.
      if (!this.request.expectsContinue || this.#continued || this.#received > 0) return;
      this.#continued = true;
    }
    this.#stream.sendHead(writeInterimList(status, fields), false);
  }

  respond(head: ResponseHead): void {
    if (this.#over || this.#responded) return;
    this.#responded = true;
    const { method, acceptsTrailers } = this.request;
    const { body, status } = head;
    const withBody =
      !endsAtHead(method, status) && body.kind !== "none" && !(body.kind === "length" && body.bytes === 0);
    this.#left = body.kind === "length" && withBody ? body.bytes : withBody ? undefined : 0;
    this.#takesTrailers = withBody && acceptsTrailers && body.kind === "open";
    // END_STREAM is set by `end`, while the frame is still here.
    this.#stream.sendHead(writeResponseList(head), false);
  }

  write(chunk: Uint8Array): boolean {
    if (this.#over || this.#responseEnded || chunk.length === 0) return true;
    if (this.#left !== undefined) {
      if (chunk.length > this.#left) {
        this.abort();
        return true;
      }
      this.#left -= chunk.length;
    }
    if (this.#idleSince !== NOT_SET) this.#idleSince = this.#connection.sweep.now;
    if (this.#stream.write(chunk)) return true;
    // What was under way when the taker said stop may still come: the time counts from the first.
    if (this.#stalledSince === NOT_SET) this.#stalledSince = this.#connection.sweep.now;
    return false;
  }

  end(trailers: SafeFields): void {
    if (this.#over || this.#responseEnded) return;
    // A body that is not as long as announced is never a complete one, whoever miscounted.
    if (!this.#responded || (this.#left !== undefined && this.#left !== 0)) {
      this.abort();
      return;
    }
    this.#finish();
    this.#stream.end(this.#takesTrailers ? trailers : NO_SAFE_FIELDS);
  }

  abort(): void {
    if (this.#over) return;
    this.#stream.reset(INTERNAL_ERROR);
    this.#leave();
  }

  refuse(refusal: HttpRefusal, fields: SafeFields): void {
    if (this.#over) return;
    if (this.#responded) {
      this.abort();
      return;
    }
    // The request is over; the stream lives until the answer is out.
    this.#responded = true;
    this.#events = undefined;
    this.#finish();
    writeRefusal(this.#stream, refusal, this.request.method, fields);
  }

  // What the connection calls.

  checkDeadlines(now: number): void {
    const { bodyIdleMs, streamIdleMs, writeStallMs } = this.#connection.options.timeouts;
    const idleMs = this.#responded ? streamIdleMs : bodyIdleMs;
    if (idleMs > 0 && now - this.#idleSince > idleMs) {
      const events = this.#events;
      this.refuse(BODY_IDLE, NO_SAFE_FIELDS);
      events?.aborted({ kind: "timeout", deadline: "body-idle" });
    } else if (writeStallMs > 0 && now - this.#stalledSince > writeStallMs) {
      this.#fail({ kind: "timeout", deadline: "write-stall" });
    }
  }

  /** The connection ends. */
  cut(cause: AbortCause): void {
    this.#fail(cause);
  }

  // StreamOwner.

  onInterim(): void {}

  onHead(): void {}

  onData(piece: Uint8Array): void {
    this.#received += piece.length;
    const { body } = this.request;
    if (body.kind === "length" && this.#received > body.bytes) {
      this.#malformed(badRequest("body-longer-than-length"));
      return;
    }
    if (this.#idleSince !== NOT_SET) this.#idleSince = this.#connection.sweep.now;
    this.#events?.data(piece);
  }

  onEnd(raw: FieldList): void {
    if (this.#over) return;
    this.#idleSince = NOT_SET;
    this.#requestEnded = true;
    const { body } = this.request;
    if (body.kind === "length" && this.#received !== body.bytes) {
      this.#malformed(badRequest("body-shorter-than-length"));
      return;
    }
    let trailers: SafeFields;
    try {
      trailers = readRequestTrailers(this.#head, raw, this.#connection.options.rules());
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      const events = this.#events;
      this.refuse(error.refusal, NO_SAFE_FIELDS);
      events?.aborted({ kind: "malformed", refusal: error.refusal });
      return;
    }
    this.#events?.end(trailers);
  }

  onWritable(): void {
    this.#stalledSince = NOT_SET;
    this.#events?.writable();
  }

  /** Behind an early response the client is told to stop (RFC 9113 section 8.1). */
  onSent(): void {
    this.#stream.reset(NO_ERROR);
    this.#leave();
  }

  onReset(why: StreamReset): void {
    this.#fail(
      why.kind === "malformed" ? { kind: "malformed", refusal: badRequest("http2-protocol") } : { kind: "peer-gone" },
    );
  }

  // Ends.

  /** Nothing more is written. What the request still brings is dropped when the answer is out. */
  #finish(): void {
    this.#responseEnded = true;
    this.#idleSince = NOT_SET;
    this.#stalledSince = this.#connection.sweep.now;
    if (!this.#requestEnded) this.#stream.pause();
  }

  /** The body is not what the head said: a stream error (RFC 9113 section 8.1.1). */
  #malformed(refusal: HttpRefusal): void {
    const events = this.#events;
    this.#stream.reset(PROTOCOL_ERROR);
    this.#leave();
    events?.aborted({ kind: "malformed", refusal });
  }

  #fail(cause: AbortCause): void {
    if (this.#over) return;
    const events = this.#events;
    this.abort();
    events?.aborted(cause);
  }

  #leave(): void {
    if (this.#over) return;
    this.#over = true;
    this.#idleSince = NOT_SET;
    this.#stalledSince = NOT_SET;
    this.#events = undefined;
    this.#connection.left(this);
  }
}
