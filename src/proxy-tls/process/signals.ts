// The signals of a running proxy. One request to stop may reach us twice, sent to the whole process group and passed on by the launcher: the
// same signal within two seconds counts once. What Node would do by itself (SIGUSR1 opens a debugger) it does not do here.
import type { Logger } from "../../runtime/index.ts";

const STOP: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGQUIT"];
const OTHERS: readonly NodeJS.Signals[] = ["SIGHUP", "SIGUSR1", "SIGUSR2"];
const REPEATED_MS = 2_000;
const ignore = (): void => {};

export class Signals {
  /** Resolves with the first signal that asks to stop. */
  readonly stopAsked: Promise<NodeJS.Signals>;
  /** Resolves when a second one asks to stop at once. */
  readonly stopForced: Promise<NodeJS.Signals>;
  readonly #logger: Logger;
  readonly #listeners = new Set<(signal: NodeJS.Signals) => void>();
  readonly #last = new Map<NodeJS.Signals, number>();
  readonly #onSignal = (signal: NodeJS.Signals): void => this.#received(signal);
  #ask: (signal: NodeJS.Signals) => void = () => {};
  #force: (signal: NodeJS.Signals) => void = () => {};
  #stops = 0;
  #stop: NodeJS.Signals | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
    this.stopAsked = new Promise((resolve) => {
      this.#ask = resolve;
    });
    this.stopForced = new Promise((resolve) => {
      this.#force = resolve;
    });
    for (const signal of [...STOP, ...OTHERS]) process.on(signal, this.#onSignal);
  }

  /** The first signal that asked to stop; undefined: none has. */
  get stop(): NodeJS.Signals | undefined {
    return this.#stop;
  }

  /** Whether a signal asks to stop. */
  static stops(signal: NodeJS.Signals): boolean {
    return STOP.includes(signal);
  }

  /** Calls `listener` for every signal, repeated ones left out. */
  onSignal(listener: (signal: NodeJS.Signals) => void): void {
    this.#listeners.add(listener);
  }

  /** Follows no more signals. The repetition of one that asked to stop does not end the process in place of its exit code. */
  close(): void {
    for (const signal of this.#last.keys()) {
      process.on(signal, ignore);
      setTimeout(() => process.off(signal, ignore), REPEATED_MS).unref();
    }
    for (const signal of [...STOP, ...OTHERS]) process.off(signal, this.#onSignal);
  }

  #received(signal: NodeJS.Signals): void {
    if (Signals.stops(signal)) {
      const now = performance.now();
      const last = this.#last.get(signal);
      this.#last.set(signal, now);
      if (last !== undefined && now - last < REPEATED_MS) return;
      this.#stops += 1;
      this.#logger.info({ event: "proxy.signal", signal }, "A signal asks to stop.");
      this.#stop ??= signal;
      if (this.#stops === 1) this.#ask(signal);
      else this.#force(signal);
    }
    for (const listener of [...this.#listeners]) listener(signal);
  }
}
