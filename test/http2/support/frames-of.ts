// A stream of bytes as the frames that its lengths say, without a look at what they mean.
import { type Frame, takeFrames } from "../../proxy-tls/support/http2-frames.ts";

const HEADER_BYTES = 9;

/** Cuts a peer's bytes: the preface, then frames. The last piece may be a part of one. @param preface its bytes: a server has none */
export function cutFrames(bytes: Buffer, preface: number): Buffer[] {
  const pieces: Buffer[] = preface > 0 && bytes.length > 0 ? [bytes.subarray(0, preface)] : [];
  for (let at = preface, length = 0; at < bytes.length; at += length) {
    length = HEADER_BYTES + (at + HEADER_BYTES <= bytes.length ? bytes.readUIntBE(at, 3) : 0);
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

/** What was written, without a preface: whole frames. */
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
