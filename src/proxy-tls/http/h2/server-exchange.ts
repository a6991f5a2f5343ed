// One request and its response on a stream of an HTTP/2 server connection.
import type { ServerHttp2Stream } from "node:http2";
import {
  type AbortCause,
  type FieldList,
  NO_FIELDS,
  type RequestHead,
  type ResponseHead,
  type ServerEvents,
  type ServerExchange,
} from "../exchange.ts";
import { NO_SAFE_FIELDS, type SafeFields } from "../fields/safe-fields.ts";
import { endsAtHead } from "../h1/framing.ts";
import type { RawRequestHead } from "../raw-head.ts";
import { BODY_IDLE, badRequest, type HttpRefusal, RefusedError } from "../refusal.ts";
import type { Listed } from "../roster.ts";
import { abortStream, closeEndedStream } from "./ending.ts";
import { fieldObject, readRequestTrailers, writeResponseList } from "./heads.ts";
import { type BodySink, type BrokenBody, IncomingBody } from "./incoming-body.ts";
import { refuseStream, WITH_BODY, WITH_TRAILERS, WITHOUT_BODY } from "./refuse-stream.ts";
import type { H2ServerConnection } from "./server-connection.ts";
import { linkServerStream, type StreamOwner, unlinkStream } from "./stream-link.ts";

const NOT_SET = Number.POSITIVE_INFINITY;

export class H2ServerExchange implements ServerExchange, BodySink, StreamOwner, Listed {
  place = -1;
  readonly request: RequestHead;
  readonly #connection: H2ServerConnection;
  readonly #stream: ServerHttp2Stream;
  /** Undefined: nothing followed the head. */
  readonly #body: IncomingBody | undefined;
  #events: ServerEvents | undefined;
  #requestEnded: boolean;
  /** As it came: trailers count into its limits. */
  readonly #head: RawRequestHead;
  #requestTrailers: FieldList = NO_FIELDS;
  #continued = false;
  /** The first byte of the request's body has come: nobody waits for 100 any more. */
  #bodyBegun = false;
  #responded = false;
  #responseEnded = false;
  #waitsForTrailers = false;
  #trailers: SafeFields = NO_SAFE_FIELDS;
  /** Bytes that the announced content-length still asks for; undefined: none was announced. */
  #left: number | undefined;
  /** Nothing is told or done any more. */
  #over = false;
  /** Since when the next piece of the request is awaited, and since when the client takes nothing. */
  #idleSince = NOT_SET;
  #stalledSince = NOT_SET;

  constructor(
    connection: H2ServerConnection,
    stream: ServerHttp2Stream,
    request: RequestHead,
    head: RawRequestHead,
    endStream: boolean,
  ) {
    this.#connection = connection;
    this.#stream = stream;
    this.request = request;
    this.#requestEnded = endStream;
    this.#head = head;
    linkServerStream(stream, this, !endStream);
    if (!endStream) this.#body = new IncomingBody(stream, this, connection.watch.budget);
  }

