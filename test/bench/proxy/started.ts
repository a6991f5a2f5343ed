// Everything that the proxy's bench has started, so that it is stopped whatever happens.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { nodeProgram } from "./children.ts";
import { type findForeign, startForeign } from "./foreign/start.ts";
import { LoadClient } from "./load.ts";
import { type Ours, startOurs } from "./ours.ts";
import { BenchPki } from "./pki.ts";
import { type Ports, parsePorts, type Role, type Subject, startPlain } from "./subject.ts";

interface Stoppable {
  stop(): Promise<void> | void;
}

type Installed = Awaited<ReturnType<typeof findForeign>>["installed"][number];

export class Started implements AsyncDisposable {
  readonly pki: BenchPki;
  readonly #folder: string;
  readonly #flags: readonly string[];
  readonly #maxConnections: number;
  readonly #started: Stoppable[] = [];
  #running: { readonly backend: Ports; readonly load: LoadClient } | undefined;
  #subjects = 0;

  /** @param flags of node for our process. @param maxConnections to one program */
  constructor(folder: string, flags: readonly string[], maxConnections: number) {
    mkdirSync(folder);
    this.pki = new BenchPki(folder);
    this.#folder = folder;
    this.#flags = flags;
    this.#maxConnections = maxConnections;
  }

  /** Backend and load client; to be called first. */
  async begin(): Promise<{ readonly backend: Ports; readonly load: LoadClient }> {
    const program = nodeProgram("others", "./backend.ts", []);
    this.#started.push(program);
    const load = await this.client();
    this.#running = { backend: parsePorts(await program.firstLine()), load };
    return this.#running;
  }

  ours(): Promise<Ours> {
    const folder = this.#subjectFolder();
    return this.#keep(
      startOurs({ folder, identityFolder: this.pki.proxy, backend: this.#backend, flags: this.#flags }),
    );
  }

  plain(role: Role): Promise<Subject> {
    return this.#keep(startPlain(this.pki.proxy, this.#backend, role));
  }

  /** @returns undefined where it does not run; that has been said */
  async foreign(installed: Installed): Promise<Subject | undefined> {
    const surroundings = { identityFolder: this.pki.proxy, clientFolder: this.pki.client, backend: this.#backend };
    const folder = this.#subjectFolder();
    const subject = await startForeign(installed, { folder, ...surroundings, maxConnections: this.#maxConnections });
    if (subject !== undefined) this.#started.push(subject);
    return subject;
  }

  client(): Promise<LoadClient> {
    return this.#keep(LoadClient.start(this.pki.client));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of this.#started.splice(0).reverse()) await started.stop();
  }

  get #backend(): Ports {
    if (this.#running === undefined) throw new TypeError("nothing was begun");
    return this.#running.backend;
  }

  #subjectFolder(): string {
    const folder = join(this.#folder, `subject-${++this.#subjects}`);
    mkdirSync(folder);
    return folder;
  }

  async #keep<T extends Stoppable>(starting: Promise<T>): Promise<T> {
    const started = await starting;
    this.#started.push(started);
    return started;
  }
}

/**
 * Refuses to begin what the system would break off after minutes. Node raises its soft limit to the hard one by itself, and so do the others.
 * @param needed by one process. @throws Error
 */
export function requireOpenFiles(needed: number): void {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? "";
  if (hard !== "unlimited" && Number(hard) < needed) {
    throw new Error(
      `a process of this bench needs ${needed} open files, and may have ${hard}: raise it (ulimit -Hn ${needed})`,
    );
  }
}
