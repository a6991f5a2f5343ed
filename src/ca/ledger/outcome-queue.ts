// Outcomes of signatures on their way into the log: one entry svid.outcome per batch. What waits here can already be asked for, so
// that a lost answer is given again at once.
import { formatTime } from "../../runtime/index.ts";
import { type EncodedEntry, encodeCanonicalText, MAX_ENTRY_BYTES } from "./canonical.ts";
import type { OutcomeReport } from "./intent.ts";

/** Room for the entry's own fields and, per outcome, for names, index and punctuation. */
const ENTRY_BYTES = 256;
const OUTCOME_BYTES = 80;

export class OutcomeQueue {
  #waiting = new Map<bigint, OutcomeReport>();
  /** Taken by a batch whose commit is not known yet. */
  #taken = new Map<bigint, OutcomeReport>();
  /** The one answer of `take` that is all of `#taken`; undefined: there is none. */
  #takenWhole: readonly OutcomeReport[] | undefined;

  get size(): number {
    return this.#waiting.size;
  }

  /** @throws TypeError when the index was reported before: one record, one signature */
  add(outcome: OutcomeReport): void {
    if (this.find(outcome.logIndex) !== undefined) {
      throw new TypeError(`the outcome of index ${outcome.logIndex} was already reported`);
    }
    if (outcome.result === "signed" && outcome.signature === undefined) {
      throw new TypeError("an outcome `signed` comes with its signature");
    }
    this.#waiting.set(outcome.logIndex, outcome);
  }

  find(logIndex: bigint): OutcomeReport | undefined {
    return this.#waiting.get(logIndex) ?? this.#taken.get(logIndex);
  }

  /** The next outcomes, as many as one entry holds. */
  take(): readonly OutcomeReport[] {
    const outcomes: OutcomeReport[] = [];
    let bytes = ENTRY_BYTES;
    for (const outcome of this.#waiting.values()) {
      bytes += OUTCOME_BYTES + Math.ceil((outcome.signature?.length ?? 0) / 3) * 4;
      if (bytes > MAX_ENTRY_BYTES) break;
      outcomes.push(outcome);
    }
    if (outcomes.length === this.#waiting.size && this.#taken.size === 0) {
      // As nearly always, all of them; one by one they would cost twice as much as making them.
      this.#taken = this.#waiting;
      this.#takenWhole = outcomes;
      this.#waiting = new Map();
    } else {
      this.#takenWhole = undefined;
      for (const outcome of outcomes) {
        this.#waiting.delete(outcome.logIndex);
        this.#taken.set(outcome.logIndex, outcome);
      }
    }
    return outcomes;
  }

  /** They are recorded. */
  done(outcomes: readonly OutcomeReport[]): void {
    if (outcomes === this.#takenWhole) this.#taken = new Map();
    else for (const { logIndex } of outcomes) this.#taken.delete(logIndex);
  }

  /** They are not recorded: the next batch takes them again. */
  putBack(outcomes: readonly OutcomeReport[]): void {
    for (const outcome of outcomes) {
      if (this.#taken.delete(outcome.logIndex)) this.#waiting.set(outcome.logIndex, outcome);
    }
  }
}

/** The entry of a batch's outcomes, in canonical order (as in svid-entry.ts). `now`: Unix milliseconds. */
export function encodeOutcomes(outcomes: readonly OutcomeReport[], now: number): EncodedEntry {
  const items = outcomes.map(({ logIndex, result, signature }) =>
    signature === undefined
      ? `{"index":"${logIndex}","result":"${result}"}`
      : `{"index":"${logIndex}","result":"${result}","signature":"${base64(signature)}"}`,
  );
  return encodeCanonicalText(
    `{"kind":"svid.outcome","outcomes":[${items.join(",")}],"time":"${formatTime(now)}","v":1}`,
  );
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}
