// A file whose contents may be replaced while the server runs (mounted secrets are swapped by rename). It is looked at when it is
// used, at most every few seconds; a replacement that cannot be used is reported once and the last good contents stay.
import { readFileSync, statSync } from "node:fs";
import { type Clock, type Logger, MeshCaError } from "../../runtime/index.ts";
import { AttestError } from "./errors.ts";

const CHECK_EVERY_MS = 2000;
const MAX_BYTES = 1 << 20;

export interface WatchedFileOptions<T> {
  readonly path: string;
  readonly instance: string;
  /** Throws a MeshCaError for contents that cannot be used. */
  readonly parse: (bytes: Uint8Array) => T;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class WatchedFile<T> {
  readonly #options: WatchedFileOptions<T>;
  #value: T;
  #stamp: string;
  #checkedAt: number;
  #problem: string | undefined;

  /** Reads the file. @throws MeshCaError from `parse`; AttestError MCA_ATTESTOR_INVALID if it cannot be read */
  constructor(options: WatchedFileOptions<T>) {
    this.#options = options;
    this.#checkedAt = options.clock.now();
    this.#stamp = stampOf(options.path) ?? "missing";
    this.#value = options.parse(read(options));
  }

  /** The last good contents. */
  current(): T {
    const now = this.#options.clock.now();
    if (Math.abs(now - this.#checkedAt) >= CHECK_EVERY_MS) this.check();
    return this.#value;
  }

  /** Looks at the file now. */
  check(): void {
    this.#checkedAt = this.#options.clock.now();
    const stamp = stampOf(this.#options.path) ?? "missing";
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    const { logger, path, instance } = this.#options;
    try {
      this.#value = this.#options.parse(read(this.#options));
      this.#problem = undefined;
      logger.info({ event: "attestor.file_replaced", attestor: instance, path }, "A replaced file is in use.");
    } catch (error) {
      if (!(error instanceof MeshCaError)) throw error;
      this.#problem = `${path} was replaced by something that cannot be used: ${error.message}`;
      logger.error(
        { event: "attestor.file_refused", attestor: instance, path, error },
        "The last good contents stay in use.",
      );
    }
  }

  /** What is wrong with the newest contents; undefined: nothing. Looks at the file as `current` does: health is asked without use. */
  get problem(): string | undefined {
    this.current();
    return this.#problem;
  }
}

function stampOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.dev}/${stat.ino}/${stat.size}/${stat.mtimeNs}`;
}

function read(options: WatchedFileOptions<unknown>): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(options.path);
  } catch (cause) {
    const why = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    const sentence = `Attestor "${options.instance}": ${options.path} cannot be read (${why}).`;
    throw new AttestError("MCA_ATTESTOR_INVALID", sentence, { cause });
  }
  if (bytes.length > MAX_BYTES) {
    throw new AttestError(
      "MCA_ATTESTOR_INVALID",
      `Attestor "${options.instance}": ${options.path} is larger than 1 MiB.`,
    );
  }
  return bytes;
}
