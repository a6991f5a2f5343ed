export { type Clock, type DatabaseClock, formatTime, systemClock } from "./clock.ts";
export { assertNever, MeshCaError, type MeshCaErrorCode, type MeshCaErrorOptions } from "./errors.ts";
export { type LogFields, type Logger, silentLogger } from "./logger.ts";
export {
  type BoundCounter,
  type BoundHistogram,
  type MetricAttributes,
  type MetricOptions,
  type Metrics,
  silentMetrics,
} from "./metrics.ts";
export { packageRoot } from "./package-root.ts";
export { createSystemRandom, type RandomSource, systemRandom } from "./random.ts";
