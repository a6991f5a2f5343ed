// Runs the command of `svid fetch --run` after each change: one at a time, and once more if something changed meanwhile.
// The command is the operator's own text and goes to the shell; nothing of a certificate becomes part of it, and none of our own
// variables reaches it: a join token or a database's password in the environment was meant for this program alone.
import { spawn } from "node:child_process";
import { ENVIRONMENT_PREFIX } from "../runtime/config/index.ts";
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
        env: { ...foreignVariables(process.env), ...this.#environment },
      });
      child.on("error", (error) => resolve(error.message));
      child.on("exit", (code, signal) => resolve(code ?? signal ?? "unknown"));
    });
  }
}

/** The environment without what is meant for mesh-ca: each of our variables may hold a secret, or name where one lies. */
function foreignVariables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith(ENVIRONMENT_PREFIX)));
}
