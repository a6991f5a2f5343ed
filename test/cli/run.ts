// Runs the command line program as a user does: a process of its own, both streams kept apart.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { projectRoot } from "../../scripts/lib/command.ts";

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The program and its first arguments. Default: this Node and src/cli/main.ts. */
  readonly program?: readonly [string, ...string[]];
}

/** A run that is under way. */
export interface CliRun {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly result: Promise<CliResult>;
}

export function startCli(args: readonly string[], options: CliOptions = {}): CliRun {
  const [program, ...first] = options.program ?? [process.execPath, `${projectRoot}/src/cli/main.ts`];
  const child = spawn(program, [...first, ...args], {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const result = once(child, "close").then(([code, signal]): CliResult => ({ code, signal, stdout, stderr }));
  return { child, stdout: () => stdout, stderr: () => stderr, result };
}

export function cli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, options).result;
}
