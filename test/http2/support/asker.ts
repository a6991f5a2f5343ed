// An Http2Client of ours with what it asks (client-requests.ts) and what its streams do with their responses, noted.
import {
  CANCEL,
  type FieldList,
  Http2Client,
  type Http2Stream,
  REFUSED_STREAM,
  type StreamReset,
} from "../../../src/http2/index.ts";
import { ASKED, type Asked, UPLOAD } from "./client-requests.ts";
import { FakeSink } from "./fake-sink.ts";
import { NotedStream, Notes } from "./noted.ts";
import { interimsOf } from "./reading.ts";

/** What it does with responses: takes them, or pauses, cancels and asks again as well. */
export type Manner = "taking" | "busy";

const MAX_STREAMS = 100;
const MAX_ASKED = 12;
/** Streams of these numbers are busy in their own way. */
const PAUSING = 1;
const CANCELLED = 5;
const RESUMING = 7;

/** With a view of what it keeps. */
class OpenClient extends Http2Client {
  get table(): readonly Http2Stream[] {
    return this.streams.all();
  }
}

class Response extends NotedStream {
  readonly #asker: Asker;
  readonly #asked: Asked;

  constructor(asker: Asker, asked: Asked) {
    super(asker.notes, asked.stream);
    this.#asker = asker;
    this.#asked = asked;
  }

  onInterim(fields: FieldList): void {
    this.check("an interim head");
    if (this.message !== undefined) this.notes.wrong ??= "an interim head behind the final one";
    const { stream } = this.#asked;
    this.#asker.interims.push(`${stream} ${JSON.stringify(fields)}`);
    this.notes.note(`interim ${stream} ${JSON.stringify(fields)}`);
  }

  onHead(fields: FieldList, endStream: boolean): void {
    const { stream } = this.#asked;
    this.check("a head");
    if (this.message !== undefined) this.notes.wrong ??= `stream ${stream} has two heads`;
    this.notes.note(`head ${stream} ${endStream} ${JSON.stringify(fields)}`);
    const interims = interimsOf(this.#asker.interims, stream);
    this.message = { stream, at: this.notes.at, fields, interims, body: "", trailers: undefined };
    this.notes.messages.push(this.message);
    if (this.#asker.manner === "taking") return;
    if (stream === PAUSING) this.stream?.pause();
    if (stream === RESUMING) this.#asker.resume();
    if (stream === CANCELLED) {
      this.stream?.reset(CANCEL);
      this.leave();
    }
  }

  protected onWhole(): void {
    if (this.#asker.manner === "busy") this.#asker.again();
  }

  override onReset(why: StreamReset): void {
    super.onReset(why);
    const { stream } = this.#asked;
    if (why.kind === "peer") this.#asker.failed.set(stream, why.code);
    else if (why.kind === "unprocessed") this.#asker.failed.set(stream, REFUSED_STREAM);
    else if (why.kind === "malformed") this.#asker.reasons.set(stream, why.reason);
    if (this.#asker.manner === "busy") this.#asker.again();
  }
}

export class Asker {
  readonly notes = new Notes();
  readonly manner: Manner;
  readonly sink = new FakeSink();
  readonly client: OpenClient;
  readonly interims: string[] = [];
  readonly failed = new Map<number, number>();
  readonly reasons = new Map<number, string>();
  readonly #streams = new Map<number, Http2Stream>();

  constructor(manner: Manner) {
    this.manner = manner;
    // Never full: who waits for whom would depend on the pieces.
    this.sink.writableHighWaterMark = Number.POSITIVE_INFINITY;
    this.client = new OpenClient(this.sink, this.notes, MAX_STREAMS);
    for (const asked of ASKED) this.ask(asked);
  }

  ask(asked: Asked): void {
    const owner = new Response(this, asked);
    const head = [":method", asked.method, ":scheme", "http", ":path", "/", ":authority", "x"];
    const stream = this.client.request(head, asked.method === "GET", owner);
    owner.stream = stream;
    this.#streams.set(stream.id, stream);
    if (asked.method === "GET") return;
    stream.write(UPLOAD);
    stream.end();
  }

  again(): void {
    const stream = 2 * this.#streams.size + 1;
    if (this.client.capacity > 0 && this.#streams.size < MAX_ASKED)
      this.ask({ stream, method: stream % 4 === 1 ? "POST" : "GET" });
  }

  resume(): void {
    this.#streams.get(PAUSING)?.resume();
  }

  /** Leaves all that is open. */
  leave(): void {
    this.notes.silent = false;
    this.resume();
    for (const stream of this.client.table) stream.reset(CANCEL);
  }
}
