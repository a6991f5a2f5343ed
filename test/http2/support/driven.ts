// An end of a connection of ours, driven with bytes: what is sent to it, and the frames that it sends.
import assert from "node:assert/strict";
import { HpackDecoder } from "../../../src/http2/hpack/decoder.ts";
import { Http2Client, Http2Server } from "../../../src/http2/index.ts";
import {
  DATA,
  END_HEADERS,
  type Frame,
  HEADERS,
  openingFrames,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  takeFrames,
  WINDOW_UPDATE,
} from "../../proxy-tls/support/http2-frames.ts";
import { FakeSink } from "./fake-sink.ts";
import { type Taken, Told, ToldConnection, ToldServer } from "./told.ts";

abstract class Driven {
  readonly sink = new FakeSink();
  readonly #decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 1 << 20, maxFields: 1000 });
  #rest: Buffer = Buffer.alloc(0);
  #skip: number;
  abstract readonly connection: Http2Client | Http2Server;
  abstract readonly told: ToldConnection;

  constructor(skip: number) {
    this.#skip = skip;
  }

  /** Bytes that come at once. */
  send(...parts: readonly Buffer[]): void {
    this.connection.receive(Buffer.concat(parts));
  }

  /** The frames that left since the last call; what was held is read, and the connection hears of it. */
  frames(): Frame[] {
    this.connection.output.flush();
    const { bytes, drains } = this.sink.take();
    const skipped = Math.min(this.#skip, bytes.length);
    this.#skip -= skipped;
    const { frames, rest } = takeFrames(Buffer.concat([this.#rest, bytes.subarray(skipped)]));
    this.#rest = rest;
    if (drains) this.connection.drained();
    return frames;
  }

  /** The same without what every connection begins with or says for its windows. */
  said(): string[] {
    return this.frames()
      .filter(({ type }) => type !== SETTINGS && type !== WINDOW_UPDATE)
      .map((frame) => this.describe(frame));
  }

  describe({ type, flags, stream, payload }: Frame): string {
    const end = (flags & 1) !== 0 ? " end" : "";
    if (type === DATA) return `${stream} data ${payload.length}${end}`;
    if (type === HEADERS && (flags & END_HEADERS) !== 0) return `${stream} ${this.fields(payload).join(" ")}${end}`;
    if (type === RST_STREAM) return `${stream} reset ${payload.readUInt32BE(0)}`;
    return `${stream} type ${type} flags ${flags} ${payload.toString("hex")}`;
  }

  fields(block: Buffer): string[] {
    return [...this.#decoder.decode(block)];
  }

  /** @returns the code that it ended with; undefined: it lives */
  get code(): number | undefined {
    return this.told.fault?.code;
  }
}

export class DrivenServer extends Driven {
  readonly told = new ToldServer();
  readonly connection: Http2Server;

  constructor(maxStreams = 100) {
    super(0);
    this.connection = new Http2Server(this.sink, this.told, maxStreams);
  }

  get taken(): readonly Taken[] {
    return this.told.taken;
  }

  /** The request that came as the nth. */
  request(index: number): Taken {
    const request = this.told.taken[index];
    assert.ok(request !== undefined, `request ${index} did not come`);
    return request;
  }
}

/** A server whose client has begun. */
export function openServer(maxStreams?: number): DrivenServer {
  const server = new DrivenServer(maxStreams);
  server.send(PREFACE, openingFrames());
  server.frames();
  return server;
}

export class DrivenClient extends Driven {
  readonly told = new ToldConnection();
  readonly connection: Http2Client;

  constructor(maxStreams = 100) {
    super(PREFACE.length);
    this.connection = new Http2Client(this.sink, this.told, maxStreams);
  }

  /** Opens a stream. */
  request(
    endStream = true,
    ...fields: string[]
  ): { readonly stream: ReturnType<Http2Client["request"]>; readonly told: Told } {
    const told = new Told();
    const pseudo = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "example.test"];
    return { stream: this.connection.request([...pseudo, ...fields], endStream, told), told };
  }
}

/** A client whose server has begun. */
export function openClient(maxStreams?: number): DrivenClient {
  const client = new DrivenClient(maxStreams);
  client.send(openingFrames());
  client.frames();
  return client;
}
