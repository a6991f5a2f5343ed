// What a stream tells its owner, and a connection its own, written down; a test may act on it.
import type {
  ConnectionEvents,
  ConnectionFault,
  FieldList,
  Http2Stream,
  ServerEvents,
  StreamOwner,
  StreamReset,
} from "../../../src/http2/index.ts";

export class Told implements StreamOwner {
  readonly log: string[] = [];
  readonly body: Buffer[] = [];
  /** Called behind each note. */
  act: (what: string) => void = () => {};

  get bytes(): Buffer {
    return Buffer.concat(this.body);
  }

  onInterim(fields: FieldList): void {
    this.#note(`interim ${fields.join(" ")}`);
  }

  onHead(fields: FieldList, endStream: boolean): void {
    this.#note(`head ${fields.join(" ")}${endStream ? " end" : ""}`);
  }

  onData(piece: Uint8Array): void {
    this.body.push(Buffer.from(piece));
    this.#note(`data ${piece.length}`);
  }

  onEnd(trailers: FieldList): void {
    this.#note(["end", ...trailers].join(" "));
  }

  onSent(): void {
    this.#note("sent");
  }

  onWritable(): void {
    this.#note("writable");
  }

  onReset(why: StreamReset): void {
    this.#note(
      why.kind === "peer" ? `reset ${why.code}` : why.kind === "malformed" ? `malformed: ${why.reason}` : why.kind,
    );
  }

  #note(what: string): void {
    this.log.push(what);
    this.act(what);
  }
}

export class ToldConnection implements ConnectionEvents {
  readonly log: string[] = [];
  fault: ConnectionFault | undefined;
  act: (what: string) => void = () => {};

  onSettings(): void {
    this.note("settings");
  }

  onGoaway(code: number): void {
    this.note(`goaway ${code}`);
  }

  onFault(fault: ConnectionFault): void {
    this.fault = fault;
    this.note(`fault ${fault.code}: ${fault.message}`);
  }

  protected note(what: string): void {
    this.log.push(what);
    this.act(what);
  }
}

export interface Taken {
  readonly stream: Http2Stream;
  readonly fields: FieldList;
  readonly endStream: boolean;
  readonly told: Told;
}

export class ToldServer extends ToldConnection implements ServerEvents {
  readonly taken: Taken[] = [];
  /** What is done with a new request. */
  take: (request: Taken) => void = () => {};

  onRequest(stream: Http2Stream, fields: FieldList, endStream: boolean): void {
    const request = { stream, fields, endStream, told: new Told() };
    stream.owner = request.told;
    this.taken.push(request);
    this.take(request);
  }

  onTooLarge(stream: Http2Stream): void {
    this.note(`too large ${stream.id}`);
    stream.sendHead([":status", "431"], true);
    stream.reset(0);
  }

  onMalformed(reason: string): void {
    this.note(`malformed: ${reason}`);
  }
}
