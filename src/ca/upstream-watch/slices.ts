// Runs the steps of src/x509 that take long, and lets the process do other things between them.
import { setImmediate } from "node:timers/promises";

/**
 * Runs steps to their end; each step is a few milliseconds.
 * @throws the signal's reason once it is aborted; whatever the steps throw
 */
export async function inSlices<T>(steps: Generator<void, T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    const step = steps.next();
    if (step.done === true) return step.value;
    await setImmediate();
  }
}
