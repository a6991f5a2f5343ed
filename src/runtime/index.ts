export { type Clock, type DatabaseClock, formatTime, systemClock } from "./clock.ts";
export { assertNever, MeshCaError, type MeshCaErrorCode, type MeshCaErrorOptions } from "./errors.ts";
export { createSystemRandom, type RandomSource, systemRandom } from "./random.ts";
