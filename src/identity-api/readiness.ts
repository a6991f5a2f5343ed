// May this server issue, and if not, why not? Asked by /readyz and by gRPC health. A reason says what was found, what to do.
import { MeshCaError } from "../runtime/index.ts";

/** One thing that keeps the server from issuing. */
export interface Reason {
  /** MCA_... */
  readonly code: string;
  /** A sentence that says what to do. */
  readonly sentence: string;
  readonly found?: string;
  readonly expected?: string;
  /** A command line to type. */
  readonly command?: string;
}

/** Something an operator should mend although identities are issued. */
export interface Note {
  /** What it is about, for example `attestor k8s-prod`. */
  readonly about: string;
  readonly sentence: string;
}

export interface ReadinessState {
  readonly ready: boolean;
  readonly reasons: readonly Reason[];
  readonly notes: readonly Note[];
}

/** Asks one part; undefined: nothing to complain about. */
export type ReadinessCheck = () => Reason | undefined;

const POLL_MS = 500;

export class Readiness {
  readonly #checks: ReadinessCheck[] = [];
  readonly #notes: (() => readonly Note[])[] = [];
  readonly #listeners: ((state: ReadinessState) => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #last = "";

  add(check: ReadinessCheck): void {
    this.#checks.push(check);
  }

  /** Adds what is told in the state but never makes the server unready. */
  addNotes(notes: () => readonly Note[]): void {
    this.#notes.push(notes);
  }

  get state(): ReadinessState {
    const reasons = this.#checks.flatMap((check) => check() ?? []);
    return { ready: reasons.length === 0, reasons, notes: this.#notes.flatMap((notes) => notes()) };
  }

  /** Calls `listener` now and after each change of the reasons. */
  onChange(listener: (state: ReadinessState) => void): void {
    this.#listeners.push(listener);
    listener(this.state);
  }

  /** Looks again, so that listeners hear of a change at once. */
  refresh(): void {
    const state = this.state;
    const key = keyOf(state);
    if (key === this.#last) return;
    this.#last = key;
    for (const listener of this.#listeners) listener(state);
  }

  start(): void {
    this.#last = keyOf(this.state);
    this.#timer = setInterval(() => this.refresh(), POLL_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** By codes: a sentence may count seconds, and that is no change. */
function keyOf({ reasons }: ReadinessState): string {
  return reasons.map(({ code }) => code).join(" ");
}

/** An error as a reason. */
export function reasonFor(error: unknown): Reason {
  if (!(error instanceof MeshCaError)) return { code: "MCA_INTERNAL", sentence: "An internal error; see the log." };
  return { code: error.code, sentence: error.message };
}
