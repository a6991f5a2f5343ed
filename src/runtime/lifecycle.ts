// Opening in order, closing in the opposite order, and the signals that ask for it.
import type { Logger } from "./logger.ts";

interface Step {
  readonly name: string;
  close(): unknown;
}

/** What was opened, so that it can be closed: the last opened first. A failing step never keeps the others open. */
export class Lifecycle {
  readonly #steps: Step[] = [];
  readonly #logger: Logger;
  #closing: Promise<void> | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Remembers how to close what was just opened. `name` is for the log. */
  add(name: string, close: () => unknown): void {
    this.#steps.push({ name, close });
  }

  /** True once closing has begun. */
  get closing(): boolean {
    return this.#closing !== undefined;
  }

  /** Closes everything, once; a second call waits for the first. Never rejects: failures are logged. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.close();
      } catch (error) {
        this.#logger.error({ event: "lifecycle.close_failed", step: step.name, error }, "a part did not close cleanly");
      }
    }
  }
}

export interface SignalOptions {
  readonly logger: Logger;
  /** After this many milliseconds the process ends although something is still open. */
  readonly deadlineMs: number;
  /** Ends the process. A parameter for tests. */
  readonly exit?: (code: number) => void;
}

/** One request to stop may reach us twice: sent to the whole process group, and forwarded by the launcher. */
const REPEATED_SIGNAL_MS = 2_000;

/**
 * Waits for SIGTERM or SIGINT, then closes `resource`. A second signal, more than two seconds after the first, ends the process at once, with exit code 1.
 * Resolves when everything is closed; the process is expected to end then. Signals are understood until it has: a repetition that comes behind
 * the closing would otherwise end it as a signal does, and an orderly end would look like a failure.
 */
export function closeOnSignal(resource: { close(): Promise<void> }, options: SignalOptions): Promise<void> {
  const exit = options.exit ?? ((code) => process.exit(code));
  return new Promise((resolve, reject) => {
    let receivedAt: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (receivedAt !== undefined) {
        if (performance.now() - receivedAt < REPEATED_SIGNAL_MS) return;
        options.logger.warn({ event: "server.stop_forced", signal }, "second signal: ending at once");
        exit(1);
        return;
      }
      receivedAt = performance.now();
      options.logger.info({ event: "server.stopping", signal }, "finishing calls in flight");
      const timer = setTimeout(() => {
        options.logger.error(
          { event: "server.stop_forced", signal, deadlineMs: options.deadlineMs },
          "did not close in time: ending",
        );
        exit(1);
      }, options.deadlineMs);
      resource
        .close()
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
}
