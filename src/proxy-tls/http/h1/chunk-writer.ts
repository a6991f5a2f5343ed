// The writer of chunked bodies (RFC 9112 7.1). A body that is cut short is never ended by it: its connection is destroyed.
import type { SafeFields } from "../fields/safe-fields.ts";

/** Behind the data of each chunk. */
export const CHUNK_END = "\r\n";

/**
 * What stands before `bytes` octets of data.
 * @throws {TypeError} not a positive whole number: a chunk of no octets would end the body
 */
export function chunkHeader(bytes: number): string {
  if (!Number.isSafeInteger(bytes) || bytes <= 0) throw new TypeError("A chunk has at least one octet.");
  return `${bytes.toString(16)}\r\n`;
}

/** The end of the body, with its trailers. */
export function lastChunk(trailers: SafeFields): string {
  let lines = "0\r\n";
  for (let i = 0; i < trailers.length; i += 2) lines += `${trailers[i]}: ${trailers[i + 1]}\r\n`;
  return `${lines}\r\n`;
}
