// One request to a target and its response on a stream of an HTTP/2 client connection.
import { type ClientHttp2Stream, constants } from "node:http2";
import {
  type AbortCause,
  type ClientEvents,
  type ClientExchange,
  type FieldList,
  NO_FIELDS,
  type RequestHead,
} from "../exchange.ts";
import { checkHeadSize } from "../fields/head-size.ts";
import { NO_SAFE_FIELDS, type SafeFields } from "../fields/safe-fields.ts";
import { screenInterim, screenResponse } from "../fields/screen-response.ts";
import { screenTrailers } from "../fields/screen-trailers.ts";
import { endsAtHead } from "../h1/framing.ts";
import { badResponse, type HttpRefusal, RefusedError } from "../refusal.ts";
import type { Listed } from "../roster.ts";
import type { H2ClientConnection } from "./client-connection.ts";
import { cancelStream } from "./ending.ts";
import { fieldObject, readResponseHead, sizeOf } from "./heads.ts";
import { type BodySink, type BrokenBody, IncomingBody } from "./incoming-body.ts";
import { linkClientStream, type RequestOwner, unlinkStream } from "./stream-link.ts";

const { NGHTTP2_FLAG_END_STREAM, NGHTTP2_REFUSED_STREAM, NGHTTP2_PROTOCOL_ERROR } = constants;
const MAX_INTERIM_HEADS = 8;
const NOT_SET = Number.POSITIVE_INFINITY;

export class H2ClientExchange implements ClientExchange, BodySink, RequestOwner, Listed {
  place = -1;
  readonly #connection: H2ClientConnection;
  readonly #stream: ClientHttp2Stream;
  readonly #method: string;
  readonly #events: ClientEvents;
  readonly #body: IncomingBody;
  #requestEnded: boolean;
  #trailers: SafeFields = NO_SAFE_FIELDS;
  /** Bytes that the announced content-length still asks for; undefined: none was announced. */
  #left: number | undefined;
  #received = false;
  #answered = false;
  #interims = 0;
  /** Of the response's head, as they came. */
  #fields: FieldList = NO_FIELDS;
  #responseTrailers: FieldList = NO_FIELDS;
  #over = false;
  #idleSince = NOT_SET;
  #stalledSince = NOT_SET;

  /** @param requestEnded END_STREAM goes with the head */
  constructor(
    connection: H2ClientConnection,
    stream: ClientHttp2Stream,
    { method, body }: RequestHead,
    events: ClientEvents,
    requestEnded: boolean,
  ) {
    this.#connection = connection;
    this.#stream = stream;
    this.#method = method;
    this.#events = events;
    this.#requestEnded = requestEnded;
    this.#left = body.kind === "length" ? body.bytes : undefined;
    this.#body = new IncomingBody(stream, this, connection.watch.budget);
    linkClientStream(stream, this);
  }

  // ClientExchange.

