// How streams and sessions end. The only file of the data path that may say `.close(`: on a stream it completes what it should
// abort (it sends END_STREAM), and so may come only behind END_STREAM; on a session it is a drain. A test keeps it so.
import type { ClientHttp2Stream, Http2Session, Http2Stream, ServerHttp2Stream } from "node:http2";
import { addAbortSignal, Readable } from "node:stream";

const NO_ERROR = 0;

/** An error that node:http2 takes for an abort by the caller: it tells CANCEL then, and INTERNAL_ERROR for every other. */
const CANCELLED = abortError();
const ABORTED = new Error("aborted");

/** Ends a response, or a request's half, so that it can never be taken for complete: RST_STREAM INTERNAL_ERROR. */
export function abortStream(stream: ServerHttp2Stream): void {
  stream.destroy(ABORTED);
}

/** Ends a request that nobody wants answered any more: RST_STREAM CANCEL. */
export function cancelStream(stream: ClientHttp2Stream): void {
  stream.destroy(CANCELLED);
}

/** Tells that the rest of the request is not wanted, behind a whole response: RST_STREAM NO_ERROR (RFC 9113 section 8.1). */
export function closeEndedStream(stream: Http2Stream): void {
  if (!stream.destroyed) stream.close(NO_ERROR);
}

/**
 * GOAWAY, and the end of the session with its last stream. Streams above the last one that came were not processed, and the peer knows
 * it. (A first GOAWAY that only announces would be better, but behind any GOAWAY that node can send, nghttp2 drops new streams unseen.)
 */
export function closeSession(session: Http2Session): void {
  session.close();
}

/** node's own class is not exported, and no other will do. */
function abortError(): Error {
  const source = new Readable({ read: () => {} });
  source.on("error", () => {});
  addAbortSignal(AbortSignal.abort(), source);
  return source.errored ?? new Error("cancelled");
}
