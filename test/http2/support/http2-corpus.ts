// The kept corpora of the HTTP/2 engine: streams of a client for our server, and of a server for our client, of which each once did something that
// no other did, or showed a fault. One stream a line: PREFACE where it has one, and each frame in hexadecimal.
// `node test/fuzz/http2.ts --keep` adds to them.
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PREFACE } from "../../proxy-tls/support/http2-frames.ts";
import { cutFrames } from "./frames-of.ts";
import type { OurReading } from "./reading.ts";

const SPLITS: readonly (readonly number[])[] = [[1], [2, 3, 5, 100]];
/** Octet by octet they would take too long. */
const LONG_BYTES = 20_000;
const LONG_SPLITS: readonly (readonly number[])[] = [[900, 7, 1, 20_000]];

export interface Verdict {
  /** What is wrong; undefined: nothing. */
  readonly fault: string | undefined;
  /** What is particular about the stream, in few words. */
  readonly feature: string;
}

export class Corpus {
  /** Bytes of the preface with which its streams begin. */
  readonly preface: number;
  readonly #file: string;

  /** @param name whose streams they are */
  constructor(name: "client" | "server") {
    this.preface = name === "client" ? PREFACE.length : 0;
    this.#file = join(import.meta.dirname, `../corpus/${name}.txt`);
  }

  streams(): Buffer[] {
    const lines = readFileSync(this.#file, "utf8").split("\n");
    return lines.filter((line) => line !== "").map(readLine);
  }

  keep(stream: Buffer): void {
    appendFileSync(this.#file, `${this.lineOf(stream)}\n`);
  }

  lineOf(stream: Buffer): string {
    const words = cutFrames(stream, this.preface).map((piece) =>
      piece.equals(PREFACE) ? "PREFACE" : piece.toString("hex"),
    );
    return words.join(" ");
  }
}

function readLine(line: string): Buffer {
  return Buffer.concat(line.split(" ").map((word) => (word === "PREFACE" ? PREFACE : Buffer.from(word, "hex"))));
}

/** @returns what is wrong: in a reading, or because another split of the same bytes is read otherwise */
export function readingFault(
  stream: Buffer,
  whole: OurReading,
  read: (pieces: readonly Buffer[]) => OurReading,
): string | undefined {
  if (whole.wrong !== undefined) return whole.wrong;
  for (const sizes of stream.length > LONG_BYTES ? LONG_SPLITS : SPLITS) {
    const other = read(cut(stream, sizes));
    if (other.wrong !== undefined) return other.wrong;
    const line = whole.log.findIndex((text, index) => text !== other.log[index]);
    if (line >= 0 || other.log.length !== whole.log.length) {
      return `another split tells something else: ${whole.log[line]} / ${other.log[line]}`;
    }
    if (other.written.join() !== whole.written.join()) return "another split writes other frames";
  }
  return undefined;
}

/** What is particular about how both read a stream. @param told how its messages ended @param more that is */
export function featureOf(ours: OurReading, told: readonly string[], ...more: readonly unknown[]): string {
  const reasons = ours.log.map((line) => /malformed.*/.exec(line)?.[0]).filter((reason) => reason !== undefined);
  const words = [...new Set([...told, ...ours.codes])].sort();
  return [...words, reasons.at(-1), ours.end?.why, ...more].join(" ");
}

/** By these sizes, again and again. */
function cut(stream: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const size = sizes[pieces.length % sizes.length] ?? 1;
    pieces.push(stream.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
