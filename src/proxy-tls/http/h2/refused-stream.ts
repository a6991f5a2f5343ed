// Our own answer on a stream of an HTTP/2 server connection.
import { type Http2Stream, NO_ERROR, type StreamOwner } from "../../../http2/index.ts";
import { NO_SAFE_FIELDS, type SafeFields } from "../fields/safe-fields.ts";
import { type HttpRefusal, refusalBody, refusalFields } from "../refusal.ts";

/** Writes the whole answer. The rest of the request is to be dropped. */
export function writeRefusal(
  stream: Http2Stream,
  refusal: HttpRefusal,
  method = "GET",
  fields: SafeFields = NO_SAFE_FIELDS,
): void {
  const body = refusalBody(refusal);
  const list = [
    ":status",
    `${refusal.status}`,
    ...refusalFields(refusal),
    "content-length",
    `${body.length}`,
    ...fields,
  ];
  stream.sendHead(list, false);
  if (method !== "HEAD") stream.write(body);
  stream.end();
}

/** A request that was refused by its head: nobody hears of it. */
export class RefusedStream implements StreamOwner {
  readonly #stream: Http2Stream;

  constructor(stream: Http2Stream) {
    this.#stream = stream;
    stream.owner = this;
  }

  answer(refusal: HttpRefusal, method?: string): void {
    // Its body is not read: what of it is under way waits until the answer is out, and is dropped with the stream.
    this.#stream.pause();
    writeRefusal(this.#stream, refusal, method);
  }

  /** A client that still sends is told to stop, behind a whole response (RFC 9113 section 8.1). */
  onSent(): void {
    this.#stream.reset(NO_ERROR);
  }

  onInterim(): void {}
  onHead(): void {}
  onData(): void {}
  onEnd(): void {}
  onWritable(): void {}

  /** What waited takes room in the connection's window: also where all of it had come. */
  onReset(): void {
    this.#stream.reset(NO_ERROR);
  }
}
