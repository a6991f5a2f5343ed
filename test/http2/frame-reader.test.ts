// Cutting bytes into frames: however they come, the same is told; and what cannot be a frame is refused where it is seen.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ConnectionFault } from "../../src/http2/fault.ts";
import { type FrameHandler, FrameReader } from "../../src/http2/frame-reader.ts";
import { DATA, data, END_STREAM, frame, HEADERS, PADDED, PING, PREFACE } from "../proxy-tls/support/http2-frames.ts";

/** Writes down what is told; pieces of data are joined, since their cuts are the socket's. */
class Log implements FrameHandler {
  readonly told: string[] = [];
  act: () => void = () => {};
  #data = "";

  dataBegins(stream: number, length: number): void {
    this.told.push(`begins ${stream} ${length}`);
    this.act();
  }

  dataPiece(piece: Buffer): void {
    assert.ok(piece.length > 0, "an empty piece");
    this.#data += piece.toString("hex");
    this.act();
  }

  dataEnds(flags: number, bytes: number, padding: number): void {
    assert.equal(this.#data.length, 2 * bytes);
    this.told.push(`ends ${flags} ${this.#data} ${padding}`);
    this.#data = "";
    this.act();
  }

  frame(type: number, flags: number, stream: number, buffer: Buffer, start: number, end: number): void {
    this.told.push(`frame ${type} ${flags} ${stream} ${buffer.toString("hex", start, end)}`);
    this.act();
  }
}

function read(chunks: readonly Buffer[], log = new Log()): { told: string[]; unfinished: number } {
  const reader = new FrameReader(log, true);
  let unfinished = 0;
  try {
    for (const chunk of chunks) {
      reader.read(chunk);
      unfinished = reader.unfinished;
    }
  } catch (error) {
    if (!(error instanceof ConnectionFault)) throw error;
    log.told.push(`fault ${error.code}`);
  }
  return { told: log.told, unfinished };
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((one, other) => one - other), bytes.length];
  // Each chunk has memory of its own, as a socket's has.
  return at.slice(1).map((end, index) => Buffer.from(bytes.subarray(at[index], end)));
}

const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.integer({ min: 0, max: 16_390 }).map((length) => new Uint8Array(length).fill(7)),
);
const frames = fc
  .tuple(fc.oneof(fc.constant(DATA), fc.nat(12)), fc.nat(255), fc.integer({ min: 0, max: 2 ** 32 - 1 }), payloads)
  .map(([type, flags, stream, payload]) => frame(type, flags, stream, payload));

describe("a reader of frames", () => {
  test("tells the same however the bytes are cut (RFC 9113 section 4.1)", () => {
    fc.assert(
      fc.property(fc.array(frames, { maxLength: 6 }), fc.array(fc.nat(40_000), { maxLength: 12 }), (list, places) => {
        const bytes = Buffer.concat([PREFACE, ...list]);
        const whole = read([bytes]);
        assert.deepEqual(read(cut(bytes, places)).told, whole.told);
        if (bytes.length < 400) {
          assert.deepEqual(
            read(Array.from(bytes, (_, at) => Buffer.from(bytes.subarray(at, at + 1)))).told,
            whole.told,
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  test("ignores the reserved bit of a stream's number (section 4.1)", () => {
    assert.deepEqual(read([PREFACE, frame(PING, 0, 0x8000_0003, Buffer.alloc(1))]).told, ["frame 6 0 3 00"]);
  });

  test("takes a frame of 16,384 bytes and none of 16,385, whose payload it does not wait for (section 4.2)", () => {
    assert.equal(read([PREFACE, frame(HEADERS, 0, 1, Buffer.alloc(16_384))]).told.length, 1);
    assert.deepEqual(read([PREFACE, frame(HEADERS, 0, 1, Buffer.alloc(16_385)).subarray(0, 9)]).told, ["fault 6"]);
    assert.deepEqual(read([PREFACE, frame(DATA, 0, 1, Buffer.alloc(16_385)).subarray(0, 9)]).told, ["fault 6"]);
  });

  test("refuses padding that fills its frame (section 6.1), and takes padding that leaves nothing", () => {
    assert.deepEqual(read([PREFACE, data(1, PADDED, Buffer.from([3, 0, 0]))]).told, ["begins 1 3", "fault 1"]);
    assert.deepEqual(read([PREFACE, data(1, PADDED, Buffer.from([2, 0, 0]))]).told, [
      "begins 1 3",
      `ends ${PADDED}  3`,
    ]);
    assert.deepEqual(read([PREFACE, data(1, PADDED, "")]).told, ["fault 6"]);
  });

  test("refuses another preface at its first wrong byte (section 3.4)", () => {
    assert.deepEqual(read([Buffer.from("PRI * HTTP/1.1")]).told, ["fault 1"]);
    assert.deepEqual(read([Buffer.from("PRI * HTTP/2.0\r\n"), Buffer.from("G")]).told, ["fault 1"]);
  });

  test("tells nothing more once it was stopped, wherever it is", () => {
    const bytes = [
      PREFACE,
      frame(PING, 0, 0),
      data(1, PADDED | END_STREAM, Buffer.from([1, 65, 66, 0])),
      data(1, 0, ""),
    ];
    const all = read([Buffer.concat(bytes)]).told.length;
    for (let stops = 1; stops <= all + 1; stops += 1) {
      const log = new Log();
      const reader = new FrameReader(log, true);
      let acts = 0;
      log.act = () => {
        acts += 1;
        assert.ok(acts <= stops, "told behind its stop");
        if (acts === stops) reader.stop();
      };
      for (const part of bytes) reader.read(part);
      reader.read(Buffer.concat(bytes));
      assert.equal(acts, stops);
    }
  });

  test("says what has begun to come and is not whole, but for bodies", () => {
    const ping = frame(PING, 0, 0, Buffer.alloc(8));
    assert.notEqual(read([]).unfinished + read([PREFACE.subarray(0, 3)]).unfinished, 0);
    assert.equal(read([PREFACE]).unfinished, 0);
    for (const places of [[1], [8], [9], [10], [16]]) {
      const parts = cut(ping, places);
      assert.notEqual(read([PREFACE, ...parts.slice(0, 1)]).unfinished, 0, `cut at ${places}`);
      assert.equal(read([PREFACE, ...parts]).unfinished, 0);
    }
    assert.equal(read([PREFACE, data(1, 0, "abc").subarray(0, 10)]).unfinished, 0);
  });
});