  write(chunk: Uint8Array): boolean {
    if (this.#over || this.#requestEnded || chunk.length === 0) return true;
    if (this.#left !== undefined) {
      if (chunk.length > this.#left) throw new TypeError("a body longer than its content-length");
      this.#left -= chunk.length;
    }
    this.#connection.watch.budget.sent(chunk.length);
    if (this.#stream.write(chunk)) return true;
    // What was under way when the taker said stop may still come: one listener, and the time counts from the first.
    if (this.#stalledSince === NOT_SET) {
      this.#stalledSince = this.#connection.watch.now;
      this.#stream.once("drain", () => this.#guard(() => this.#onDrain()));
    }
    return false;
  }

  end(trailers: SafeFields): void {
    if (this.#over || this.#requestEnded) return;
    if (this.#left !== undefined && this.#left !== 0) {
      this.abort();
      return;
    }
    this.#requestEnded = true;
    this.#trailers = trailers;
    if (this.#stream.writableLength > 0) this.#stalledSince = this.#connection.watch.now;
    this.#stream.end();
  }

  abort(): void {
    if (this.#over) return;
    this.#leave();
    cancelStream(this.#stream);
  }

  pauseBody(): void {
    this.#idleSince = NOT_SET;
    this.#body.pause();
  }

  resumeBody(): void {
    if (this.#over || !this.#answered) return;
    this.#idleSince = this.#connection.watch.now;
    this.#body.resume();
  }

  // What the connection calls.

  /** node asks for trailers, where they were announced to it. */
  sendTrailers(): void {
    try {
      this.#stream.sendTrailers(fieldObject(this.#trailers));
    } catch {
      this.#fail({ kind: "peer-gone" });
    }
  }

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
    if (cause.kind === "peer-gone" && this.#body.ended) return;
    this.#fail(cause);
  }

  // RequestOwner: what the stream tells.

  streamTrailers(raw: FieldList): void {
    this.#responseTrailers = raw;
  }

  fault(error: unknown): void {
    this.#connection.fault(error);
  }

  streamInterim(raw: FieldList): void {
    if (this.#over) return;
    this.#received = true;
    this.#connection.watch.budget.head(sizeOf(raw));
    this.#interims += 1;
    if (this.#interims > MAX_INTERIM_HEADS) {
      this.#malformed(badResponse("too-many-interim"));
      return;
    }
    const head = this.#reading(() => readResponseHead(raw, false, this.#method));
    const fields =
      head === undefined ? undefined : this.#reading(() => screenInterim(head, this.#connection.options.rules));
    if (fields === undefined) return;
    if (head?.status === 100) this.#events.interim(100, NO_SAFE_FIELDS);
    else if (head?.status === 103) this.#events.interim(103, fields);
  }

  streamResponse(flags: number, raw: FieldList): void {
    if (this.#over) return;
    this.#received = true;
    this.#connection.watch.budget.head(sizeOf(raw));
    const endStream = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    const head = this.#reading(() => {
      const received = readResponseHead(raw, endStream, this.#method);
      this.#fields = received.fields;
      return screenResponse(received, this.#connection.options.rules);
    });
    if (head === undefined) return;
    this.#answered = true;
    this.#idleSince = this.#connection.watch.now;
    this.#events.head(head);
    if (this.#over) return;
    const { body, status } = head;
    this.#body.begin(endsAtHead(this.#method, status) ? 0 : body.kind === "length" ? body.bytes : undefined);
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

  // BodySink.

  data(chunk: Uint8Array): void {
    if (this.#idleSince !== NOT_SET) this.#idleSince = this.#connection.watch.now;
    try {
      this.#events.data(chunk);
    } catch (error) {
      this.fault(error);
    }
  }

  complete(): void {
    try {
      this.#onResponseEnd();
    } catch (error) {
      this.fault(error);
    }
  }

  broken(why: BrokenBody): void {
    this.#guard(() => this.#onBroken(why));
  }

  #onResponseEnd(): void {
    const raw = this.#responseTrailers;
    const trailers = this.#reading(() => {
      // They count into the head's limits.
      checkHeadSize(0, this.#fields, raw, badResponse);
      return screenTrailers(raw, this.#connection.options.rules);
    });
    if (trailers === undefined) return;
    const requestEnded = this.#requestEnded;
    this.#leave();
    // The rest of the request is not wanted.
    if (!requestEnded) cancelStream(this.#stream);
    this.#events.end(trailers);
  }

  #onBroken(why: BrokenBody): void {
    if (why === "truncated") this.#fail(this.#causeOfClose());
    else this.#malformed(badResponse(why));
  }

  streamClosed(): void {
    // A whole response that is not yet taken stays one, whatever became of the stream.
    if (!this.#body.ended) this.#fail(this.#causeOfClose());
  }

  #onDrain(): void {
    this.#stalledSince = NOT_SET;
    if (!this.#over && !this.#requestEnded) this.#events.writable();
  }

  /** What the other side's engine throws ends this connection. */
  #guard(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.fault(error);
    }
  }

  // Ends.

  #causeOfClose(): AbortCause {
    if (this.#stream.rstCode === NGHTTP2_PROTOCOL_ERROR || isProtocolError(this.#stream.errored)) {
      return { kind: "malformed", refusal: badResponse("http2-protocol") };
    }
    return { kind: "peer-gone" };
  }

  #malformed(refusal: HttpRefusal): void {
    this.#fail({ kind: "malformed", refusal });
  }

  #fail(cause: AbortCause): void {
    if (this.#over) return;
    const { id, rstCode } = this.#stream;
    const unprocessed =
      !this.#received &&
      (id === undefined || rstCode === NGHTTP2_REFUSED_STREAM || this.#connection.isBeyondGoaway(id));
    this.#leave();
    cancelStream(this.#stream);
    this.#events.failed({ cause, received: this.#received, unprocessed });
  }

  #leave(): void {
    this.#over = true;
    this.#idleSince = NOT_SET;
    this.#stalledSince = NOT_SET;
    this.#body.stop();
    unlinkStream(this.#stream);
    this.#connection.left(this);
  }
}

/** What node:http2 gives streams of a session that broke the protocol. */
function isProtocolError(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_HTTP2_ERROR";
}
