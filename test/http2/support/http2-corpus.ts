// The kept corpus of the HTTP/2 engine: streams of a client of which each once did something that no other did, or showed a fault. One stream a
// line: PREFACE where it has one, and each frame in hexadecimal. `node test/fuzz/http2.ts --keep` adds to it.
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PREFACE } from "../../proxy-tls/support/http2-frames.ts";
import { cutFrames } from "./frames-of.ts";
import { readWithNode } from "./node-server.ts";
import { type Manner, type OurReading, readWithOurs } from "./our-server.ts";
import { requestDifference } from "./same-requests.ts";

const file = join(import.meta.dirname, "../corpus/client.txt");
const SPLITS: readonly (readonly number[])[] = [[1], [2, 3, 5, 100]];

export interface Verdict {
  /** What is wrong; undefined: nothing. */
  readonly fault: string | undefined;
  /** What is particular about the stream, in few words. */
  readonly feature: string;
}

export function keptStreams(): Buffer[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map(readLine);
}

export function keep(stream: Buffer): void {
  appendFileSync(file, `${lineOf(stream)}\n`);
}

export function lineOf(stream: Buffer): string {
  const [first, ...rest] = cutFrames(stream);
  const words = rest.map((frame) => frame.toString("hex"));
  return [first?.equals(PREFACE) === true ? "PREFACE" : first?.toString("hex"), ...words].join(" ");
}

function readLine(line: string): Buffer {
  return Buffer.concat(line.split(" ").map((word) => (word === "PREFACE" ? PREFACE : Buffer.from(word, "hex"))));
}

/** Reads a stream with our engine, whole and split, with answers and without, and with node. */
export async function check(stream: Buffer): Promise<Verdict> {
  const pieces = cutFrames(stream);
  const ours = readWithOurs(pieces, "silent");
  const theirs = await readWithNode(pieces);
  const fault =
    ours.wrong ??
    splitFault(stream, ours, "silent") ??
    echoFault(stream, pieces) ??
    requestDifference(ours, theirs, pieces);
  const told = ours.requests.map(({ trailers }) =>
    trailers === undefined ? "cut" : trailers.length > 0 ? "trailers" : "whole",
  );
  const reasons = ours.log.map((line) => /malformed.*/.exec(line)?.[0]).filter((reason) => reason !== undefined);
  const words = [...new Set([...told, ...ours.codes])].sort();
  const ends = [ours.end?.why, theirs.end?.why.slice(0, 40), theirs.resets.size > 0];
  return { fault, feature: [...words, reasons.at(-1), ...ends].join(" ") };
}

function echoFault(stream: Buffer, pieces: readonly Buffer[]): string | undefined {
  const echo = readWithOurs(pieces, "echo");
  return echo.wrong ?? splitFault(stream, echo, "echo");
}

function splitFault(stream: Buffer, whole: OurReading, manner: Manner): string | undefined {
  for (const sizes of SPLITS) {
    const other = readWithOurs(cut(stream, sizes), manner);
    if (other.wrong !== undefined) return other.wrong;
    const line = whole.log.findIndex((text, index) => text !== other.log[index]);
    if (line >= 0 || other.log.length !== whole.log.length) {
      return `another split tells something else: ${whole.log[line]} / ${other.log[line]}`;
    }
    if (other.written.join() !== whole.written.join()) return "another split writes other frames";
  }
  return undefined;
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
