// Our Http2Server read out: what it tells and writes for a client's bytes in any pieces, and whether what it keeps is consistent behind them.

import { HpackDecoder } from "../../../src/http2/hpack/decoder.ts";
import type { ConnectionFault, FieldList, Http2Stream } from "../../../src/http2/index.ts";
import { ENHANCE_YOUR_CALM, Http2Server } from "../../../src/http2/index.ts";
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
} from "../../proxy-tls/support/http2-frames.ts";
import { FakeSink } from "./fake-sink.ts";
import { framesOf } from "./frames-of.ts";
import { MAX_STREAMS } from "./node-server.ts";
import type { Reading, ReadRequest } from "./reading.ts";

/** What it does with requests: nothing, or answers each with its own body and trailers when it has come whole; /a at once. */
export type Manner = "silent" | "echo";

/** With a view of what it keeps. */
class OpenServer extends Http2Server {
  get table(): readonly Http2Stream[] {
    return this.streams.all();
  }
}

export interface OurReading extends Reading {
  /** All that was told and is kept, in order; the same for every split. */
  readonly log: readonly string[];
  /** For each piece the one at which it has been looked at: heads and frames are, when they are whole. */
  readonly judgedAt: readonly number[];
  /** The frames that were written, fields as they are read. */
  readonly written: readonly string[];
  /** The codes of the resets among them. */
  readonly codes: readonly number[];
  /** What is not as it must be. */
  readonly wrong: string | undefined;
}

export function readWithOurs(pieces: readonly Buffer[], manner: Manner): OurReading {
  const sink = new FakeSink();
  const requests: ReadRequest[] = [];
  const resets = new Map<number, number>();
  const log: string[] = [];
  /** Neither refused, nor reset, nor ended on both sides. */
  const open = new Set<number>();
  let wrong: string | undefined;
  let end: Reading["end"];
  let at = 0;
  let silent = false;
  const note = (line: string): void => {
    if (silent) wrong ??= `told behind the end: ${line}`;
    log.push(line);
  };

  const server = new OpenServer(
    sink,
    {
      onSettings: () => note("settings"),
      onGoaway: (code) => note(`goaway ${code}`),
      onMalformed: (reason) => note(`malformed: ${reason}`),
      onFault: (fault: ConnectionFault) => {
        note(`fault ${fault.code} ${fault.message}`);
        end = { at, why: `${fault.code} ${fault.message}` };
      },
      onTooLarge: (stream) => {
        note(`too large ${stream.id}`);
        stream.reset(ENHANCE_YOUR_CALM);
      },
      onRequest: (stream, fields, endStream) => {
        note(`request ${stream.id} ${endStream} ${JSON.stringify(fields)}`);
        open.add(stream.id);
        const request: ReadRequest = { stream: stream.id, at, fields, body: "", trailers: undefined };
        requests.push(request);
        own(stream, request);
        // One path is answered before its request has come whole.
        if (manner === "echo" && fields[fields.indexOf(":path") + 1] === "/a")
          stream.sendHead([":status", "204"], true);
      },
    },
    MAX_STREAMS,
  );

  function own(stream: Http2Stream, request: ReadRequest): void {
    const { id } = stream;
    const state = { sent: false, closed: false };
    const settle = (): void => {
      if (state.sent && request.trailers !== undefined) open.delete(id);
    };
    const check = (what: string): void => {
      if (state.closed || request.trailers !== undefined) wrong ??= `${what} of stream ${id} behind its end`;
    };
    stream.owner = {
      onInterim: () => {
        wrong ??= "an interim response of a client";
      },
      onHead: () => {
        wrong ??= "a response of a client";
      },
      onData: (piece) => {
        check("data");
        if (piece.length === 0) wrong ??= "an empty piece";
        const text = Buffer.from(piece).toString("latin1");
        request.body += text;
        // A frame's pieces, and frames that follow each other, are one.
        const before = log.at(-1);
        const start = `data ${id} `;
        if (before?.startsWith(start) === true) log[log.length - 1] = before + text;
        else note(start + text);
      },
      onEnd: (trailers: FieldList) => {
        check("the end");
        request.trailers = trailers;
        note(`end ${id} ${JSON.stringify(trailers)}`);
        if (manner === "echo") {
          stream.sendHead([":status", "200", "x-echo", request.fields.join(" ")], false);
          stream.write(Buffer.from(request.body, "latin1"));
          stream.end(trailers);
        }
        settle();
      },
      onSent: () => {
        state.sent = true;
        note(`sent ${id}`);
        settle();
      },
      onWritable: () => note(`writable ${id}`),
      onReset: (why) => {
        if (state.closed) wrong ??= `stream ${id} is reset twice`;
        state.closed = true;
        open.delete(id);
        note(`reset ${id} ${JSON.stringify(why)}`);
      },
    };
  }

  const judgedAt: number[] = [];
  server.output.flush();
  const frames: Frame[] = [];
  const take = (): Frame[] => {
    const written = framesOf(sink.take().bytes);
    frames.push(...written);
    return written;
  };
  take();
  for (const piece of pieces) {
    try {
      server.receive(piece);
    } catch (error) {
      wrong ??= `thrown: ${String(error)}`;
    }
    server.output.flush();
    // Whole frames: it writes them at once.
    for (const frame of take()) {
      if (frame.type === RST_STREAM && !resets.has(frame.stream)) resets.set(frame.stream, at);
    }
    if (server.over || server.unfinished === 0) while (judgedAt.length <= at) judgedAt.push(at);
    at += 1;
    silent ||= end !== undefined;
  }
  wrong ??= keptFault(server, open) ?? writtenFault(frames, end !== undefined);
  const table = server.table.map((one) => `${one.id} ${one.sendWindow} ${one.received} ${one.sent} ${one.queued}`);
  log.push(`kept ${server.over || server.unfinished} ${server.sendWindow} ${table.sort().join(", ")}`);
  server.stop();
  const codes = frames.flatMap(({ type, payload }) => (type === RST_STREAM ? [payload.readUInt32BE()] : []));
  return { requests, resets, end, judgedAt, log, written: read(frames), codes, wrong };
}

