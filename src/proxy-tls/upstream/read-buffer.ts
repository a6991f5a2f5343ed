// Where bytes of plaintext targets are read to. Node would allocate 64 KiB for each read and give back what was not filled: for the short
// answers that most reads are, that is most of what a read costs. They are read into one buffer of this process and copied out of it at once;
// whoever fills it has more to say, and gets buffers of its own, which go on uncopied.
import type { OnReadOpts, Socket } from "node:net";

/** What libuv reads at a time. */
const READ_BYTES = 64 * 1024;
/** A read of so many bytes is bulk: copying would cost more than a buffer. */
const BULK_BYTES = 16 * 1024;
/** What Node then encrypts at once takes less than 64 KiB, too, from where the allocator would map pages anew each time. */
const BULK_READ_BYTES = 3 * BULK_BYTES - 16;

/** Nothing in it outlives the callback of the read that wrote it. */
const shared = Buffer.allocUnsafeSlow(READ_BYTES);

/**
 * The option `onread` of a socket, which still tells `data`.
 * @param socket the socket that has the option
 */
export function readBuffer(socket: () => Socket): OnReadOpts {
  let isBulk = false;
  return {
    buffer: () => (isBulk ? Buffer.allocUnsafeSlow(BULK_READ_BYTES) : shared),
    callback(bytes, buffer) {
      isBulk = bytes >= BULK_BYTES;
      const read = buffer.subarray(0, bytes);
      return socket().push(buffer === shared ? Buffer.from(read) : read);
    },
  };
}
