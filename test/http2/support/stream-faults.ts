// Faults that a peer's stream of frames is damaged with: in octets, lengths and flags, and in what frames there are and in which order.
import fc from "fast-check";
import * as h2 from "../../proxy-tls/support/http2-frames.ts";
import { cutFrames, resized } from "./frames-of.ts";

const KINDS = [
  "bit",
  "octet",
  "insert",
  "cut",
  "drop",
  "twice",
  "swap",
  "flags",
  "type",
  "stream",
  "length",
  "truncate",
  "split",
  "splice",
  "padding",
] as const;

/** One thing that is done to a stream. */
export interface Fault {
  readonly kind: (typeof KINDS)[number];
  /** Which frame, and where in it. */
  readonly frame: number;
  readonly at: number;
  readonly value: number;
}

export const streamFaults: fc.Arbitrary<readonly Fault[]> = fc.array(
  fc.record({ kind: fc.constantFrom(...KINDS), frame: fc.nat(), at: fc.nat(), value: fc.nat(255) }),
  { minLength: 0, maxLength: 4 },
);

/** @param tail another stream, whose frames may be put in @param preface bytes of the preface that both begin with */
export function damaged(stream: Buffer, tail: Buffer, faults: readonly Fault[], preface: number): Buffer {
  let frames = cutFrames(stream, preface);
  for (const fault of faults) {
    frames = cutFrames(Buffer.concat(withFault(frames, cutFrames(tail, preface), fault)), preface);
  }
  return Buffer.concat(frames);
}

function withFault(frames: readonly Buffer[], others: readonly Buffer[], fault: Fault): Buffer[] {
  // The preface, or a server's first frame, is spared, mostly: behind a wrong one there is nothing to see.
  const spared = fault.value % 64 === 0 ? 0 : 1;
  const index = spared + (fault.frame % Math.max(1, frames.length - spared));
  const before = frames.slice(0, index);
  const after = frames.slice(index + 1);
  const frame = Buffer.from(frames[index] ?? "");
  const place = Math.min(frame.length, 9) + (fault.at % Math.max(1, frame.length - 9));
  const { value } = fault;
  switch (fault.kind) {
    case "bit": {
      const at = fault.at % Math.max(1, frame.length);
      frame[at] = (frame[at] ?? 0) ^ (1 << (value % 8));
      return [...before, frame, ...after];
    }
    case "octet":
      frame[place] = value;
      return [...before, frame, ...after];
    case "insert":
      return [
        ...before,
        resized(Buffer.concat([frame.subarray(0, place), Buffer.from([value]), frame.subarray(place)])),
        ...after,
      ];
    case "cut":
      return [
        ...before,
        resized(Buffer.concat([frame.subarray(0, place), frame.subarray(place + 1 + (value % 4))])),
        ...after,
      ];
    case "truncate":
      return [...before, frame.subarray(0, place), ...after];
    case "drop":
      return [...before, ...after];
    case "twice":
      return [...before, frame, frame, ...after];
    case "swap":
      return [...before, ...after.slice(0, 1), frame, ...after.slice(1)];
    case "splice":
      return [...before, frame, ...others.slice(1 + (fault.at % 4), 2 + (fault.at % 4) + (value % 3)), ...after];
    case "flags":
      if (frame.length > 4) frame[4] = (frame[4] ?? 0) ^ ([1, 4, 8, 0x20][value % 4] ?? 0);
      return [...before, frame, ...after];
    case "type":
      if (frame.length > 3) frame[3] = value % 11;
      return [...before, frame, ...after];
    case "stream":
      if (frame.length > 8) frame[8] = value % 9;
      return [...before, frame, ...after];
    case "length":
      if (frame.length > 2) frame[2] = (frame[2] ?? 0) + (value % 9) - 4;
      return [...before, frame, ...after];
    case "padding":
      if (frame.length > 9) frame[4] = (frame[4] ?? 0) | h2.PADDED;
      return [...before, frame, ...after];
    case "split": {
      if (frame.length < 9 || (frame[3] !== h2.HEADERS && frame[3] !== h2.CONTINUATION))
        return [...before, frame, ...after];
      const flags = frame[4] ?? 0;
      const first = resized(frame.subarray(0, place));
      first[4] = flags & ~h2.END_HEADERS;
      const rest = h2.frame(h2.CONTINUATION, flags & h2.END_HEADERS, frame.readUInt32BE(5), frame.subarray(place));
      return [...before, first, rest, ...after];
    }
  }
}
