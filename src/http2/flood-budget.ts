// What a peer may send without bringing anything on (RFC 9113 section 10.5): pings, settings, window updates, priorities, padding, empty or
// tiny pieces, frames of unknown types, and streams that it opens only to reset them. Each costs its sender next to nothing. They spend a
// budget that fills again slowly; whoever spends it all is disconnected.
import { ConnectionFault } from "./fault.ts";
import { DEFAULT_WINDOW_BYTES, ENHANCE_YOUR_CALM } from "./protocol.ts";

const BUDGET_BYTES = 256 * 1024;
/** How fast it fills: hundreds of pings a second. */
const REFILL_BYTES_PER_MS = 16;
/** A receiver tells of every few KiB that it took: 13 bytes each, twice. */
const PER_SENT_PIECE = 64;
const SENT_BYTES_PER_BYTE = 8;
/** Streams that end by a fault or the will of the peer, before their time. */
export interface ResetAllowance {
  readonly burst: number;
  readonly perSecond: number;
}

/**
 * What a stream adds that both sides carried to its end. Clients with short deadlines or hedged calls cancel a share of what they ask for, however
 * much that is in a second: up to a third of their streams is their business, and cannot cost us more than the answers they waited for.
 */
const RESETS_PER_COMPLETED = 1 / 2;

const RESETS: ResetAllowance = { burst: 50, perSecond: 10 };

/** A SETTINGS frame costs far more than its bytes. */
export const SETTINGS_CHARGE = 1_024;
/** It is answered. */
export const PING_CHARGE = 64;
/** It is decoded, though nobody wants it. */
export const HEAD_CHARGE = 512;
/** Beside the bytes of a frame that brings nothing. */
export const FRAME_CHARGE = 32;

export class FloodBudget {
  #spent = 0;
  readonly #allowance: ResetAllowance;
  #resets: number;
  /** Of bodies that we stopped, and whose senders cannot know yet. */
  #unwanted = 0;

  constructor(resets: ResetAllowance = RESETS) {
    this.#allowance = resets;
    this.#resets = resets.burst;
  }

  /**
   * Something came that brings nothing on.
   * @throws ConnectionFault ENHANCE_YOUR_CALM
   */
  charge(bytes: number): void {
    this.#spent += bytes;
    if (this.#spent > BUDGET_BYTES) throw new ConnectionFault(ENHANCE_YOUR_CALM, "too many frames that bring nothing");
  }

  /** A piece of a body was sent: its taker may say so. */
  sent(bytes: number): void {
    this.#spent = Math.max(0, this.#spent - bytes / SENT_BYTES_PER_BYTE - PER_SENT_PIECE);
  }

  /** A stream was carried to its end by both sides. */
  completed(): void {
    this.#resets = Math.min(this.#allowance.burst, this.#resets + RESETS_PER_COMPLETED);
  }

  /**
   * A stream was reset by the peer, or by us for the peer's fault.
   * @throws ConnectionFault ENHANCE_YOUR_CALM
   */
  reset(): void {
    this.#resets -= 1;
    this.checkResets();
  }

  /** A stream's owner has found the peer's fault: `checkResets` tells when they are too many. */
  resetByOwner(): void {
    this.#resets -= 1;
  }

  /** @throws ConnectionFault ENHANCE_YOUR_CALM */
  checkResets(): void {
    if (this.#resets < 0) throw new ConnectionFault(ENHANCE_YOUR_CALM, "too many streams that end before their time");
  }

  /** We stop a body: its sender has a window of it under way until it hears so. */
  stopsBody(windowBytes = DEFAULT_WINDOW_BYTES): void {
    this.#unwanted += windowBytes;
  }

  /**
   * A piece of a body came that nobody wants, or a head.
   * @throws ConnectionFault ENHANCE_YOUR_CALM
   */
  unwanted(bytes: number): void {
    const allowed = Math.min(bytes, this.#unwanted);
    this.#unwanted -= allowed;
    this.charge(bytes - allowed);
  }

  /** @param elapsedMs since the last call */
  refill(elapsedMs: number): void {
    this.#spent = Math.max(0, this.#spent - elapsedMs * REFILL_BYTES_PER_MS);
    const { burst, perSecond } = this.#allowance;
    this.#resets = Math.min(burst, this.#resets + (elapsedMs * perSecond) / 1_000);
  }
}