/** What the server keeps, beside what its owner knows of it. */
function keptFault(server: OpenServer, open: ReadonlySet<number>): string | undefined {
  const { table } = server;
  if (table.length !== server.active) return "the table's size is not the number of its streams";
  if (server.over && table.length > 0) return "streams are kept behind the connection's end";
  for (const stream of table) {
    if (stream.closed || (stream.sent && stream.received)) return `stream ${stream.id} is closed and kept`;
    if (!open.has(stream.id)) return `stream ${stream.id} is kept, and its owner knows that it has ended`;
  }
  if (open.size !== table.length) return `${open.size} streams are open for their owners, ${table.length} are kept`;
  return undefined;
}

/** Frames in words. How fields are written depends on what other connections have marked, so that it is not compared. */
function read(frames: readonly Frame[]): string[] {
  const decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 1_000_000, maxFields: 10_000 });
  const blocks: Buffer[] = [];
  const lines = frames.flatMap(({ type, flags, stream, payload }) => {
    const isHead = type === HEADERS || type === CONTINUATION;
    // END_STREAM comes with the last frame, or behind it: that is a matter of batching.
    const end = type <= HEADERS && (flags & END_STREAM) !== 0 ? [`end ${stream}`] : [];
    if (type === DATA) return payload.length === 0 ? end : [`data ${stream} ${payload.toString("hex")}`, ...end];
    if (!isHead) return [`${type} ${flags} ${stream} ${payload.toString("hex")}`];
    blocks.push(payload);
    // Into how many frames a long head is cut depends on the marks as well.
    if ((flags & END_HEADERS) === 0) return end;
    return [`head ${stream} ${JSON.stringify(decoder.decode(Buffer.concat(blocks.splice(0))))}`, ...end];
  });
  return lines;
}

/** What it wrote: an order that every client takes. */
function writtenFault(frames: readonly Frame[], isOver: boolean): string | undefined {
  const ended = new Set<number>();
  const begun = new Set<number>();
  const [first] = frames;
  if (first?.type !== SETTINGS || first.flags === ACK) return "the first frame is not SETTINGS";
  const goaway = frames.findIndex((frame) => frame.type === GOAWAY);
  if (isOver ? goaway !== frames.length - 1 : goaway >= 0) return "GOAWAY is not the end";
  for (const { type, flags, stream } of frames) {
    if (stream === 0) continue;
    if (ended.has(stream) && type !== RST_STREAM) return `frame ${type} behind the end of stream ${stream}`;
    if (type === DATA && !begun.has(stream)) return `DATA before a head on stream ${stream}`;
    if (type === HEADERS) begun.add(stream);
    if (type === RST_STREAM || ((type === HEADERS || type === DATA) && (flags & END_STREAM) !== 0)) ended.add(stream);
  }
  return undefined;
}
