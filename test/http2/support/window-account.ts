// The windows of a client, counted from the frames that came and left: a second account beside the one that our client keeps.
import type { Http2Stream } from "../../../src/http2/index.ts";
import { ACK, DATA, type Frame, HEADERS, SETTINGS, WINDOW_UPDATE } from "../../proxy-tls/support/http2-frames.ts";

const FIRST_WINDOW = 65_535;
const INITIAL_WINDOW_SIZE = 4;

interface Windows {
  /** What we may send. */
  send: number;
  /** What the peer may send. */
  receive: number;
}

export class WindowAccount {
  readonly connection: Windows = { send: FIRST_WINDOW, receive: FIRST_WINDOW };
  /** The largest that the peer's window of the connection was. */
  most = FIRST_WINDOW;
  wrong: string | undefined;
  readonly #streams = new Map<number, Windows>();
  #first = FIRST_WINDOW;

  /** A frame that the peer sent, whole. */
  came({ type, flags, stream, payload }: Frame): void {
    if (type === SETTINGS && (flags & ACK) === 0) this.#settings(payload);
    else if (type === DATA) {
      this.connection.receive -= payload.length;
      const windows = this.#streams.get(stream);
      if (windows !== undefined) windows.receive -= payload.length;
    } else if (type === WINDOW_UPDATE && payload.length === 4) {
      const windows = stream === 0 ? this.connection : this.#streams.get(stream);
      if (windows !== undefined) windows.send += payload.readUInt32BE() & 0x7fff_ffff;
    }
  }

  /** A frame that our client wrote. */
  left({ type, stream, payload }: Frame): void {
    if (type === HEADERS && !this.#streams.has(stream)) {
      this.#streams.set(stream, { send: this.#first, receive: FIRST_WINDOW });
    }
    const windows = stream === 0 ? this.connection : this.#streams.get(stream);
    if (windows === undefined) return;
    if (type === WINDOW_UPDATE) windows.receive += payload.readUInt32BE();
    this.most = Math.max(this.most, this.connection.receive);
    if (type !== DATA || payload.length === 0) return;
    if (Math.min(windows.send, this.connection.send) < payload.length)
      this.wrong ??= "more DATA than the windows allow";
    windows.send -= payload.length;
    this.connection.send -= payload.length;
  }

  /** @returns what differs from what our client keeps; undefined: nothing */
  fault(sendWindow: number, streams: readonly Http2Stream[]): string | undefined {
    if (this.wrong !== undefined) return this.wrong;
    if (sendWindow !== this.connection.send)
      return `a connection's window of ${sendWindow}, not ${this.connection.send}`;
    for (const { id, sendWindow, windowBytes, received, paused } of streams) {
      const windows = this.#streams.get(id);
      if (windows?.send !== sendWindow) return `stream ${id}'s window is ${sendWindow}, not ${windows?.send}`;
      // Half a window is given back at once.
      const least = received || paused ? 0 : windowBytes / 2;
      if (windows.receive < least || windows.receive > windowBytes) {
        return `the peer's window of stream ${id} is ${windows.receive} of ${windowBytes}`;
      }
    }
    return undefined;
  }

  #settings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== INITIAL_WINDOW_SIZE) continue;
      const first = payload.readUInt32BE(at + 2);
      for (const windows of this.#streams.values()) windows.send += first - this.#first;
      this.#first = first;
    }
  }
}
