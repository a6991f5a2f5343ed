// Randomness is a parameter (invariant 7). The system source draws from a pool, because one call to the kernel for each
// serial number costs more than the number.
import { randomFillSync } from "node:crypto";

/** A source of cryptographically secure random bytes. */
export interface RandomSource {
  /** `length` fresh random bytes; never the same bytes twice. */
  bytes(length: number): Uint8Array;
}

const POOL_BYTES = 4096;

/** The operating system's randomness, read in blocks. */
export function createSystemRandom(): RandomSource {
  const pool = new Uint8Array(POOL_BYTES);
  let used = POOL_BYTES;
  return {
    bytes(length) {
      if (length > POOL_BYTES / 4) return randomFillSync(new Uint8Array(length));
      if (used + length > POOL_BYTES) {
        randomFillSync(pool);
        used = 0;
      }
      const out = pool.slice(used, used + length);
      pool.fill(0, used, used + length);
      used += length;
      return out;
    },
  };
}

export const systemRandom: RandomSource = createSystemRandom();

/** A random UUID (RFC 9562 section 5.4, version 4), in lower case. */
export function randomUuid(random: RandomSource): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
