// A stream of bytes as the frames that its lengths say, without a look at what they mean.
import { type Frame, PREFACE } from "../../proxy-tls/support/http2-frames.ts";

const HEADER_BYTES = 9;

/**
 * Cuts a client's bytes: the preface, then frames. The last piece may be a part of one.
 * @param preface how many bytes come before the first frame
 */
export function cutFrames(bytes: Buffer, preface = PREFACE.length): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const isHeader = (preface === 0 || at > 0) && at + HEADER_BYTES <= bytes.length;
    const length = preface > 0 && at === 0 ? preface : isHeader ? HEADER_BYTES + bytes.readUIntBE(at, 3) : HEADER_BYTES;
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

/** A frame that is whole, or undefined. */
export function frameOf(piece: Buffer): Frame | undefined {
  if (piece.length < HEADER_BYTES || piece.length !== HEADER_BYTES + piece.readUIntBE(0, 3)) return undefined;
  const [type = 0, flags = 0] = piece.subarray(3, 5);
  return { type, flags, stream: piece.readUInt32BE(5) & 0x7fff_ffff, payload: piece.subarray(HEADER_BYTES) };
}

/** What a server has written: whole frames, without a preface. */
export function framesOf(bytes: Buffer): Frame[] {
  return cutFrames(bytes, 0).map((piece) => {
    const frame = frameOf(piece);
    if (frame === undefined) throw new Error(`This is not a whole frame: ${piece.toString("hex")}.`);
    return frame;
  });
}

/** A frame, or a part of one, with the length that it has. */
export function resized(frame: Buffer): Buffer {
  const copy = Buffer.from(frame);
  if (copy.length >= 9) copy.writeUIntBE(copy.length - 9, 0, 3);
  return copy;
}
