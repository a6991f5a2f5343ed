// The strict parser of HTTP/1.1 responses (RFC 9112): octets in, events or a refusal out. It has to be told the method of each request,
// because that decides where its response ends. What it refuses is a target's fault: 502, and the connection is never used again.
import { type FieldList, NO_BODY, NO_FIELDS, OPEN_BODY } from "../exchange.ts";
import type { RawResponseHead } from "../raw-head.ts";
import { badResponse, type HttpRefusal } from "../refusal.ts";
import { BodyParser } from "./body-parser.ts";
import { announcedFraming, declaredFraming, endsAtHead, forbidsFraming } from "./framing.ts";
import { HeadParser } from "./head-parser.ts";
import { bufferOf } from "./octets.ts";
import { StatusLine } from "./status-line.ts";

const MAX_INTERIM_HEADS = 8;

export interface ResponseParserRules {
  /** Bodies that end with the connection. Refuse them wherever the end of the connection may be forged. */
  readonly untilClose: "allow" | "refuse";
}

export interface ResponseSink {
  /** A head with status 100 or 103. */
  interim(raw: RawResponseHead): void;
  /**
   * The final head. Its framing says what the fields said: the response to HEAD and a 304 may have a length, and yet no body follows.
   */
  head(raw: RawResponseHead): void;
  /** A part of what was given to `execute`, not copied. */
  data(chunk: Uint8Array): void;
  end(trailers: FieldList): void;
  /** Terminal. */
  refused(refusal: HttpRefusal): void;
}

type Phase = "unasked" | "head" | "body" | "stopped";

export class ResponseParser {
  readonly #sink: ResponseSink;
  readonly #line = new StatusLine();
  readonly #heads = new HeadParser(this.#line);
  readonly #body: BodyParser;
  readonly #allowUntilClose: boolean;
  #phase: Phase = "unasked";
  #method = "";
  #interimHeads = 0;
  #untilClose = false;

  constructor(sink: ResponseSink, rules: ResponseParserRules) {
    this.#sink = sink;
    this.#allowUntilClose = rules.untilClose === "allow";
    this.#body = new BodyParser(this.#heads, (chunk) => sink.data(chunk), { boundOverhead: false });
  }

  /** Not one octet of a response (interim ones included) has come since the last one ended. */
  get idle(): boolean {
    return this.#phase === "unasked" || (this.#phase === "head" && !this.#heads.begun && this.#interimHeads === 0);
  }

  /** A request with `method` is being sent: its response may come. One at a time. */
  expect(method: string): void {
    if (this.#phase === "stopped") return;
    if (this.#phase !== "unasked") throw new TypeError("The response to the last request has not ended.");
    this.#method = method;
    this.#interimHeads = 0;
    this.#phase = "head";
  }

  /** From within an event or not: nothing more is parsed, ever. */
  stop(): void {
    this.#phase = "stopped";
    this.#body.stopped = true;
  }

  /**
   * Feeds octets of `chunk` from `offset`.
   * @returns the offset behind what was taken: the chunk's length, or less after the response's end, a refusal and `stop`, and where no
   *   response is expected. What is left is nobody's.
   */
  execute(chunk: Uint8Array, offset: number): number {
    const octets = bufferOf(chunk);
    let at = offset;
    while (this.#phase === "head" && at < octets.length) {
      at = this.#heads.read(octets, at);
      if (this.#heads.failure !== undefined) return this.#refuse(this.#heads.failure, at);
      if (this.#heads.complete) this.#headComplete();
    }
    if (this.#phase === "body") {
      at = this.#body.read(octets, at);
      if (this.#body.failure !== undefined) return this.#refuse(this.#body.failure, at);
      if (this.#body.complete && !this.#body.stopped) this.#end(this.#body.trailers);
    }
    return at;
  }

  /** The connection has ended in order. Ends a body that ends so; refuses a response that is not complete. */
  eof(): void {
    if (this.#phase === "unasked" || this.#phase === "stopped") return;
    if (this.#phase === "body" && this.#untilClose) this.#end(NO_FIELDS);
    else this.#refuse("cut-short", 0);
  }

  #headComplete(): void {
    const { status, minor } = this.#line;
    const fields = this.#heads.fields();
    const declared = declaredFraming(fields, minor);
    if (declared.failure !== undefined) {
      this.#refuse(declared.failure, 0);
      return;
    }
    if (declared.framing !== undefined && forbidsFraming(status)) {
      this.#refuse("framing-in-bodyless", 0);
      return;
    }
    const version = minor === 1 ? "1.1" : "1.0";
    if (status < 200) {
      this.#interim({ version, status, fields, framing: NO_BODY, untilClose: false });
      return;
    }
    const ends = endsAtHead(this.#method, status);
    this.#untilClose = !ends && declared.framing === undefined;
    if (this.#untilClose && !this.#allowUntilClose) {
      this.#refuse("until-close", 0);
      return;
    }
    const framing = ends ? announcedFraming(declared.framing) : (declared.framing ?? OPEN_BODY);
    this.#body.begin(ends ? NO_BODY : framing, this.#untilClose);
    this.#phase = "body";
    this.#sink.head({ version, status, fields, framing, untilClose: this.#untilClose });
  }

  #interim(raw: RawResponseHead): void {
    if (raw.status === 101) {
      this.#refuse("switching-protocols", 0);
      return;
    }
    // HTTP/1.0 knows none (RFC 9110 15.2): another reader takes it for the final response.
    if (raw.version === "1.0") {
      this.#refuse("interim-in-1.0", 0);
      return;
    }
    if (++this.#interimHeads > MAX_INTERIM_HEADS) {
      this.#refuse("too-many-interim", 0);
      return;
    }
    this.#heads.beginHead();
    if (raw.status === 100 || raw.status === 103) this.#sink.interim(raw);
  }

  #end(trailers: FieldList): void {
    this.#heads.beginHead();
    this.#phase = "unasked";
    this.#sink.end(trailers);
  }

  #refuse(reason: string, at: number): number {
    this.stop();
    this.#sink.refused(badResponse(reason));
    return at;
  }
}
