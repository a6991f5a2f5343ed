// A stream of bytes as the frames that its lengths say, without a look at what they mean.
import { type Frame, PREFACE, takeFrames } from "../../proxy-tls/support/http2-frames.ts";

const HEADER_BYTES = 9;

/** Cuts a client's bytes: the preface, then frames. The last piece may be a part of one. */
export function cutFrames(bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, length = PREFACE.length; at < bytes.length; at += length) {
    if (at > 0) length = HEADER_BYTES + (at + HEADER_BYTES <= bytes.length ? bytes.readUIntBE(at, 3) : 0);
    pieces.push(bytes.subarray(at, at + length));
  }
  return pieces;
}

/** A frame that is whole, or undefined. */
export function frameOf(piece: Buffer): Frame | undefined {
  const { frames, rest } = takeFrames(piece);
  const [frame] = frames;
  if (frame === undefined || frames.length > 1 || rest.length > 0) return undefined;
  return { ...frame, stream: frame.stream & 0x7fff_ffff };
}

/** What a server has written: whole frames, without a preface. */
export function framesOf(bytes: Buffer): Frame[] {
  const { frames, rest } = takeFrames(bytes);
  if (rest.length > 0) throw new Error(`This is not a whole frame: ${rest.toString("hex")}.`);
  return frames;
}

/** A frame, or a part of one, with the length that it has. */
export function resized(frame: Buffer): Buffer {
  const copy = Buffer.from(frame);
  if (copy.length >= 9) copy.writeUIntBE(copy.length - 9, 0, 3);
  return copy;
}
