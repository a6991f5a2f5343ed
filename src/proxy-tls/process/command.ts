// The application that the proxy runs: it is started when the proxy serves, gets every signal that the proxy gets, and its exit code is
// the proxy's.
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { ProxyError } from "../errors.ts";

export interface CommandOptions {
  /** The program and its arguments; no shell reads them. */
  readonly command: readonly string[];
  /** The umask that the program gets. */
  readonly umask: number;
  /** The environment that it gets; undefined: ours. */
  readonly environment: NodeJS.ProcessEnv | undefined;
  /** Called with its process id in the turn that made the process: whoever is to end it with us knows of it before it has done anything. */
  readonly onSpawned?: ((pid: number) => void) | undefined;
}

export class RunningCommand {
  readonly #child: ChildProcess;
  /** The exit code; 128+n for a signal. */
  readonly ended: Promise<number>;

  private constructor(child: ChildProcess, ended: Promise<number>) {
    this.#child = child;
    this.ended = ended;
  }

  /** Starts the program with our standard streams. @throws ProxyError MCA_PROXY_COMMAND */
  static async start({ command, umask, environment, onSpawned }: CommandOptions): Promise<RunningCommand> {
    const [program = "", ...args] = command;
    const ours = process.umask(umask);
    let child: ChildProcess;
    try {
      child = spawn(program, args, { stdio: "inherit", ...(environment === undefined ? {} : { env: environment }) });
    } catch (cause) {
      throw notStarted(program, cause);
    } finally {
      process.umask(ours);
    }
    if (child.pid !== undefined) onSpawned?.(child.pid);
    // Listened to before anything is waited for: a program may end at once.
    const ended = new Promise<number>((resolve) => {
      child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (cause) => reject(notStarted(program, cause)));
    });
    child.on("error", () => {});
    return new RunningCommand(child, ended);
  }

  /** Passes a signal on. A program that has ended gets none. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

function notStarted(program: string, cause: unknown): ProxyError {
  const why = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown reason";
  return new ProxyError("MCA_PROXY_COMMAND", `${program} cannot be started (${why}). Check its path and permissions.`, {
    cause,
  });
}
