// Where lines of the access log go: standard output, shared by all processes of the proxy. Lines of one turn of the event loop are written
// together, in pieces that a pipe takes whole (PIPE_BUF) and a file in one write, so that lines of several processes never mix. A reader that stops reading
// must not stop the proxy: a pipe is opened anew without waiting, what it does not take is held up to a bound, and what is beyond is
// left out and counted. Nothing is lost at an orderly end, nor at an exception; after SIGKILL the lines of the last turn may be missing.
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { MAX_LINE_BYTES } from "./access-line.ts";

/** A regular file is locked while it is written, and takes what it is given; each write is a call to the kernel. */
const FILE_PIECE_BYTES = 65_536;
/** Held for a reader that is slow. */
const MAX_HELD_BYTES = 1_048_576;
/** How long to wait for a pipe that is full: at first so short that its 64 KiB bound nobody, then longer. */
const FIRST_AGAIN_MS = 1;
const MAX_AGAIN_MS = 64;
/** How long the end waits for a slow reader. */
const LAST_WAIT_MS = 1_000;
const LAST_STEP_MS = 5;

/** Writes a piece at once and whole. @throws with code EAGAIN: nothing was taken, try again later */
export type WritePiece = (piece: string) => void;

export interface LineSinkOptions {
  readonly write: WritePiece;
  /** How much of several lines is written at once, at most. */
  readonly pieceBytes: number;
  /** The line that tells of lost lines. */
  readonly lost: (lines: number) => string;
}

export class LineSink {
  readonly #options: LineSinkOptions;
  /** Whole lines, at most `pieceBytes` together, or one longer line. */
  #piece = "";
  #pieceLines = 0;
  /** Earlier pieces that could not be written yet, with their numbers of lines. */
  #held: { readonly text: string; readonly lines: number }[] = [];
  #heldBytes = 0;
  #scheduled = false;
  #again: NodeJS.Timeout | undefined;
  #againMs = FIRST_AGAIN_MS;
  #lost = 0;
  #untold = 0;
  readonly #flush = (): void => {
    this.#scheduled = false;
    this.#write();
  };
  readonly #atExit = (): void => this.close();

  constructor(options: LineSinkOptions) {
    this.#options = options;
    process.on("exit", this.#atExit);
  }

  /** Lines that were left out since the start. */
  get lost(): number {
    return this.#lost;
  }

  /** Takes one line: ASCII, with its line break. Never throws, never waits. */
  line(line: string): void {
    if (this.#heldBytes >= MAX_HELD_BYTES) {
      this.#leaveOut(1);
      return;
    }
    if (this.#piece.length + line.length > this.#options.pieceBytes) this.#endPiece();
    this.#piece += line;
    this.#pieceLines += 1;
    if (this.#scheduled || this.#again !== undefined) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  /** Writes what is there, waiting up to a second for a slow reader. To be called when the last line was given; may be called again. */
  close(): void {
    process.off("exit", this.#atExit);
    const end = performance.now() + LAST_WAIT_MS;
    const sleeper = new Int32Array(new SharedArrayBuffer(4));
    for (this.#write(); this.#again !== undefined && performance.now() < end; this.#write()) {
      Atomics.wait(sleeper, 0, 0, LAST_STEP_MS);
    }
    clearTimeout(this.#again);
  }

  #endPiece(): void {
    if (this.#piece === "") return;
    const piece = { text: this.#piece, lines: this.#pieceLines };
    this.#piece = "";
    this.#pieceLines = 0;
    if (this.#again === undefined && this.#try(piece)) return;
    this.#held.push(piece);
    this.#heldBytes += piece.text.length;
  }

  #write(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
    const held = this.#held;
    let written = 0;
    while (written < held.length) {
      const piece = held[written];
      if (piece === undefined || !this.#try(piece)) break;
      written += 1;
      this.#heldBytes -= piece.text.length;
    }
    this.#held = held.slice(written);
    if (this.#held.length > 0) return;
    this.#tellLost();
    this.#endPiece();
  }

  /** @returns false: not now. Whatever else fails loses the piece, and is counted. */
  #try(piece: { readonly text: string; readonly lines: number }): boolean {
    try {
      this.#options.write(piece.text);
      this.#againMs = FIRST_AGAIN_MS;
    } catch (error) {
      if (isAgain(error)) {
        this.#again ??= setTimeout(this.#flush, this.#againMs).unref();
        this.#againMs = Math.min(MAX_AGAIN_MS, this.#againMs * 2);
        return false;
      }
      this.#leaveOut(piece.lines);
    }
    return true;
  }

  #leaveOut(lines: number): void {
    this.#lost += lines;
    this.#untold += lines;
  }

  #tellLost(): void {
    if (this.#untold === 0) return;
    this.#piece = this.#options.lost(this.#untold) + this.#piece;
    this.#pieceLines += 1;
    this.#untold = 0;
  }
}

function isAgain(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}

/**
 * Writes to a file descriptor that is open already. A pipe is opened anew, so that writing never waits and other holders of it notice
 * nothing. Where that is not allowed, and for sockets (systemd's journal), writing waits for a slow reader as that of every program does.
 * @returns how to write, how much at once, and how to close what was opened
 */
export function writerTo(fd: number): { readonly write: WritePiece; readonly pieceBytes: number; close(): void } {
  const own = reopened(fd);
  return {
    write: (piece) => writeWhole(own ?? fd, piece),
    pieceBytes: own === undefined && isRegularFile(fd) ? FILE_PIECE_BYTES : MAX_LINE_BYTES,
    close() {
      if (own !== undefined) closeSync(own);
    },
  };
}

function reopened(fd: number): number | undefined {
  try {
    // Not a file: a second opening would have a place of its own in it.
    if (!fstatSync(fd).isFIFO()) return undefined;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

function isRegularFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

/** A file may take less at once (a quota, a full disk): the rest is written after it, or the error is told. */
function writeWhole(fd: number, piece: string): void {
  let written = writeSync(fd, piece, null, "latin1");
  while (written < piece.length) written += writeSync(fd, piece.slice(written), null, "latin1");
}
