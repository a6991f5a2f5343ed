// A page of the documentation, run as a reader would: its ```sh blocks in order, in one folder, each in a fresh shell that knows the
// variables of those before. A ```text block below one, under the same heading, says what it prints: each line must be found in the output, in this order, with
// `...` for whatever changes. So a page cannot say what is not so.
//   `npx mesh-ca` is this source; `systemctl start|stop|restart mesh-ca` runs `npx mesh-ca server` here, as a service would, with what
//   `systemctl set-environment` set; `journalctl -u mesh-ca` is its log since the first start. `sleep` lasts a second at most, and for as
//   long as `during` of `run` takes, so that what a page waits for need not be waited for twice.
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeFlags, projectRoot } from "../../scripts/lib/command.ts";
import { readProjectFile } from "../../scripts/lib/files.ts";

export interface PageBlock {
  /** The headings above it, outermost first. */
  readonly headings: readonly string[];
  /** Line number in the page. */
  readonly line: number;
  readonly script: string;
  /** Lines that its output holds. */
  readonly prints: readonly string[];
}

/** The ```sh blocks of a page, those below the heading `under` if one is given. */
export function blocksOf(path: string, under?: string): readonly PageBlock[] {
  const headings: string[] = [];
  const blocks: (PageBlock & { prints: readonly string[] })[] = [];
  let fence: { readonly language: string; readonly line: number; readonly lines: string[] } | undefined;
  for (const [index, text] of readProjectFile(path).split("\n").entries()) {
    if (fence !== undefined) {
      if (text !== "```") fence.lines.push(text);
      else {
        const last = blocks.at(-1);
        if (fence.language === "sh") {
          blocks.push({ headings: [...headings], line: fence.line, script: fence.lines.join("\n"), prints: [] });
        } else if (fence.language === "text" && last?.headings.join() === headings.join()) {
          last.prints = [...last.prints, ...fence.lines];
        }
        fence = undefined;
      }
      continue;
    }
    const [, marks, title] = /^(#+) (.*)$/.exec(text) ?? [];
    if (marks !== undefined && title !== undefined) headings.splice(marks.length - 1, headings.length, title);
    const language = /^```(\w*)/.exec(text)?.[1];
    if (language !== undefined) fence = { language, line: index + 1, lines: [] };
  }
  const found = under === undefined ? blocks : blocks.filter((block) => block.headings.includes(under));
  if (found.length === 0) throw new Error(`${path} has no commands${under === undefined ? "" : ` under ${under}`}`);
  return found;
}

const BLOCK_TIMEOUT_MS = 120_000;

/** A reader at a terminal: a folder, a shell, and perhaps a server. */
export class Reader {
  readonly folder: string;
  readonly #bin: string;
  readonly #state: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #children = new Set<ChildProcess>();

  /** `folder` must exist. `environment`: what the reader's shell has beside PATH and HOME. */
  constructor(folder: string, environment: Readonly<Record<string, string>> = {}) {
    this.folder = folder;
    this.#bin = join(folder, ".bin");
    this.#state = join(folder, ".shell");
    this.#environment = environment;
    mkdirSync(this.#bin, { recursive: true });
    const main = join(projectRoot, "src/cli/main.ts");
    const node = [process.execPath, ...nodeFlags()].map((word) => `'${word}'`).join(" ");
    this.#program(
      "npx",
      `[ "$1" = mesh-ca ] || { echo "npx $1 is not of this page" >&2; exit 64; }\nshift\nexec ${node} '${main}' "$@"`,
    );
    const service = (text: string): string =>
      text.replaceAll("@NPX@", join(this.#bin, "npx")).replaceAll("@RUN@", join(folder, ".service"));
    this.#program("systemctl", service(SYSTEMCTL));
    this.#program("journalctl", service(JOURNALCTL));
    this.#program("sleep", service(SLEEP));
    mkdirSync(join(folder, ".service"), { recursive: true });
  }

  /** Runs a block and holds it to what the page says it prints. Answers all that it printed. `during`: what its `sleep`s wait for. */
  async run(block: PageBlock, during?: () => Promise<void>): Promise<string> {
    const { code, output } = await (during === undefined ? this.script(block.script) : this.#held(block, during));
    const where = `line ${block.line} (${block.headings.at(-1)}):\n${block.script}\n--- printed\n${output}${this.serverLog()}`;
    if (code !== 0) throw new Error(`a command of the page ended with ${code}, ${where}`);
    const missing = firstMissing(output, block.prints);
    if (missing !== undefined)
      throw new Error(`the page says that this prints\n  ${missing}\nand it does not, ${where}`);
    return output;
  }

  /** Runs a script in the reader's shell, where `systemctl` and the variables of earlier scripts are. */
  script(text: string): Promise<{ readonly code: number | null; readonly output: string }> {
    const state = existsSync(this.#state) ? readFileSync(this.#state, "utf8") : "";
    const script = `${state}\nset -euo pipefail -o allexport\n${text}\nset +x\nexport -p > '${this.#state}'\n`;
    const child = spawn("bash", ["-c", script], {
      cwd: this.folder,
      env: { PATH: `${this.#bin}:${process.env["PATH"]}`, HOME: this.folder, LC_ALL: "C.UTF-8", ...this.#environment },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: BLOCK_TIMEOUT_MS,
    });
    this.#children.add(child);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        output += chunk;
      });
    }
    return new Promise((resolve) => {
      child.once("close", (code) => {
        this.#children.delete(child);
        resolve({ code, output });
      });
    });
  }

  async #held({ script }: PageBlock, during: () => Promise<void>): ReturnType<Reader["script"]> {
    const hold = join(this.folder, ".service", "hold");
    writeFileSync(hold, "");
    const running = this.script(script);
    try {
      await Promise.race([during(), running]);
    } finally {
      rmSync(hold, { force: true });
    }
    return await running;
  }

  /** The end of the server's log, for the message of a failure. */
  serverLog(): string {
    const path = join(this.folder, ".service", "log");
    return existsSync(path) ? `\n--- server\n${readFileSync(path, "utf8").split("\n").slice(-12).join("\n")}` : "";
  }

  /** Stops what is left running. */
  async close(): Promise<void> {
    await this.script("systemctl stop mesh-ca");
    for (const child of this.#children) child.kill("SIGKILL");
  }

  #program(name: string, text: string): void {
    const path = join(this.#bin, name);
    writeFileSync(path, `#!/bin/bash\n${text}\n`);
    chmodSync(path, 0o755);
  }
}

