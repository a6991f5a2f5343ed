export { type Clock, type DatabaseClock, formatTime, systemClock } from "./clock.ts";
export { systemdCredential } from "./credentials.ts";
export { assertNever, MeshCaError, type MeshCaErrorCode, type MeshCaErrorOptions } from "./errors.ts";
export { closeOnSignal, Lifecycle, type SignalOptions } from "./lifecycle.ts";
export { LineAllowance } from "./line-allowance.ts";
export { LineSink, PIPE_PIECE_BYTES, writerTo } from "./line-sink.ts";
export { type LogFields, type Logger, silentLogger } from "./logger.ts";
export { createLogger, describeErrorForLog, type LoggerOptions, type LogLevel } from "./logging.ts";
export {
  type BoundCounter,
  type BoundHistogram,
  type MetricAttributes,
  type MetricOptions,
  type Metrics,
  silentMetrics,
} from "./metrics.ts";
export { nearestHint } from "./nearest.ts";
export { packageRoot } from "./package-root.ts";
export { bytesPassed } from "./passing-bytes.ts";
export { createSystemRandom, type RandomSource, randomUuid, systemRandom } from "./random.ts";
export { collectStartUpGarbage } from "./start-up-garbage.ts";
// createTelemetry is taken from telemetry.ts itself: OpenTelemetry costs 25 MB, and only who tells metrics needs it.
export type { Telemetry } from "./telemetry.ts";
export { keepTickShape } from "./tick-shape.ts";
