// One request and its response on an HTTP/1.1 server connection: the response's half. What is framing is written here from the parsed
// state, never from fields that came.
import type { RequestHead, ResponseHead, ServerEvents, ServerExchange } from "../exchange.ts";
import { NO_SAFE_FIELDS, type SafeFields, safe } from "../fields/safe-fields.ts";
import { type HttpRefusal, refusalBody, refusalFields } from "../refusal.ts";
import { CHUNK_END, chunkHeader, lastChunk } from "./chunk-writer.ts";
import { writeInterimHead, writeResponseHead } from "./head-writer.ts";
import type { ExchangeConnection } from "./server-options.ts";

export class H1ServerExchange implements ServerExchange {
  /** Set by the connection once the handler has answered. */
  events: ServerEvents | undefined;
  /** Set by the connection when the first byte of the request's body has come: nobody waits for 100 any more. */
  bodyBegun = false;
  /** Set by the connection when the request's body has ended. */
  requestEnded = false;
  /** Whether the head of a final response was written. */
  responded = false;
  readonly #connection: ExchangeConnection;
  readonly #request: RequestHead | undefined;
  #ended = false;
  #continued = false;
  #blocked = false;
  #chunked = false;
  /** Bytes that may still come: of the announced content-length, none where there is no body; undefined: as many as come. */
  #left: number | undefined;
  #close = false;

  /** @param request undefined: the head was refused, and all that can be done is to say so */
  constructor(connection: ExchangeConnection, request: RequestHead | undefined) {
    this.#connection = connection;
    this.#request = request;
  }

  get request(): RequestHead {
    if (this.#request === undefined) throw new TypeError("the request was refused");
    return this.#request;
  }

  pauseBody(): void {
    if (!this.#ended && !this.requestEnded) this.#connection.pauseReading();
  }

  resumeBody(): void {
    if (!this.#ended) this.#connection.resumeReading();
  }

  interim(status: 100 | 103, fields: SafeFields): void {
    const { version, expectsContinue } = this.request;
    if (this.#ended || this.responded || version === "1.0") return;
    if (status === 100) {
      if (!expectsContinue || this.#continued || this.bodyBegun) return;
      this.#continued = true;
    }
    const { writer } = this.#connection;
    writer.add(writeInterimHead(status, fields));
    writer.flush();
  }

  respond(head: ResponseHead): void {
    if (this.#ended || this.responded) return;
    this.responded = true;
    const { method, close } = this.request;
    const version = this.#version;
    const answersHead = method === "HEAD";
    const withBody = !answersHead && head.status !== 204 && head.status !== 304;
    this.#chunked = withBody && head.body.kind === "open" && version === "1.1";
    if (!withBody || head.body.kind === "none") this.#left = 0;
    else this.#left = head.body.kind === "length" ? head.body.bytes : undefined;
    // To HTTP/1.0 nothing can be chunked: the body ends with the connection.
    this.#close =
      close ||
      !this.requestEnded ||
      this.#connection.draining ||
      (withBody && head.body.kind === "open" && !this.#chunked);
    const connection = this.#close ? "close" : "keep-alive";
    this.#connection.writer.add(
      writeResponseHead(head.status, head.fields, head.body, connection, version, answersHead),
    );
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ended || chunk.length === 0) return true;
    const { writer } = this.#connection;
    let accepted: boolean;
    if (this.#left !== undefined && chunk.length > this.#left) {
      this.abort();
      return true;
    }
    if (this.#chunked) {
      writer.add(chunkHeader(chunk.length), true);
      writer.add(chunk, true);
      accepted = writer.add(CHUNK_END);
    } else {
      if (this.#left !== undefined) this.#left -= chunk.length;
      accepted = writer.add(chunk);
    }
    if (!accepted) this.#blocked = true;
    return this.#connection.written(accepted);
  }

  end(trailers: SafeFields): void {
    if (this.#ended) return;
    // A body that is not as long as announced is never a complete one, whoever miscounted.
    if (!this.responded || (this.#left !== undefined && this.#left !== 0)) {
      this.abort();
      return;
    }
    this.#ended = true;
    const { writer } = this.#connection;
    if (this.#chunked) writer.add(lastChunk(this.request.acceptsTrailers ? trailers : NO_SAFE_FIELDS));
    this.#connection.written(writer.flush());
    this.#connection.responseEnded(this.#close);
  }

  abort(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#connection.abort();
  }

  refuse(refusal: HttpRefusal, fields: SafeFields): void {
    if (this.#ended) return;
    if (this.responded) {
      this.abort();
      return;
    }
    this.#ended = true;
    this.responded = true;
    const body = refusalBody(refusal);
    const { writer } = this.#connection;
    const head = safe([...refusalFields(refusal), ...fields]);
    writer.add(writeResponseHead(refusal.status, head, { kind: "length", bytes: body.length }, "close", this.#version));
    if (this.#request?.method !== "HEAD") writer.add(body);
    this.#connection.refused();
  }

  get #version(): "1.0" | "1.1" {
    return this.#request?.version === "1.0" ? "1.0" : "1.1";
  }

  /** The socket takes bytes again. */
  unblock(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    if (!this.#ended) this.events?.writable();
  }
}