/** What `systemctl` is to a reader: a service that runs `npx mesh-ca server`, up when its socket answers. */
const SYSTEMCTL = `
case "$1" in
  set-environment) printf 'export %q\\n' "$2" >> @RUN@/environment; exit ;;
  unset-environment) echo "unset $2" >> @RUN@/environment; exit ;;
esac
[ "$2" = mesh-ca ] || { echo "Unit $2 not found" >&2; exit 5; }
stop() {
  [ -f @RUN@/pid ] || return 0
  kill "$(cat @RUN@/pid)" 2>/dev/null
  while kill -0 "$(cat @RUN@/pid)" 2>/dev/null; do sleep 0.05; done
  rm -f @RUN@/pid
}
start() {
  [ ! -f @RUN@/log ] || cat @RUN@/log >> @RUN@/journal
  [ ! -f @RUN@/environment ] || . @RUN@/environment
  : > @RUN@/log
  setsid @NPX@ mesh-ca server >> @RUN@/log 2>&1 < /dev/null &
  echo $! > @RUN@/pid
  for _ in $(seq 600); do
    grep -q '"event":"server.started"' @RUN@/log && return 0
    kill -0 "$(cat @RUN@/pid)" 2>/dev/null || { rm -f @RUN@/pid; echo "Job for mesh-ca failed" >&2; tail -3 @RUN@/log >&2; return 1; }
    sleep 0.05
  done
  echo "Job for mesh-ca timed out" >&2; return 1
}
case "$1" in
  stop) stop ;;
  start) start ;;
  restart) stop; start ;;
  *) exit 64 ;;
esac`;

/** The log of that service, without the service manager's own columns. */
const JOURNALCTL = `
[ "$*" = "-u mesh-ca -o cat" ] || { echo "journalctl $* is not of this page" >&2; exit 64; }
cat @RUN@/journal @RUN@/log 2>/dev/null || true`;

const SLEEP = `
case "$1" in 0*) exec /bin/sleep "$1" ;; esac
/bin/sleep 1
while [ -e @RUN@/hold ]; do /bin/sleep 0.1; done`;

/** The first of `lines` that `output` does not hold, in order; `...` stands for anything within a line. */
function firstMissing(output: string, lines: readonly string[]): string | undefined {
  const printed = output.split("\n").map((line) => line.replace(/\s+/g, " ").trim());
  let from = 0;
  for (const line of lines) {
    const wanted = line.replace(/\s+/g, " ").trim();
    if (wanted === "" || wanted === "...") continue;
    const pattern = new RegExp(
      wanted
        .split(/\s*\.\.\.\s*/)
        .map(escapeRegExp)
        .join(".*"),
    );
    const found = printed.findIndex((text, index) => index >= from && pattern.test(text));
    if (found < 0) return line;
    from = found + 1;
  }
  return undefined;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
