// The streams of a connection that wait to send, or to be told that they may. They take turns.
import type { Http2Connection } from "./connection.ts";
import type { Http2Stream } from "./stream.ts";

/** How many that have ended may be in the list. */
const SPARE = 16;

export class WaitingStreams {
  #streams: Http2Stream[] = [];

  /** @param open how many streams are open */
  add(stream: Http2Stream, open: number): void {
    if (stream.listed) return;
    stream.listed = true;
    // Those that ended while they waited leave with the next turn. Where none comes, they must not grow in number.
    if (this.#streams.length > 2 * open + SPARE) this.#streams = this.#streams.filter(({ closed }) => !closed);
    this.#streams.push(stream);
  }

  /** Lets them send, a frame of each at a time, while there is room. Whoever was not reached is before whoever was. */
  pump(connection: Http2Connection): void {
    for (let progress = true; progress && this.#streams.length > 0 && !isStopped(connection); ) {
      progress = false;
      const streams = this.#streams;
      this.#streams = [];
      let left = 0;
      for (const stream of streams) {
        stream.listed = false;
        if (stream.closed) continue;
        if (stream.pump()) progress = true;
        else {
          stream.listed = true;
          streams[left] = stream;
          left += 1;
        }
      }
      if (left === 0) continue;
      streams.length = left;
      streams.push(...this.#streams);
      this.#streams = streams;
    }
  }
}

function isStopped({ over, output }: Http2Connection): boolean {
  return over || output.full;
}
