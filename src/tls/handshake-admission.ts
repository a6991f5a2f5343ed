// Bounds the handshakes in progress, overall and for one sender, so that whoever opens thousands of connections and says
// nothing keeps out nobody else. Pure: no socket, no timer, no clock of its own.
//
// When the bound is reached, the oldest handshake makes room if it looks dead: it has said nothing for 250 ms, or it has been at
// it for 2 s. Otherwise the newcomer is refused: in a herd of honest clients those who came first are served first, while an
// honest handshake, which takes milliseconds, is never the oldest for long.

export interface AdmissionLimits {
  readonly maxHandshakes: number;
  readonly maxHandshakesPerSender: number;
}

/** A handshake in progress. */
export interface Candidate {
  /** Whether it has sent anything yet. */
  hasSpoken(): boolean;
  /** Called when it must make room. */
  evict(): void;
}

const SILENT_GRACE_MS = 250;
const GRACE_MS = 2_000;
/** How many of the oldest are looked at for one newcomer. */
const MAX_LOOKED_AT = 32;

interface Slot {
  readonly candidate: Candidate;
  readonly sender: string;
  readonly since: number;
}

export class HandshakeAdmission {
  readonly #limits: AdmissionLimits;
  /** In order of arrival. */
  readonly #slots = new Set<Slot>();
  readonly #bySender = new Map<string, Set<Slot>>();

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** Handshakes in progress. */
  get size(): number {
    return this.#slots.size;
  }

  /** The same of one sender. */
  countOf(sender: string): number {
    return this.#bySender.get(sender)?.size ?? 0;
  }

  /**
   * Admits a newcomer, perhaps by evicting another.
   * @param now Unix milliseconds
   * @returns how to give the place back (harmless to call twice), or undefined: refused
   */
  admit(sender: string, candidate: Candidate, now: number): (() => void) | undefined {
    const own = this.#bySender.get(sender) ?? new Set<Slot>();
    if (own.size >= this.#limits.maxHandshakesPerSender && !this.#makeRoom(own, now)) return undefined;
    if (this.#slots.size >= this.#limits.maxHandshakes && !this.#makeRoom(this.#slots, now)) return undefined;
    const slot: Slot = { candidate, sender, since: now };
    this.#slots.add(slot);
    // Making room may have emptied and removed the sender's set.
    own.add(slot);
    this.#bySender.set(sender, own);
    return () => this.#release(slot);
  }

  #makeRoom(slots: ReadonlySet<Slot>, now: number): boolean {
    let lookedAt = 0;
    for (const slot of slots) {
      const ageMs = now - slot.since;
      if (ageMs < SILENT_GRACE_MS || lookedAt === MAX_LOOKED_AT) return false;
      if (ageMs >= GRACE_MS || !slot.candidate.hasSpoken()) {
        this.#release(slot);
        slot.candidate.evict();
        return true;
      }
      lookedAt += 1;
    }
    return false;
  }

  #release(slot: Slot): void {
    if (!this.#slots.delete(slot)) return;
    const own = this.#bySender.get(slot.sender);
    own?.delete(slot);
    if (own?.size === 0) this.#bySender.delete(slot.sender);
  }
}
