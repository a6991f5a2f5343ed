// A clock that can also wake its user at a moment (invariant 7: time is a parameter). The timers of Node run on a clock that
// neither jumps nor counts a suspended machine's sleep; certificates expire by the wall clock. So a wait is never longer
// than a few seconds before the wall clock is asked again.
import { type Clock, systemClock } from "../runtime/index.ts";

/** Time, and the means to wait for it. */
export interface SchedulingClock extends Clock {
  /** Calls `callback` once, as soon as `now() >= unixMs`. Returns a function that cancels. Does not keep a process alive. */
  at(unixMs: number, callback: () => void): () => void;
}

const LONGEST_WAIT_MS = 5_000;

/** A scheduling clock over any clock; waits follow jumps of that clock within 5 seconds. */
export function schedulingClock(clock: Clock): SchedulingClock {
  return {
    now: () => clock.now(),
    at(unixMs, callback) {
      let timer: NodeJS.Timeout | undefined;
      const wait = (): void => {
        const remaining = unixMs - clock.now();
        if (remaining <= 0) {
          timer = setTimeout(callback, 0);
        } else {
          timer = setTimeout(wait, Math.min(remaining, LONGEST_WAIT_MS));
        }
        timer.unref();
      };
      wait();
      return () => clearTimeout(timer);
    },
  };
}

/** The machine's clock. */
export const systemSchedulingClock: SchedulingClock = schedulingClock(systemClock);
