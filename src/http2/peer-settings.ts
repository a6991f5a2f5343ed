// What the peer's SETTINGS say (RFC 9113 section 6.5.2).
import { ConnectionFault } from "./fault.ts";
import {
  DEFAULT_WINDOW_BYTES,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  MAX_FRAME_BYTES,
  MAX_WINDOW_BYTES,
  PROTOCOL_ERROR,
  SETTINGS_ENABLE_PUSH,
  SETTINGS_HEADER_TABLE_SIZE,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_CONCURRENT_STREAMS,
  SETTINGS_MAX_FRAME_SIZE,
} from "./protocol.ts";

const SETTING_BYTES = 6;
const MAX_FRAME_LIMIT = 2 ** 24 - 1;

export class PeerSettings {
  /** Of the decoder's table. */
  headerTableBytes = 4_096;
  /** Streams that we may have open; without bound unless it says one. */
  maxConcurrentStreams = Number.POSITIVE_INFINITY;
  initialWindowBytes = DEFAULT_WINDOW_BYTES;

  /**
   * Reads the payload of a SETTINGS frame. Frames of ours are never longer than every peer must take, so that its largest is not kept; nor are
   * settings that are unknown, or a header list's, which is advice.
   * @param toClient it came from a server
   * @throws ConnectionFault
   */
  read(buffer: Buffer, start: number, end: number, toClient: boolean): void {
    if ((end - start) % SETTING_BYTES !== 0) throw new ConnectionFault(FRAME_SIZE_ERROR, "SETTINGS of a wrong length");
    for (let at = start; at < end; at += SETTING_BYTES) {
      const value = buffer.readUInt32BE(at + 2);
      switch (buffer.readUInt16BE(at)) {
        case SETTINGS_HEADER_TABLE_SIZE:
          this.headerTableBytes = value;
          break;
        case SETTINGS_ENABLE_PUSH:
          // A server must not ask to be pushed at.
          if (value > (toClient ? 0 : 1)) throw new ConnectionFault(PROTOCOL_ERROR, "a wrong SETTINGS_ENABLE_PUSH");
          break;
        case SETTINGS_MAX_CONCURRENT_STREAMS:
          this.maxConcurrentStreams = value;
          break;
        case SETTINGS_INITIAL_WINDOW_SIZE:
          if (value > MAX_WINDOW_BYTES) throw new ConnectionFault(FLOW_CONTROL_ERROR, "a first window beyond 2^31-1");
          this.initialWindowBytes = value;
          break;
        case SETTINGS_MAX_FRAME_SIZE:
          if (value < MAX_FRAME_BYTES || value > MAX_FRAME_LIMIT) {
            throw new ConnectionFault(PROTOCOL_ERROR, "a wrong SETTINGS_MAX_FRAME_SIZE");
          }
          break;
      }
    }
  }
}
