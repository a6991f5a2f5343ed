// Where lines of a log go: a descriptor that other processes may share. In pieces that a pipe takes whole (PIPE_BUF) and a file in one write, so
// that lines of several processes never mix. A reader that stops reading, or a disk that is full, must neither stop nor end the process: a pipe
// is opened anew without waiting, what it does not take is held up to a bound, and what is beyond, or cannot be written at all, is left out,
// counted and told. Nothing is lost at an orderly end, nor at an exception; after SIGKILL the lines of the last 5 ms may be missing, unless
// they are written at once.
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";

/** What a pipe takes as one piece (PIPE_BUF on Linux), so that lines of several processes never mix. */
export const PIPE_PIECE_BYTES = 4_096;
/** A regular file is locked while it is written, and takes what it is given; each write is a call to the kernel. */
const FILE_PIECE_BYTES = 65_536;
/** Held for a reader that is slow. */
const MAX_HELD_BYTES = 1_048_576;
/** How long lines wait for company: a write to a file costs as much as making several of them. */
const GATHER_MS = 5;
/** How long to wait for a pipe that is full: at first so short that its 64 KiB bound nobody, then longer. */
const FIRST_AGAIN_MS = 1;
const MAX_AGAIN_MS = 64;
/** How long the end waits for a slow reader. */
const LAST_WAIT_MS = 1_000;
const STEP_MS = 2;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Writes what is taken of a piece now. @returns how many octets that are. @throws with code EAGAIN: none, try again later */
export type WritePiece = (piece: string) => number;

export interface LineSinkOptions {
  readonly write: WritePiece;
  /** How much of several lines is written at once, at most. */
  readonly pieceBytes: number;
  /**
   * Each line is written when it is given, and a slow reader is waited for so long; one that is slower is not waited for again before it has
   * caught up. Default: the lines of 5 ms are written together, and nobody waits.
   */
  readonly waitMs?: number;
  /** The line that tells of lost lines. */
  readonly lost: (lines: number) => string;
}

/** Lines of which `text` is still to be written. */
interface Piece {
  text: string;
  /** So many lost lines it tells of; 0: it is of lines that were given. */
  readonly tells: number;
}

export class LineSink {
  readonly #options: LineSinkOptions;
  /** Whole lines, at most `pieceBytes` together, or one longer line. */
  #piece = "";
  /** Earlier pieces that could not be written yet. */
  #held: Piece[] = [];
  #heldBytes = 0;
  #scheduled = false;
  #again: NodeJS.Timeout | undefined;
  #againMs = FIRST_AGAIN_MS;
  #lost = 0;
  #untold = 0;
  /** The last piece ended in the middle of a line. */
  #torn = false;
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

  /** Takes one line: ASCII, with its line break. Never throws; waits only as the options say. */
  line(line: string): void {
    if (this.#heldBytes >= MAX_HELD_BYTES) {
      this.#leaveOut(1);
      return;
    }
    if (this.#piece.length + line.length > this.#options.pieceBytes) this.#endPiece();
    this.#piece += line;
    if (this.#scheduled || this.#again !== undefined) return;
    if (this.#options.waitMs !== undefined) {
      this.#writeWithin(this.#options.waitMs);
      return;
    }
    this.#scheduled = true;
    setTimeout(this.#flush, GATHER_MS).unref();
  }

  /** Writes what is there, waiting up to a second for a slow reader. To be called when the last line was given; may be called again. */
  close(): void {
    process.off("exit", this.#atExit);
    this.#writeWithin(LAST_WAIT_MS);
    clearTimeout(this.#again);
  }

  /** Writes what is there, and sleeps while it is not taken. */
  #writeWithin(ms: number): void {
    const end = performance.now() + ms;
    for (this.#write(); this.#again !== undefined && performance.now() < end; this.#write()) {
      Atomics.wait(sleeper, 0, 0, STEP_MS);
    }
  }

  #endPiece(): void {
    if (this.#piece === "") return;
    const text = this.#piece;
    this.#piece = "";
    this.#writeOrHold({ text, tells: 0 });
  }

  #writeOrHold(piece: Piece): void {
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
      if (piece === undefined) break;
      const { length } = piece.text;
      const done = this.#try(piece);
      this.#heldBytes -= length - (done ? 0 : piece.text.length);
      if (!done) break;
      written += 1;
    }
    this.#held = held.slice(written);
    if (this.#held.length > 0) return;
    this.#tellLost();
    this.#endPiece();
  }

  /** @returns false: the rest of it not now. Whatever else fails loses the rest, and is counted. */
  #try(piece: Piece): boolean {
    const { length } = piece.text;
    try {
      if (this.#torn) this.#options.write("\n");
      this.#torn = false;
      while (piece.text !== "") piece.text = piece.text.slice(this.#options.write(piece.text));
      this.#againMs = FIRST_AGAIN_MS;
    } catch (error) {
      if (isAgain(error)) {
        this.#again ??= setTimeout(this.#flush, this.#againMs).unref();
        this.#againMs = Math.min(MAX_AGAIN_MS, this.#againMs * 2);
        return false;
      }
      this.#torn ||= piece.text.length < length;
      if (piece.tells > 0) this.#untold += piece.tells;
      else this.#leaveOut(piece.text.split("\n").length - 1);
    }
    return true;
  }

  #leaveOut(lines: number): void {
    this.#lost += lines;
    this.#untold += lines;
  }

  #tellLost(): void {
    const lines = this.#untold;
    if (lines === 0) return;
    this.#untold = 0;
    // A piece of its own: together with others it could be more than a pipe takes whole.
    this.#writeOrHold({ text: this.#options.lost(lines), tells: lines });
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
    write: (piece) => writeSync(own ?? fd, piece, null, "latin1"),
    pieceBytes: own === undefined && isRegularFile(fd) ? FILE_PIECE_BYTES : PIPE_PIECE_BYTES,
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
