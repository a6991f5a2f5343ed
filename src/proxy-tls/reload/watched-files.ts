// Files that are read again and again (policies, anchors, certificate and key), as one set. Content counts, not times: links are swapped,
// clocks are set, and an editor writes the same bytes anew. A set is used only when it was the same at two looks, so that nothing half
// written is; what cannot be used leaves the last good set in place, and is told once.
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Logger, MeshCaError } from "../../runtime/index.ts";
import type { AdminFinding, AdminReload, ReloadSource } from "../admin/view.ts";
import { ProxyError } from "../errors.ts";
import { type FileText, readWatchedFile, type WatchedFile } from "./read-file.ts";

export interface WatchedFilesOptions {
  readonly source: ReloadSource;
  readonly files: readonly WatchedFile[];
  /** Takes the texts, in the order of `files`, into use. Throws where they cannot be used, and then has changed nothing. */
  load(texts: readonly string[]): void;
  /** Whether what could not be used is tried again although nothing has changed: it may be too early for a certificate. */
  readonly retry?: boolean;
  readonly logger: Logger;
  /** Between two looks; default 1,000. */
  readonly lookMs?: number;
  /** How long a changed set must stay the same before it is used; default 200. */
  readonly settleMs?: number;
}

/** So many looks in a row may find something new before it is said that the files do not come to rest. */
const MAX_SETTLING_LOOKS = 10;

interface Look {
  readonly texts: readonly FileText[];
  readonly sha256: string;
}

export class WatchedFiles {
  readonly #options: WatchedFilesOptions;
  readonly #stop = new AbortController();
  #used: string | undefined;
  #refused: string | undefined;
  #problem: AdminFinding | undefined;
  #succeeded = 0;
  #failed = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #lookAgain = false;

  constructor(options: WatchedFilesOptions) {
    this.#options = options;
  }

  /** Whether a set has been taken into use. */
  get loaded(): boolean {
    return this.#used !== undefined;
  }

  /** How the reloads went; the first load is none. */
  get reload(): AdminReload {
    const { source } = this.#options;
    return { source, succeeded: this.#succeeded, failed: this.#failed, problem: this.#problem };
  }

  /** Loads the files for the first time, where nothing works without them. @throws what `load` throws; ProxyError MCA_PROXY_FILE */
  async first(): Promise<void> {
    const look = await this.#settled();
    if (look === undefined) throw this.#restless();
    this.#take(look);
    this.#used = look.sha256;
  }

  /** Begins to watch. */
  watch(): void {
    if (this.#timer !== undefined || this.#stop.signal.aborted) return;
    this.#timer = setInterval(() => void this.look(), this.#options.lookMs ?? 1_000);
    this.#timer.unref();
  }

  /** Looks now; joins the look that is under way, which then is followed by another one. */
  look(): Promise<void> {
    if (this.#looking !== undefined) {
      this.#lookAgain = true;
      return this.#looking;
    }
    this.#looking = this.#lookUntilDone().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stop.abort();
  }

  async #lookUntilDone(): Promise<void> {
    do {
      this.#lookAgain = false;
      await this.#lookOnce();
    } while (this.#lookAgain && !this.#stop.signal.aborted);
  }

  async #lookOnce(): Promise<void> {
    const look = await this.#settled();
    if (look === undefined || this.#stop.signal.aborted) return;
    if (look.sha256 === this.#used) {
      if (this.#problem !== undefined) this.#recover(look);
      return;
    }
    if (look.sha256 === this.#refused && this.#options.retry !== true) return;
    try {
      this.#take(look);
      const first = this.#used === undefined;
      this.#used = look.sha256;
      this.#refused = undefined;
      this.#problem = undefined;
      if (first) return;
      this.#succeeded += 1;
      this.#options.logger.info(
        { event: "reload.done", source: this.#options.source, sha256: look.sha256 },
        "Changed files are in use.",
      );
    } catch (error) {
      this.#refuse(look.sha256, error);
    }
  }

  /** The set as it is, once it is the same at two looks; undefined: it did not come to rest. */
  async #settled(): Promise<Look | undefined> {
    let look = await this.#look();
    if (look.sha256 === this.#used || look.sha256 === this.#refused) return look;
    for (let looks = 0; looks < MAX_SETTLING_LOOKS; looks += 1) {
      try {
        await sleep(this.#options.settleMs ?? 200, undefined, { signal: this.#stop.signal, ref: false });
      } catch {
        return undefined;
      }
      const again = await this.#look();
      if (again.sha256 === look.sha256) return look;
      look = again;
    }
    this.#refuse("", this.#restless());
    return undefined;
  }

  #restless(): ProxyError {
    const paths = this.#options.files.map(({ path }) => path).join(", ");
    return new ProxyError(
      "MCA_PROXY_FILE",
      `${paths}: written again and again, and never the same twice. Write to another name and rename it once.`,
    );
  }

  async #look(): Promise<Look> {
    const texts = await Promise.all(this.#options.files.map(readWatchedFile));
    const hash = createHash("sha256");
    for (const text of texts) {
      const content = text.kind === "text" ? text.text : text.why;
      hash.update(`${text.kind} ${content.length}\n`).update(content);
    }
    return { texts, sha256: hash.digest("hex") };
  }

  #take({ texts }: Look): void {
    this.#options.load(
      texts.map((text) => {
        if (text.kind === "text") return text.text;
        const kept = this.loaded ? "; what was read before stays in use" : "";
        throw new ProxyError("MCA_PROXY_FILE", `${text.why}. Mend it${kept}.`);
      }),
    );
  }

  #refuse(sha256: string, error: unknown): void {
    const finding = findingOf(error);
    const told = this.#refused === sha256 && this.#problem?.sentence === finding.sentence;
    this.#refused = sha256;
    this.#problem = finding;
    if (told) return;
    this.#failed += 1;
    const { source, logger } = this.#options;
    const message = this.loaded
      ? "Changed files cannot be used; the last good state stays in use."
      : "The files cannot be used yet; they are read again until they can.";
    // The sentence says what to mend. A stack is for faults of ours.
    const why = error instanceof MeshCaError ? { reason: finding.sentence } : { error };
    logger.error({ event: "reload.failed", source, code: finding.code, ...why }, message);
  }

  /** What is in use stands there again. It is loaded anew: of what was refused in between a part may have been taken. */
  #recover(look: Look): void {
    try {
      this.#take(look);
      this.#problem = undefined;
      this.#refused = undefined;
      const { source, logger } = this.#options;
      logger.info({ event: "reload.recovered", source }, "The files are those in use again.");
    } catch (error) {
      this.#refuse(look.sha256, error);
    }
  }
}

/** An error as readiness and notes tell it. */
export function findingOf(error: unknown): AdminFinding {
  if (error instanceof MeshCaError) return { code: error.code, sentence: error.message };
  return { code: "MCA_INTERNAL", sentence: error instanceof Error ? error.message : String(error) };
}
