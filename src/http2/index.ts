// HTTP/2 as this project speaks it (RFC 9113, RFC 7541), for the rooms that have sockets. The engine knows none, and no timer; socket/ is handed
// one to drive it with.
export { Http2Client } from "./client.ts";
export type { ConnectionEvents } from "./connection.ts";
export { ConnectionFault } from "./fault.ts";
export { characterTable, NAME_CHARACTERS, VALUE_CHARACTERS } from "./field-characters.ts";
export { type FieldList, keepMarks } from "./field-list.ts";
export type { ResetAllowance } from "./flood-budget.ts";
export {
  CANCEL,
  ENHANCE_YOUR_CALM,
  INTERNAL_ERROR,
  NO_ERROR,
  PREFACE,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
} from "./protocol.ts";
export { Http2Server, type ServerEvents } from "./server.ts";
export type { ByteSink } from "./sink.ts";
export { SocketDriver, type SocketOwner } from "./socket/socket-driver.ts";
export { WriteStall } from "./socket/write-stall.ts";
export type { Http2Stream, StreamOwner, StreamReset } from "./stream.ts";
export { UnfinishedTime } from "./unfinished-time.ts";
