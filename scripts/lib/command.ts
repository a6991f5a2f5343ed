// Runs other programs for our scripts. A script stops with one clear sentence and a code that is not zero; it never
// hides what the program it ran has printed.
import { type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. Every script runs there, wherever it was called from. */
export const projectRoot = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");

interface PackageConfig {
  readonly nodeFlags: readonly string[];
  readonly proxyNodeFlags: readonly string[];
  readonly serverEnvironment: Readonly<Record<string, string>>;
  readonly proxyEnvironment: Readonly<Record<string, string>>;
}

function packageConfig(): PackageConfig {
  const { config }: { config: PackageConfig } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8"));
  return config;
}

/** The flags of Node that bin/mesh-ca.mjs starts the server, or the proxy, with. */
export function nodeFlags(program: "server" | "proxy" = "server"): readonly string[] {
  const config = packageConfig();
  return program === "proxy" ? config.proxyNodeFlags : config.nodeFlags;
}

/** The environment that bin/mesh-ca.mjs adds for the server, or the proxy. */
export function addedEnvironment(program: "server" | "proxy"): Readonly<Record<string, string>> {
  const config = packageConfig();
  return program === "proxy" ? config.proxyEnvironment : config.serverEnvironment;
}

/** What a program came to: its exit code (128 + the signal where a signal ended it) and what it printed. */
export interface CommandResult {
  readonly code: number;
  readonly output: string;
}

/** Prints one sentence to standard error and ends this process with `code` (1 unless told). */
export function stop(sentence: string, code = 1): never {
  console.error(`\n${sentence}`);
  process.exit(code);
}

/** Environment in which programs from node_modules/.bin are found first, so that `node` is the pinned one. */
export function toolEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const bin = join(projectRoot, "node_modules", ".bin");
  return { ...process.env, PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`, ...extra };
}

/** The full path of a program from PATH, or undefined. */
export function findProgram(name: string): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** Runs a program to its end and gives back everything it printed, both streams together in order of arrival. */
export function capture(program: string, args: readonly string[], options: SpawnOptions = {}): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: projectRoot,
      env: toolEnvironment(),
      ...options,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    child.on("error", (error) => resolve({ code: 127, output: `${program} could not be started: ${error.message}\n` }));
    child.on("close", (code, signal) => resolve({ code: exitCode(code, signal), output }));
  });
}

/** Runs a program on our own terminal and gives back its exit code. SIGINT and SIGTERM are handed on to it. */
export function run(program: string, args: readonly string[], options: SpawnOptions = {}): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: projectRoot, env: toolEnvironment(), stdio: "inherit", ...options });
    const forward = (signal: NodeJS.Signals): void => {
      child.kill(signal);
    };
    process.on("SIGINT", forward).on("SIGTERM", forward);
    child.on("error", (error) => {
      console.error(`${program} could not be started: ${error.message}`);
      resolve(127);
    });
    child.on("close", (code, signal) => {
      process.off("SIGINT", forward).off("SIGTERM", forward);
      resolve(exitCode(code, signal));
    });
  });
}

/** The first line that `program --version` (or other arguments) prints, or undefined where it does not run. */
export function versionOf(program: string, args: readonly string[] = ["--version"]): string | undefined {
  const result = spawnSync(program, args, { encoding: "utf8" });
  return result.status === 0 ? (result.stdout || result.stderr).split("\n")[0]?.trim() : undefined;
}

function exitCode(code: number | null, signal: NodeJS.Signals | null): number {
  if (code !== null) return code;
  return 128 + (signal === null ? 0 : constants.signals[signal]);
}
