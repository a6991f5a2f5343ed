// Runs the command of `svid fetch --run` after each change: one at a time, and once more if something changed meanwhile.
// The command is the operator's own text and goes to the shell; nothing of a certificate becomes part of it.
import { spawn } from "node:child_process";
import { hint } from "./output.ts";

export class ChangeCommand {
  readonly #command: string;
  readonly #environment: Readonly<Record<string, string>>;
  #running: Promise<void> | undefined;
  #again = false;

  constructor(command: string, environment: Readonly<Record<string, string>>) {
    this.#command = command;
    this.#environment = environment;
  }

  /** Asks for a run. Returns when nothing is left to run. */
  trigger(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #drain(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const code = await this.#run();
      if (code !== 0) hint(`mesh-ca: the command of --run ended with ${code}; it runs again at the next change.`);
    }
  }

  #run(): Promise<number | string> {
    return new Promise((resolve) => {
      // Its output goes to standard error: standard output is for our results.
      const child = spawn(this.#command, {
        shell: true,
        stdio: ["ignore", process.stderr, process.stderr],
        env: { ...process.env, ...this.#environment },
      });
      child.on("error", (error) => resolve(error.message));
      child.on("exit", (code, signal) => resolve(code ?? signal ?? "unknown"));
    });
  }
}
