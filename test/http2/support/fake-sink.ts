// A socket for the engine's tests: what is written to it is kept, may wait for a peer that does not read, and must never change behind the write.
import assert from "node:assert/strict";
import type { ByteSink } from "../../../src/http2/index.ts";

const HIGH_WATER_MARK = 64 * 1024;

export class FakeSink implements ByteSink {
  destroyed = false;
  writableNeedDrain = false;
  writableLength = 0;
  writableHighWaterMark = HIGH_WATER_MARK;
  paused = false;
  /** The peer does not read: what is written waits until `take`. */
  holds = false;
  /** Nothing may be written any more. */
  ended = false;
  writes = 0;
  #written: { readonly bytes: Uint8Array; readonly copy: Buffer }[] = [];

  write(bytes: Uint8Array): boolean {
    assert.equal(this.ended, false, "a write behind the end");
    this.writes += 1;
    this.#written.push({ bytes, copy: Buffer.from(bytes) });
    if (this.holds) {
      this.writableLength += bytes.length;
      this.writableNeedDrain = this.writableLength >= this.writableHighWaterMark;
    }
    return !this.writableNeedDrain;
  }

  /** The peer reads all that was written. @returns whether the owner has to be told that it drained */
  take(): { readonly bytes: Buffer; readonly drains: boolean } {
    const parts = this.#written.splice(0);
    for (const { bytes, copy } of parts) assert.ok(copy.equals(bytes), "bytes changed behind their write");
    const drains = this.writableNeedDrain;
    this.writableLength = 0;
    this.writableNeedDrain = false;
    return { bytes: Buffer.concat(parts.map(({ copy }) => copy)), drains };
  }

  /** Bytes of the memory that is kept for what waits to be read. */
  get pinned(): number {
    const memory = new Set(this.#written.map(({ bytes }) => bytes.buffer));
    return [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  cork(): void {}
  uncork(): void {}

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }
}
