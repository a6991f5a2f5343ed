// `mesh-ca proxy run`: a proxy until a signal comes, or for as long as the application runs that it was given. The application is started
// when there is an identity and the listeners are open, and never otherwise.
import { constants } from "node:os";
import { isatty } from "node:tty";
import { RunningCommand } from "./command.ts";
import { type ProxyOptions, RunningProxy } from "./running-proxy.ts";
import { Signals } from "./signals.ts";

export interface RunOptions extends ProxyOptions {
  /** The application and its arguments; empty: none. */
  readonly command: readonly string[];
  /** The application's environment; undefined: ours. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Called once the proxy serves. */
  readonly onServing?: (proxy: RunningProxy) => void;
  /** Called with the process id of the application in the turn that started it. */
  readonly onCommand?: (pid: number) => void;
  /** Ends the process at once. A parameter for tests. */
  readonly exit?: (code: number) => void;
}

/** What is beyond the grace of work in flight: then the process ends although something is still open. */
const LAST_RESORT_MS = 10_000;

/**
 * Runs until the end.
 * @returns the exit code: the application's (128+n for a signal), or 0 after an orderly stop
 * @throws what the proxy cannot start with; nothing is running then
 */
export async function runProxy(options: RunOptions): Promise<number> {
  // Sockets and what else is made here is the owner's alone; the application gets back what it would have had.
  const umask = process.umask(0o077);
  const signals = new Signals(options.logger);
  // Waiting for an identity or for a signal keeps no process alive by itself.
  const alive = setInterval(() => {}, 60_000);
  try {
    return await run(options, signals, umask);
  } finally {
    clearInterval(alive);
    signals.close();
    process.umask(umask);
  }
}

async function run(options: RunOptions, signals: Signals, umask: number): Promise<number> {
  const { command, onServing } = options;
  const proxy = new RunningProxy(options);
  signals.onSignal((signal) => {
    if (signal === "SIGHUP") void lookNow(proxy, options);
    if (Signals.stops(signal)) proxy.announceStop();
  });
  const starting = proxy.start();
  await Promise.race([starting, signals.stopAsked]);
  const { stop } = signals;
  if (stop !== undefined) {
    await Promise.allSettled([proxy.close(0), starting]);
    return command.length === 0 ? 0 : 128 + constants.signals[stop];
  }
  onServing?.(proxy);
  const code = command.length === 0 ? await untilStopped(signals) : await runBeside(proxy, signals, options, umask);
  await drain(proxy, signals, options, code);
  return code;
}

/** Whoever sent the signal sees that it was heard, also where nothing had changed. */
async function lookNow(proxy: RunningProxy, { logger }: RunOptions): Promise<void> {
  await proxy.look();
  logger.info({ event: "proxy.looked" }, "Every watched file has been read; what had changed is told above.");
}

async function untilStopped(signals: Signals): Promise<number> {
  await signals.stopAsked;
  return 0;
}

/**
 * Runs the application. It gets every signal; a Ctrl-C of a terminal it has got already. Standard input is not touched here, not even
 * looked at by process.stdin: that would make it non-blocking under the application's hands.
 */
async function runBeside(
  proxy: RunningProxy,
  signals: Signals,
  { command, environment, onCommand }: RunOptions,
  umask: number,
): Promise<number> {
  let running: RunningCommand | undefined;
  let early: NodeJS.Signals | undefined;
  signals.onSignal((signal) => {
    if (signal === "SIGINT" && [0, 1, 2].some((fd) => isatty(fd))) return;
    if (running === undefined) early = signal;
    else running.signal(signal);
  });
  try {
    running = await RunningCommand.start({ command, umask, environment, onSpawned: onCommand });
  } catch (error) {
    await proxy.close(0);
    throw error;
  }
  if (early !== undefined) running.signal(early);
  return running.ended;
}

/** Finishes what is in flight. A second signal, or what is still open long after the grace, ends the process. */
async function drain(proxy: RunningProxy, signals: Signals, options: RunOptions, code: number): Promise<void> {
  const { config, logger, exit = (status) => process.exit(status) } = options;
  const graceMs = config.drain.graceSeconds * 1_000;
  const force = (why: string): void => {
    logger.warn({ event: "proxy.stop_forced", why }, "Ending at once; what was in flight is lost.");
    exit(code === 0 ? 1 : code);
  };
  void signals.stopForced.then((signal) => force(`second signal (${signal})`));
  const deadline = setTimeout(() => force("not closed in time"), graceMs + LAST_RESORT_MS);
  logger.info({ event: "proxy.draining", graceMs }, "Nothing new is taken; what is in flight is finished.");
  await proxy.close(graceMs);
  clearTimeout(deadline);
  logger.info({ event: "proxy.stopped" }, "Everything is closed.");
}
