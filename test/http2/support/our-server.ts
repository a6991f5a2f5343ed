// Our Http2Server read out: what it tells and writes for a client's bytes in any pieces, and whether what it keeps is consistent behind them.
import type { FieldList, Http2Stream } from "../../../src/http2/index.ts";
import { ENHANCE_YOUR_CALM, Http2Server } from "../../../src/http2/index.ts";
import { type Frame, RST_STREAM } from "../../proxy-tls/support/http2-frames.ts";
import { FakeSink } from "./fake-sink.ts";
import { framesOf } from "./frames-of.ts";
import { inWords, keptFault, writtenFault } from "./kept-and-written.ts";
import { MAX_STREAMS } from "./node-server.ts";
import { NotedStream, Notes } from "./noted.ts";
import type { OurReading, ReadMessage } from "./reading.ts";

/** What it does with requests: nothing, or answers each with its own body and trailers when it has come whole; /a at once. */
export type Manner = "silent" | "echo";

/** With a view of what it keeps. */
class OpenServer extends Http2Server {
  get table(): readonly Http2Stream[] {
    return this.streams.all();
  }
}

class Request extends NotedStream {
  readonly #manner: Manner;

  constructor(notes: Notes, stream: Http2Stream, message: ReadMessage, manner: Manner) {
    super(notes, stream.id);
    this.stream = stream;
    this.message = message;
    this.#manner = manner;
  }

  onInterim(): void {
    this.notes.wrong ??= "an interim response of a client";
  }

  onHead(): void {
    this.notes.wrong ??= "a response of a client";
  }

  protected onWhole({ fields, body, trailers = [] }: ReadMessage): void {
    if (this.#manner === "silent") return;
    this.stream?.sendHead([":status", "200", "x-echo", fields.join(" ")], false);
    this.stream?.write(Buffer.from(body, "latin1"));
    this.stream?.end(trailers);
  }
}

class ServerNotes extends Notes {
  readonly #manner: Manner;

  constructor(manner: Manner) {
    super();
    this.#manner = manner;
  }

  onMalformed(reason: string): void {
    this.note(`malformed: ${reason}`);
  }

  onTooLarge(stream: Http2Stream): void {
    this.note(`too large ${stream.id}`);
    stream.reset(ENHANCE_YOUR_CALM);
  }

  onRequest(stream: Http2Stream, fields: FieldList, endStream: boolean): void {
    this.note(`request ${stream.id} ${endStream} ${JSON.stringify(fields)}`);
    const message: ReadMessage = { stream: stream.id, at: this.at, fields, body: "", trailers: undefined };
    this.messages.push(message);
    stream.owner = new Request(this, stream, message, this.#manner);
    // One path is answered before its request has come whole.
    if (this.#manner === "echo" && fields[fields.indexOf(":path") + 1] === "/a")
      stream.sendHead([":status", "204"], true);
  }
}

export function readWithOurs(pieces: readonly Buffer[], manner: Manner): OurReading {
  const sink = new FakeSink();
  const notes = new ServerNotes(manner);
  const resets = new Map<number, number>();
  const server = new OpenServer(sink, notes, MAX_STREAMS);
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
    const { at } = notes;
    try {
      server.receive(piece);
    } catch (error) {
      notes.wrong ??= `thrown: ${String(error)}`;
    }
    server.output.flush();
    // Whole frames: it writes them at once.
    for (const frame of take()) {
      if (frame.type === RST_STREAM && !resets.has(frame.stream)) resets.set(frame.stream, at);
    }
    if (server.over || server.unfinished === 0) while (judgedAt.length <= at) judgedAt.push(at);
    notes.at += 1;
    notes.silent ||= notes.end !== undefined;
  }
  const { end, log, messages } = notes;
  const wrong = notes.wrong ?? keptFault(server, notes.open) ?? writtenFault(frames, end !== undefined);
  const table = server.table.map((one) => `${one.id} ${one.sendWindow} ${one.received} ${one.sent} ${one.queued}`);
  log.push(`kept ${server.over || server.unfinished} ${server.sendWindow} ${table.sort().join(", ")}`);
  server.stop();
  const codes = frames.flatMap(({ type, payload }) => (type === RST_STREAM ? [payload.readUInt32BE()] : []));
  return { messages, resets, end, judgedAt, log, written: inWords(frames), codes, wrong };
}
