// Whether what a connection of ours keeps fits what its owner knows, and what it has written, in words.
import { hash } from "node:crypto";
import { HpackDecoder } from "../../../src/http2/hpack/decoder.ts";
import type { Http2Stream } from "../../../src/http2/index.ts";
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  type Frame,
  GOAWAY,
  HEADERS,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../../proxy-tls/support/http2-frames.ts";

interface Connection {
  readonly active: number;
  readonly over: boolean;
  readonly table: readonly Http2Stream[];
}

/** What it keeps, beside what its owner knows of it. */
export function keptFault(connection: Connection, open: ReadonlySet<number>): string | undefined {
  const { table } = connection;
  if (table.length !== connection.active) return "the table's size is not the number of its streams";
  if (connection.over && table.length > 0) return "streams are kept behind the connection's end";
  for (const stream of table) {
    if (stream.closed || (stream.sent && stream.received)) return `stream ${stream.id} is closed and kept`;
    if (!open.has(stream.id)) return `stream ${stream.id} is kept, and its owner knows that it has ended`;
  }
  if (open.size !== table.length) return `${open.size} streams are open for their owners, ${table.length} are kept`;
  return undefined;
}

/** Frames in words. How fields are written depends on what other connections have marked, so that it is not compared. */
export function inWords(frames: readonly Frame[]): string[] {
  const decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 1_000_000, maxFields: 10_000 });
  const blocks: Buffer[] = [];
  const lines = frames.flatMap(({ type, flags, stream, payload }) => {
    const isHead = type === HEADERS || type === CONTINUATION;
    // END_STREAM comes with the last frame, or behind it: that is a matter of batching.
    const end = type <= HEADERS && (flags & END_STREAM) !== 0 ? [`end ${stream}`] : [];
    if (type === DATA) return payload.length === 0 ? end : [`data ${stream} ${hash("sha1", payload)}`, ...end];
    // What is given back when depends on the pieces in which a body comes: window-account.ts counts it.
    if (type === WINDOW_UPDATE) return [];
    if (!isHead) return [`${type} ${flags} ${stream} ${payload.toString("hex")}`];
    blocks.push(payload);
    // Into how many frames a long head is cut depends on the marks as well.
    if ((flags & END_HEADERS) === 0) return end;
    return [`head ${stream} ${JSON.stringify(decoder.decode(Buffer.concat(blocks.splice(0))))}`, ...end];
  });
  return lines;
}

/** What it wrote: an order that every peer takes. */
export function writtenFault(frames: readonly Frame[], isOver: boolean): string | undefined {
  const ended = new Set<number>();
  const reset = new Set<number>();
  const begun = new Set<number>();
  const [first] = frames;
  if (first?.type !== SETTINGS || first.flags === ACK) return "the first frame is not SETTINGS";
  const goaway = frames.findIndex((frame) => frame.type === GOAWAY);
  if (isOver ? goaway !== frames.length - 1 : goaway >= 0) return "GOAWAY is not the end";
  for (const { type, flags, stream } of frames) {
    if (stream === 0) continue;
    // Windows are given back behind our own end, and never behind a reset.
    const isLate = type === WINDOW_UPDATE ? reset.has(stream) : ended.has(stream) && type !== RST_STREAM;
    if (isLate) return `frame ${type} behind the end of stream ${stream}`;
    if (type === DATA && !begun.has(stream)) return `DATA before a head on stream ${stream}`;
    if (type === HEADERS) begun.add(stream);
    if (type === RST_STREAM) reset.add(stream);
    if (type === RST_STREAM || ((type === HEADERS || type === DATA) && (flags & END_STREAM) !== 0)) ended.add(stream);
  }
  return undefined;
}