  /** Starts telling, when the handler has taken the request. */
  begin(events: ServerEvents): void {
    this.#events = events;
    const { body } = this.request;
    if (this.#body === undefined) {
      // So that node tells the end: as resume() does, without its tick.
      this.#stream.read(0);
      if (!this.#over) events.end(NO_SAFE_FIELDS);
      return;
    }
    if (!this.#over && !this.#body.paused) this.#idleSince = this.#connection.watch.now;
    this.#body.takeEarlier();
    this.#body.begin(body.kind === "length" ? body.bytes : undefined);
  }

  // ServerExchange.

  pauseBody(): void {
    this.#idleSince = NOT_SET;
    this.#body?.pause();
  }

  resumeBody(): void {
    if (this.#over || this.#body === undefined || this.#requestEnded) return;
    this.#idleSince = this.#connection.watch.now;
    this.#body.resume();
  }

  interim(status: 100 | 103, fields: SafeFields): void {
    if (this.#over || this.#responded) return;
    if (status === 100) {
      if (!this.request.expectsContinue || this.#continued || this.#bodyBegun) return;
      this.#continued = true;
    }
    this.#attempt(() => this.#stream.additionalHeaders({ ...fieldObject(fields), ":status": status }));
  }

  respond(head: ResponseHead): void {
    if (this.#over || this.#responded) return;
    this.#responded = true;
    const { method, acceptsTrailers } = this.request;
    const { body, status } = head;
    const withBody =
      !endsAtHead(method, status) && body.kind !== "none" && !(body.kind === "length" && body.bytes === 0);
    this.#left = body.kind === "length" && withBody ? body.bytes : withBody ? undefined : 0;
    this.#waitsForTrailers = withBody && acceptsTrailers && body.kind === "open";
    const stream = this.#stream;
    if (this.#waitsForTrailers) stream.once("wantTrailers", () => this.#sendTrailers());
    const list = writeResponseList(head);
    const options = !withBody ? WITHOUT_BODY : this.#waitsForTrailers ? WITH_TRAILERS : WITH_BODY;
    this.#attempt(() => stream.respond(list, options));
    // node keeps the list with the stream.
    list.length = 0;
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
    this.#connection.watch.budget.sent(chunk.length);
    if (this.#idleSince !== NOT_SET) this.#idleSince = this.#connection.watch.now;
    if (this.#stream.write(chunk)) return true;
    // What was under way when the taker said stop may still come: one listener, and the time counts from the first.
    if (this.#stalledSince === NOT_SET) {
      this.#stalledSince = this.#connection.watch.now;
      this.#stream.once("drain", () => this.#guard(() => this.#onDrain()));
    }
    return false;
  }

  end(trailers: SafeFields): void {
    if (this.#over || this.#responseEnded) return;
    // A body that is not as long as announced is never a complete one, whoever miscounted.
    if (!this.#responded || (this.#left !== undefined && this.#left !== 0)) {
      this.abort();
      return;
    }
    this.#responseEnded = true;
    this.#trailers = trailers;
    if (this.#stream.writableLength > 0) this.#stalledSince = this.#connection.watch.now;
    this.#stream.end();
    if (!this.#requestEnded) this.#dropRequest();
  }

  abort(): void {
    if (this.#over) return;
    this.#leave();
    abortStream(this.#stream);
  }

  refuse(refusal: HttpRefusal, fields: SafeFields): void {
    if (this.#over) return;
    if (this.#responded) {
      this.abort();
      return;
    }
    // The request is over; the stream lives until the answer is out.
    this.#responded = true;
    this.#responseEnded = true;
    this.#events = undefined;
    this.#body?.stop();
    this.#idleSince = NOT_SET;
    this.#stalledSince = this.#connection.watch.now;
    refuseStream(this.#stream, refusal, this.#requestEnded, this.request.method, fields);
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

  // StreamOwner and BodySink: what the stream tells.

  streamTrailers(raw: FieldList): void {
    this.#requestTrailers = raw;
  }

  fault(error: unknown): void {
    this.#connection.fault(error);
  }

  data(chunk: Uint8Array): void {
    this.#bodyBegun = true;
    if (this.#idleSince !== NOT_SET) this.#idleSince = this.#connection.watch.now;
    try {
      this.#events?.data(chunk);
    } catch (error) {
      this.fault(error);
    }
  }

  complete(): void {
    try {
      this.#onRequestEnd(this.#requestTrailers);
    } catch (error) {
      this.fault(error);
    }
  }

  broken(why: BrokenBody): void {
    this.#guard(() => this.#onBroken(why));
  }

  #onRequestEnd(raw: FieldList): void {
    this.#idleSince = NOT_SET;
    this.#requestEnded = true;
    let trailers: SafeFields;
    try {
      trailers = readRequestTrailers(this.#head, raw, this.#connection.options.rules());
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.#refuseAndTell(error.refusal);
      return;
    }
    this.#events?.end(trailers);
  }

  #onBroken(why: BrokenBody): void {
    if (why === "truncated") this.#fail({ kind: "peer-gone" });
    else this.#refuseAndTell(badRequest(why));
  }

  #refuseAndTell(refusal: HttpRefusal): void {
    const events = this.#events;
    this.refuse(refusal, NO_SAFE_FIELDS);
    events?.aborted({ kind: "malformed", refusal });
  }

  #onDrain(): void {
    this.#stalledSince = NOT_SET;
    if (!this.#responseEnded) this.#events?.writable();
  }

  #sendTrailers(): void {
    this.#waitsForTrailers = false;
    const stream = this.#stream;
    this.#attempt(() => stream.sendTrailers(fieldObject(this.#trailers)));
    // node sends them in an immediate of its own, before this one.
    if (!this.#requestEnded) setImmediate(() => closeEndedStream(stream));
  }

  /** Whatever ended the stream: only a response that is wholly out ended well. */
  streamClosed(): void {
    const { rstCode, writableFinished } = this.#stream;
    const sent = this.#responseEnded && writableFinished && !this.#waitsForTrailers && rstCode === 0;
    if (sent) this.#leave();
    else this.#fail({ kind: "peer-gone" });
  }

  // Ends.

  /** An early response: when it is out, the client is told to stop; what it still sends is dropped by nghttp2. */
  #dropRequest(): void {
    const stream = this.#stream;
    this.#body?.stop();
    this.#idleSince = NOT_SET;
    if (this.#waitsForTrailers) return;
    if (stream.writableFinished) closeEndedStream(stream);
    else stream.once("finish", () => closeEndedStream(stream));
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
    this.#body?.stop();
    this.#events = undefined;
    unlinkStream(this.#stream);
    this.#connection.left(this);
  }

  /** What the handler's side throws ends the connection. */
  #guard(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.fault(error);
    }
  }

  /** node:http2 throws where a stream ended in this very turn, and where a field is not to its liking. Neither may end the process. */
  #attempt(act: () => void): void {
    try {
      act();
    } catch {
      this.#fail({ kind: "peer-gone" });
    }
  }
}
