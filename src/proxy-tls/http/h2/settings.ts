// What every HTTP/2 session of ours is told, on both sides (spec: http-engine.md, HTTP/2). Node's defaults bound neither streams nor
// fields in a useful way; nothing here is left to them.
import type { ClientSessionOptions, ServerSessionOptions, Settings } from "node:http2";

/** Bytes of a header list as RFC 9113 section 6.5.2 counts them. */
export const MAX_HEADER_LIST_BYTES = 32_768;
/** 100 fields and four pseudo-fields. Node counts them all. */
const MAX_HEADER_LIST_PAIRS = 104;
const DEFAULT_STREAMS = 100;
/** Unacknowledged pings of ours; there is at most one. */
const MAX_OUTSTANDING_PINGS = 2;

const SHARED = {
  maxHeaderListPairs: MAX_HEADER_LIST_PAIRS,
  /** In megabytes. */
  maxSessionMemory: 2,
  maxOutstandingPings: MAX_OUTSTANDING_PINGS,
  maxSessionInvalidFrames: 50,
  maxSessionRejectedStreams: 20,
  /** Off: node would throw where a field came twice. What may occur twice is decided by the screens. */
  strictSingleValueFields: false,
} as const;

function settings(maxConcurrentStreams: number): Settings {
  return {
    maxConcurrentStreams,
    maxHeaderListSize: MAX_HEADER_LIST_BYTES,
    enablePush: false,
    enableConnectProtocol: false,
  };
}

/** Options of a server session that lets its client open `streams` streams at a time. */
export function serverSessionOptions(streams: number): ServerSessionOptions {
  return { ...SHARED, streamResetBurst: 50, streamResetRate: 10, settings: settings(streams) };
}

/** Options of a client session. A target opens no streams: push is refused. */
export function clientSessionOptions(): ClientSessionOptions {
  return {
    ...SHARED,
    maxReservedRemoteStreams: 0,
    peerMaxConcurrentStreams: DEFAULT_STREAMS,
    settings: settings(DEFAULT_STREAMS),
  };
}

/** Streams that we open at a time on one connection, whatever the target allows. */
export const MAX_UPSTREAM_STREAMS = DEFAULT_STREAMS;
