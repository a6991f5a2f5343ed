// Serial numbers (RFC 5280 4.1.2.2): 17 octets, the first the number of the replica, then 128 random bits. Positive, and
// unique across replicas without asking anybody; the ledger proves it.
import type { RandomSource } from "../../runtime/index.ts";

/** Length of our serial numbers in octets. */
export const SERIAL_BYTES = 17;

/** A fresh serial number of a replica (1 to 127). */
export function createSerial(replica: number, random: RandomSource): Uint8Array {
  if (!Number.isInteger(replica) || replica < 1 || replica > 127) throw new TypeError("a replica is numbered 1 to 127");
  const serial = new Uint8Array(SERIAL_BYTES);
  serial[0] = replica;
  serial.set(random.bytes(SERIAL_BYTES - 1), 1);
  return serial;
}
