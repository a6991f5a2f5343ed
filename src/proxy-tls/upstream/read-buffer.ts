// Where bytes of plaintext targets are read to. Node would allocate 64 KiB for each read and give back what was not filled: for the short
// answers that most reads are, that is most of what a read costs. They are read into one buffer of this process and copied out of it at once;
// whoever fills it has more to say, and is read into larger buffers that go on uncopied. Whoever sends such a piece on may give its buffer
// back for a later read, which saves the collector its work; what nobody gives back is garbage.
import type { OnReadOpts, Socket } from "node:net";

/** What libuv reads at a time. */
const READ_BYTES = 64 * 1024;
/** A read of so many bytes is bulk: copying would cost more than a buffer. */
const BULK_BYTES = 16 * 1024;
/** What Node then encrypts at once takes less than 64 KiB, too, from where the allocator would map pages anew each time. */
const BULK_READ_BYTES = 3 * BULK_BYTES - 16;
/** So many buffers wait for later reads: a bulk transfer has two at a time. */
const MAX_FREE = 32;

/** Nothing in it outlives the callback of the read that wrote it. */
const shared = Buffer.allocUnsafeSlow(READ_BYTES);
const free: Buffer[] = [];
/** Those that hold, or will hold, a piece that nobody has claimed yet. */
const lent = new WeakSet<ArrayBufferLike>();

/**
 * The option `onread` of a socket, which still tells `data`.
 * @param socket the socket that has the option
 */
export function readBuffer(socket: () => Socket): OnReadOpts {
  let isBulk = false;
  return {
    buffer: () => (isBulk ? lend() : shared),
    callback(bytes, buffer) {
      isBulk = bytes >= BULK_BYTES;
      const read = buffer.subarray(0, bytes);
      return socket().push(buffer === shared ? Buffer.from(read) : read);
    },
  };
}

/**
 * Claims the buffer that a piece of such a socket lies in.
 * @returns what gives it back, to be called when the piece's write has ended, well or not, and nobody looks at it any more; undefined: the
 *   piece lies in none of ours, or was claimed before
 */
export function claimBuffer({ buffer }: Buffer): (() => void) | undefined {
  if (buffer.byteLength !== BULK_READ_BYTES || !lent.delete(buffer)) return undefined;
  let claimed: ArrayBufferLike | undefined = buffer;
  return () => {
    if (claimed !== undefined && free.length < MAX_FREE) free.push(Buffer.from(claimed));
    claimed = undefined;
  };
}

function lend(): Buffer {
  const buffer = free.pop() ?? Buffer.allocUnsafeSlow(BULK_READ_BYTES);
  lent.add(buffer.buffer);
  return buffer;
}
