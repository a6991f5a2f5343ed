// `mesh-ca proxy run` in a process of its own, with its log, its admin listener and its end.
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeFlags, projectRoot } from "../../scripts/lib/command.ts";
import { temporaryDirectory } from "../identity-client/helpers.ts";
import { until } from "../support/until.ts";

export interface ProxyProcessOptions {
  /** The configuration, as in the file; the admin listener gets a free port. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The application and its arguments. */
  readonly command?: readonly string[];
  /** Start it by bin/mesh-ca.mjs, as an installed program is. */
  readonly launcher?: boolean;
  /** Its standard output; default: collected in `stdout`. */
  readonly output?: number;
}

interface Line extends Record<string, unknown> {
  readonly event: string;
}

const running = new Set<ProxyProcess>();

export class ProxyProcess {
  readonly child: ChildProcess;
  /** The exit code; 128+n for a signal that ended the process itself. */
  readonly ended: Promise<number | string>;
  stdout = "";
  stderr = "";

  constructor({ config, command = [], launcher = false, output }: ProxyProcessOptions) {
    const file = join(temporaryDirectory(), "proxy.yaml");
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ admin: { port: 0 }, drain: { graceSeconds: 5 }, ...config }));
    const args = [
      ...(launcher ? ["bin/mesh-ca.mjs"] : [...nodeFlags("proxy"), "src/cli/main.ts"]),
      "proxy",
      "run",
      "--config",
      file,
      ...(command.length > 0 ? ["--", ...command] : []),
    ];
    this.child = spawn(process.execPath, args, {
      cwd: projectRoot,
      stdio: ["ignore", output ?? "pipe", "pipe"],
    });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    running.add(this);
    this.ended = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        running.delete(this);
        resolve(code ?? signal ?? "");
      });
    });
  }

  /** The log's lines of an event. */
  lines(event: string): readonly Line[] {
    return this.stderr
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line): Line => JSON.parse(line))
      .filter((line) => line.event === event);
  }

  /** Waits for a line of the log. */
  async line(event: string, count = 1): Promise<Line> {
    await until(() => this.lines(event).length >= count || this.child.exitCode !== null, `${event} is logged`);
    const line = this.lines(event)[count - 1];
    if (line === undefined) throw new Error(`the proxy ended without ${event}:\n${this.stderr}\n${this.stdout}`);
    return line;
  }

  /** Waits until it serves. Resolves with the port of a listener. */
  async serving(listener: string): Promise<number> {
    const { addresses } = await this.line("proxy.serving");
    return Number(JSON.parse(JSON.stringify(addresses))[listener].port);
  }

  async admin(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const { admin } = await this.line("proxy.started");
    const answer = await fetch(`http://127.0.0.1:${JSON.parse(JSON.stringify(admin)).port}${path}`);
    return { status: answer.status, text: await answer.text() };
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** Ends what a test left. */
export async function endProxies(): Promise<void> {
  for (const proxy of [...running]) {
    proxy.child.kill("SIGKILL");
    await proxy.ended;
  }
}
