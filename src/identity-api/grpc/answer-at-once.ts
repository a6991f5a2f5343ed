// Headers, message and trailers of one HTTP/2 answer in one write, and so in one TLS record. node:http2 submits trailers a turn after the
// message has left, which makes them a second record, a system call and a packet of their own. nghttp2 takes them in the callback that
// ends the message (nghttp2_submit_trailer(3)): there they are given to the handle below the stream. The handle and the flag that holds
// the end of the message back have no public name in node; without them the answer is the same, in two writes, and a test notices.
import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";

/** Trailers in both forms. */
export interface Trailers {
  readonly fields: OutgoingHttpHeaders;
  /** As the handle takes them: name, NUL, value, NUL, flags of nghttp2_nv for each, and how many there are. */
  readonly list: readonly [string, number];
}

/** In `flags` of a stream's state: trailers will come, so that the message does not end with its last octet. */
const HAS_TRAILERS = 0x20;
const NO_FLAGS = "\0";

/** Trailers for `answerAtOnce`. Names in lower case, values without control characters: nobody looks at them again. */
export function trailersOf(fields: Readonly<Record<string, string>>): Trailers {
  const list = Object.entries(fields);
  return { fields, list: [list.map(([name, value]) => `${name}\0${value}\0${NO_FLAGS}`).join(""), list.length] };
}

/** Sends a whole answer on a stream on which nothing was sent yet. */
export function answerAtOnce(
  stream: ServerHttp2Stream,
  headers: OutgoingHttpHeaders,
  message: Buffer,
  trailers: Trailers,
): void {
  stream.respond(headers, { waitForTrailers: true });
  letMessageEnd(stream);
  stream.once("wantTrailers", () => {
    if (!submit(stream, trailers)) stream.sendTrailers(trailers.fields);
  });
  stream.end(message);
}

/** Lets node tell nghttp2 in this turn that the message has ended, as it does where no trailers follow. */
function letMessageEnd(stream: ServerHttp2Stream): void {
  const state: unknown = hidden(stream, "state");
  if (typeof state === "object" && state !== null && "flags" in state && typeof state.flags === "number") {
    state.flags &= ~HAS_TRAILERS;
  }
}

/** Whether the trailers were taken. node has made sure that the stream is open. */
function submit(stream: ServerHttp2Stream, { list }: Trailers): boolean {
  const handle: unknown = hidden(stream, "kHandle");
  if (typeof handle !== "object" || handle === null || !("trailers" in handle)) return false;
  if (typeof handle.trailers !== "function") return false;
  return Reflect.apply(handle.trailers, handle, [list]) === 0;
}

const symbols = new Map<string, symbol | undefined>();

/** A field of node's streams that has a symbol for its name. */
function hidden(stream: ServerHttp2Stream, description: string): unknown {
  if (!symbols.has(description)) {
    symbols.set(
      description,
      Object.getOwnPropertySymbols(stream).find((symbol) => symbol.description === description),
    );
  }
  const symbol = symbols.get(description);
  return symbol === undefined ? undefined : Reflect.get(stream, symbol);
}
