export type {
  RevocationAnswer,
  RevocationFetch,
  RevocationRequest,
  SourceKind,
  SourceState,
  SourceStatus,
  UpstreamRevocation,
  WatchedChain,
} from "./types.ts";
export { UpstreamWatch, type UpstreamWatchOptions } from "./watch.ts";
