// Waiting for a condition: the one way in which a test waits for what happens elsewhere. How long that takes is the machine's business, so
// the bound is there to end a test that waits in vain, and is never a claim about speed (`soon` makes one).
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 10;

/** Waits until `condition` holds. @throws after `timeoutMs` */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 30_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await sleep(POLL_MS);
  }
}

/**
 * Waits until `condition` holds, where a bound in time is promised: for as many turns of this process' own timer as fit into `ms`.
 * A machine that gives this process little time gives it as little for what it waits for, which therefore has to run in it, too.
 */
export async function soon(condition: () => boolean, what: string, ms: number): Promise<void> {
  for (let turns = Math.ceil(ms / POLL_MS); !condition(); turns -= 1) {
    if (turns === 0) throw new Error(`not within ${ms} ms of this process: ${what}`);
    await sleep(POLL_MS);
  }
}
