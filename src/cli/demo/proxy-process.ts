// `mesh-ca proxy run` as a child process, as anybody would start it: a configuration file, its log and its admin listener. Ends with us.
import { type ChildProcess, spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CliError } from "../errors.ts";
import { getText } from "./get-text.ts";

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 10_000;
/** The command line program beside this file: main.ts in a checkout, main.js in the package. */
const PROGRAM = join(import.meta.dirname, `../main${extname(import.meta.filename)}`);
const NO_LINE: LogLine = {};

export interface ProxyProcessOptions {
  readonly name: string;
  /** Where its configuration is written. */
  readonly folder: string;
  /** As in the file; `workers` and `admin` are set unless they are there. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
}

/** A line of the log or of the access log. */
export type LogLine = Readonly<Record<string, unknown>>;

export class ProxyProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #name: string;
  #log = "";
  #accessLog = "";
  /** Serial numbers of the certificates that it was seen with. */
  readonly serials = new Set<string>();

  private constructor(name: string, file: string) {
    this.#name = name;
    this.#child = spawn(process.execPath, [...process.execArgv, PROGRAM, "proxy", "run", "--config", file], {
      // The channel ends it should we be killed.
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#accessLog += text;
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#log += text;
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once("error", () => resolve());
      this.#child.once("close", () => resolve());
    });
  }

  /** Starts a proxy; resolves when it serves. @throws CliError MCA_DEMO_FAILED; the signal's reason */
  static async start({ name, folder, config, signal }: ProxyProcessOptions): Promise<ProxyProcess> {
    const file = join(folder, `${name}-proxy.yaml`);
    // JSON is YAML.
    await writeFile(file, JSON.stringify({ workers: 1, admin: { port: 0 }, ...config }, undefined, 2));
    const proxy = new ProxyProcess(name, file);
    try {
      const end = performance.now() + START_LIMIT_MS;
      while (proxy.#logged("proxy.serving") === undefined) {
        if (proxy.#child.exitCode !== null || performance.now() > end) throw proxy.#failed("did not start");
        await sleep(20, undefined, { signal });
      }
      await proxy.look();
    } catch (error) {
      await proxy.stop();
      throw error;
    }
    return proxy;
  }

  /** The port that a listener is bound to. */
  port(listener: string): number {
    return portOf(member(this.#logged("proxy.serving"), "addresses"), listener) ?? this.#missing(listener);
  }

  get adminPort(): number {
    return portOf(this.#logged("proxy.started"), "admin") ?? this.#missing("the admin listener");
  }

  /** The lines of its access log so far. */
  get accessLines(): readonly LogLine[] {
    return jsonLines(this.#accessLog);
  }

  /** How often its certificate was seen to change. */
  get rotations(): number {
    return this.serials.size - 1;
  }

  /** Looks at the certificate that it shows now. */
  async look(): Promise<void> {
    const page: unknown = JSON.parse(await askOnce(this.adminPort, "/certs"));
    const chain = member(member(page, "identity"), "chain");
    const serial = member(Array.isArray(chain) ? chain[0] : undefined, "serialNumber");
    if (typeof serial === "string") this.serials.add(serial);
  }

  /** Ends it as an operator would; resolves when it is gone. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_LIMIT_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  #logged(event: string): LogLine | undefined {
    return jsonLines(this.#log).find((line) => line["event"] === event);
  }

  #missing(what: string): never {
    throw this.#failed(`did not say where ${what} is`);
  }

  #failed(what: string): CliError {
    return new CliError("MCA_DEMO_FAILED", `The proxy of ${this.#name} ${what}. It said:\n${this.#log}`);
  }
}

function jsonLines(text: string): LogLine[] {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  return whole.filter((line) => line.startsWith("{")).map((line): LogLine => JSON.parse(line) ?? NO_LINE);
}

/** A member of parsed JSON, if it has one. */
export function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function portOf(value: unknown, name: string): number | undefined {
  const port = member(member(value, name), "port");
  return typeof port === "number" ? port : undefined;
}

/** GET on this machine, over a connection of its own. @throws what went wrong */
export function askOnce(port: number, path: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  return getText({ port, path, headers, agent: false }, 5_000);
}
