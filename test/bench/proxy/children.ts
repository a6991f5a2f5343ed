// The processes of the proxy's bench. What is measured runs on one core, everything else on the others, where taskset is there to
// say so; its children inherit that.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, truncateSync } from "node:fs";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { findProgram, projectRoot } from "../../../scripts/lib/command.ts";
import { exactCpuSeconds, residentMegabytesOfTree } from "../process-stats.ts";

const STOP_TIMEOUT_MS = 20_000;
const LAST_WORDS = 600;
const taskset = availableParallelism() > 1 ? findProgram("taskset") : undefined;

/** Which core a process runs on: that of what is measured, or the others. */
export type Place = "measured" | "others";

/** How the processes were placed, for the output. */
export const placement =
  taskset === undefined
    ? "not pinned: taskset is missing, or there is one core only"
    : "the proxy on core 0, client and backend on the others";

export function pinned(place: Place, command: readonly string[]): readonly [string, readonly string[]] {
  const cores = place === "measured" ? "0" : `1-${availableParallelism() - 1}`;
  const [program = "", ...args] = taskset === undefined ? command : [taskset, "-c", cores, ...command];
  return [program, args];
}

/** An interrupted bench leaves nobody behind. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGTERM");
});

/** A program that runs until it is stopped. */
export class Program {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #log: string | undefined;

  /**
   * @param log file that takes its standard output and error; undefined: the output is read by `firstLine`
   * @param environment added to ours
   */
  constructor(
    place: Place,
    command: readonly string[],
    log?: string,
    environment: Readonly<Record<string, string>> = {},
  ) {
    const [program, args] = pinned(place, command);
    const file = log === undefined ? undefined : openSync(log, "a");
    this.#child = spawn(program, args, {
      cwd: projectRoot,
      env: { ...process.env, ...environment },
      stdio: ["ignore", file ?? "pipe", file ?? "inherit"],
    });
    if (file !== undefined) closeSync(file);
    this.#log = log;
    running.add(this.#child);
    this.#ended = new Promise((resolve) => this.#child.once("exit", resolve).once("error", resolve)).then(() =>
      running.delete(this.#child),
    );
  }

  get pid(): number {
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) {
      throw new Error(`${this.#child.spawnargs.join(" ")} has ended`);
    }
    return this.#child.pid;
  }

  async firstLine(): Promise<string> {
    if (this.#child.stdout === null) throw new TypeError("its output goes to a file");
    const lines = createInterface(this.#child.stdout);
    const first = new Promise<string>((resolve) => lines.once("line", resolve));
    const ended = this.#ended.then(() => {
      throw new Error(`${this.#child.spawnargs.join(" ")} ended before it was ready`);
    });
    return Promise.race([first, ended]);
  }

  /** User and system time of the process, its threads and its children. */
  cpuSeconds(): number {
    return exactCpuSeconds(this.pid);
  }

  /** Of the process and its children. */
  residentMegabytes(): number {
    return residentMegabytesOfTree(this.pid);
  }

  /** Empties its log: a million lines are half a gigabyte, and nobody reads them. The file was opened for appending. */
  trimLog(): void {
    if (this.#log !== undefined) truncateSync(this.#log);
  }

  /** The end of what it has printed into its log, for whoever has to say why it does not run. */
  lastWords(): string {
    return this.#log === undefined ? "" : readFileSync(this.#log, "utf8").trim().slice(-LAST_WORDS);
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const limit = setTimeout(() => this.#child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#ended;
    clearTimeout(limit);
  }
}

export const nodeProgram = (place: Place, file: string, args: readonly string[]): Program =>
  new Program(place, [process.execPath, fileURLToPath(new URL(file, import.meta.url)), ...args]);
