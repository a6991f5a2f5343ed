// An end of node:http2 (nghttp2) that is given bytes in memory: each piece is read before the next comes.
import type { Http2Session } from "node:http2";
import { type Duplex, duplexPair } from "node:stream";
import { type Frame, GOAWAY, RST_STREAM } from "../../proxy-tls/support/http2-frames.ts";
import { framesOf } from "./frames-of.ts";
import type { Reading } from "./reading.ts";

export class NodeSession {
  readonly resets = new Map<number, number>();
  end: Reading["end"];
  /** The number of the piece that is being read. */
  at = 0;
  readonly #peer: "client" | "server";
  readonly #near: Duplex;
  readonly #session: Http2Session;
  #written: Buffer[] = [];

  constructor(begin: (side: Duplex) => Http2Session, peer: "client" | "server") {
    const [near, side] = duplexPair();
    this.#peer = peer;
    this.#near = near;
    near.on("data", (chunk: Buffer) => this.#written.push(chunk));
    near.on("error", () => {});
    side.on("error", () => {});
    this.#session = begin(side);
    this.#session.on("error", (error) => this.#over(error.message));
    this.#session.on("close", () => this.#over("closed"));
    this.#session.on("goaway", (code) => {
      if (!this.#isFarewell(code)) this.#over(`the ${peer}'s GOAWAY`);
    });
  }

  /** @param note is told each frame that it writes */
  async read(pieces: readonly Buffer[], note: (frame: Frame) => void = () => {}): Promise<void> {
    for (const piece of pieces) {
      if (this.end !== undefined) break;
      this.#near.write(piece);
      for (const frame of await this.written()) note(frame);
      this.at += 1;
    }
  }

  /** The frames that it wrote since the last call. @param skip a preface of so many bytes */
  async written(skip = 0): Promise<Frame[]> {
    await turn();
    await turn();
    // Whole frames: it writes them at once.
    const frames = framesOf(Buffer.concat(this.#written.splice(0)).subarray(skip));
    for (const { type, stream, payload } of frames) {
      if (type === RST_STREAM && !this.resets.has(stream)) this.resets.set(stream, this.at);
      const code = type === GOAWAY ? payload.readUInt32BE(4) : 0;
      if (type === GOAWAY && !this.#isFarewell(code)) this.#over(`GOAWAY ${code} ${payload.toString("latin1", 8)}`);
    }
    return frames;
  }

  destroy(): void {
    this.#session.destroy();
    this.#near.destroy();
  }

  /** A client of node's answers a server's farewell by its own, and goes on with what it reached. */
  #isFarewell(code: number): boolean {
    return this.#peer === "server" && code === 0;
  }

  #over(why: string): void {
    this.end ??= { at: this.at, why };
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
