// The strict parser of HTTP/1.1 requests (RFC 9112): octets in, events or a refusal out. No socket, no timer, no opinion about hosts,
// paths, methods or policies: those are the screens'. A refusal is terminal, and every split of a stream gives the same events.
import { type BodyFraming, type FieldList, NO_BODY } from "../exchange.ts";
import { headTooLarge } from "../fields/head-size.ts";
import type { RawRequestHead } from "../raw-head.ts";
import { badRequest, type HttpRefusal } from "../refusal.ts";
import { type BodyFailure, BodyParser } from "./body-parser.ts";
import { declaredFraming } from "./framing.ts";
import { HeadParser } from "./head-parser.ts";
import { bufferOf } from "./octets.ts";
import { RequestLine } from "./request-line.ts";

export interface RequestParserRules {
  readonly allowHttp10: boolean;
}

export interface RequestSink {
  head(raw: RawRequestHead): void;
  /** A part of what was given to `execute`, not copied. */
  data(chunk: Uint8Array): void;
  end(trailers: FieldList): void;
  /** Terminal. */
  refused(refusal: HttpRefusal): void;
}

type Phase = "head" | "body" | "stopped";

export class RequestParser {
  readonly #sink: RequestSink;
  readonly #line: RequestLine;
  readonly #heads: HeadParser;
  readonly #body: BodyParser;
  #phase: Phase = "head";

  constructor(rules: RequestParserRules, sink: RequestSink) {
    this.#sink = sink;
    this.#line = new RequestLine(rules.allowHttp10);
    this.#heads = new HeadParser(this.#line);
    this.#body = new BodyParser(this.#heads, (chunk) => sink.data(chunk), { boundOverhead: true });
  }

  /** Between messages: not one octet of the next one has come. */
  get idle(): boolean {
    return this.#phase === "head" && !this.#heads.begun;
  }

  /** Within a head. */
  get inHead(): boolean {
    return this.#phase === "head" && this.#heads.begun;
  }

  /** From within an event or not: nothing more is parsed, ever. */
  stop(): void {
    this.#phase = "stopped";
    this.#body.stopped = true;
  }

  /**
   * Feeds octets of `chunk` from `offset`.
   * @returns the offset behind what was taken: the chunk's length, or less after a message's end, a refusal and `stop`. What is left
   *   belongs to the next message, and is given again when that is wanted.
   */
  execute(chunk: Uint8Array, offset: number): number {
    const octets = bufferOf(chunk);
    let at = offset;
    if (this.#phase === "head") {
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

  #headComplete(): void {
    const fields = this.#heads.fields();
    const { minor, methodEnd, targetEnd } = this.#line;
    const declared = declaredFraming(fields, minor);
    if (declared.failure !== undefined) {
      this.#stopWith(badRequest(declared.failure));
      return;
    }
    const framing: BodyFraming = declared.framing ?? NO_BODY;
    const raw: RawRequestHead = {
      version: minor === 1 ? "1.1" : "1.0",
      method: this.#heads.text(0, methodEnd),
      target: this.#heads.text(methodEnd + 1, targetEnd),
      authority: undefined,
      fields,
      framing,
    };
    this.#body.begin(framing, false);
    this.#phase = "body";
    this.#sink.head(raw);
  }

  #end(trailers: FieldList): void {
    this.#heads.beginHead();
    this.#phase = "head";
    this.#sink.end(trailers);
  }

  #refuse(failure: BodyFailure, at: number): number {
    this.#stopWith(refusalOf(failure));
    return at;
  }

  #stopWith(refusal: HttpRefusal): void {
    this.stop();
    this.#sink.refused(refusal);
  }
}

function refusalOf(failure: BodyFailure): HttpRefusal {
  switch (failure) {
    case "head-too-large":
    case "too-many-fields":
      return headTooLarge(failure);
    case "http-version":
      return { status: 505, code: "MCA_PROXY_VERSION_REFUSED", reason: failure };
    default:
      return badRequest(failure);
  }
}
