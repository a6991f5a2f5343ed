// The one link from a stream of node:http2 to the exchange on it. Node keeps each stream until V8 next collects everything: a closure of its
// WritableState lies among the old objects from the start, and holds it. Whatever hangs on an ended stream is copied twice and marked once for
// nothing, which was 6 kB a request. So an exchange hangs on its stream by this link alone, and cuts it at its end; and the listeners are
// functions of this module, none made for one stream.
import type { ClientHttp2Stream, Http2Stream, IncomingHttpHeaders } from "node:http2";
import type { FieldList } from "../exchange.ts";

/** What a stream tells. */
export interface StreamOwner {
  /** @param raw name, value, name, value ... */
  streamTrailers(raw: FieldList): void;
  streamClosed(): void;
  /** Takes what the others throw: none of it may reach node. */
  fault(error: unknown): void;
}

/** What the stream of a request to a target tells beside. */
export interface RequestOwner extends StreamOwner {
  streamInterim(raw: FieldList): void;
  /** @param flags of the frame, NGHTTP2_FLAG_* */
  streamResponse(flags: number, raw: FieldList): void;
}

const OWNER: unique symbol = Symbol("owner");
const REQUEST_OWNER: unique symbol = Symbol("request owner");

declare module "node:http2" {
  interface Http2Stream {
    [OWNER]?: StreamOwner | undefined;
    [REQUEST_OWNER]?: RequestOwner | undefined;
  }
}

/** Links a stream of a server. @param hasBody something follows the request's head */
export function linkServerStream(stream: Http2Stream, owner: StreamOwner, hasBody: boolean): void {
  stream[OWNER] = owner;
  stream.on("close", onClose);
  if (hasBody) stream.on("trailers", onTrailers);
}

/** Links a stream of a client, which has said nothing yet. */
export function linkClientStream(stream: ClientHttp2Stream, owner: RequestOwner): void {
  stream[OWNER] = owner;
  stream[REQUEST_OWNER] = owner;
  stream.on("error", ignore);
  stream.on("headers", onInterim);
  stream.on("response", onResponse);
  stream.on("trailers", onTrailers);
  stream.on("close", onClose);
}

/** Nothing more is told. */
export function unlinkStream(stream: Http2Stream): void {
  stream[OWNER] = undefined;
  stream[REQUEST_OWNER] = undefined;
}

/** A listener for errors whose consequences come by another way. */
export function ignore(): void {}

function onClose(this: Http2Stream): void {
  const owner = this[OWNER];
  try {
    owner?.streamClosed();
  } catch (error) {
    owner?.fault(error);
  }
}

function onTrailers(this: Http2Stream, _object: IncomingHttpHeaders, _flags: number, raw: FieldList): void {
  this[OWNER]?.streamTrailers(raw);
}

function onInterim(this: Http2Stream, _object: IncomingHttpHeaders, _flags: number, raw: FieldList): void {
  const owner = this[REQUEST_OWNER];
  try {
    owner?.streamInterim(raw);
  } catch (error) {
    owner?.fault(error);
  }
}

function onResponse(this: Http2Stream, _object: IncomingHttpHeaders, flags: number, raw: FieldList): void {
  const owner = this[REQUEST_OWNER];
  try {
    owner?.streamResponse(flags, raw);
  } catch (error) {
    owner?.fault(error);
  }
}
