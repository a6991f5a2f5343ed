// Every deadline of the data plane on one coarse wheel: a timer of Node for each would cost more than the requests. A deadline that is
// set again and again (once for each piece of a body) costs a look at the clock and a field write: it is moved only when its old place comes up.
// Deadlines fire up to two ticks late and never early, and at the end of a turn: what came in time while the process stood still has then been
// read, and counts.

const SLOTS = 512;

/** One deadline; made once for each connection, or taken from the wheel for an exchange, and set as often as needed. */
export class Deadline {
  readonly #wheel: DeadlineWheel;
  #onExpired: () => void;
  /** In ticks of the wheel; 0: not set. */
  #due = 0;
  /** The tick in which the wheel looks at it; 0: it is not queued. Never later than `#due`. */
  #queuedFor = 0;

  constructor(wheel: DeadlineWheel, onExpired: () => void) {
    this.#wheel = wheel;
    this.#onExpired = onExpired;
  }

  get isSet(): boolean {
    return this.#due !== 0;
  }

  /** Fires `ms` milliseconds from now, unless it is set again or cleared before; 0: never. */
  set(ms: number): void {
    if (ms === 0) {
      this.#due = 0;
      return;
    }
    this.#due = this.#wheel.dueIn(ms);
    // Looked at early enough already, or too late: then a second entry is made, and the first is passed over when it comes up.
    if (this.#queuedFor === 0 || this.#due < this.#queuedFor) this.#queue(this.#due);
  }

  clear(): void {
    this.#due = 0;
  }

  /** Its owner is gone. Only cleared, it would hold on to it until its place in the wheel comes up, a minute or an hour later. */
  release(): void {
    this.reuse(nothing);
  }

  /** For another owner. */
  reuse(onExpired: () => void): void {
    this.#due = 0;
    this.#onExpired = onExpired;
  }

  /** Called by the wheel for an entry in the slot of this tick. @returns whether the entry stays for a later round */
  reached(tick: number): boolean {
    if (this.#queuedFor > tick) return (this.#queuedFor - tick) % SLOTS === 0;
    // An entry that another one has overtaken. (Its time may be over without its slot having come up: after a long stop.)
    if (this.#queuedFor === 0) return false;
    this.#queuedFor = 0;
    if (this.#due > tick) {
      this.#queue(this.#due);
    } else if (this.#due !== 0) {
      this.#due = 0;
      this.#onExpired();
    }
    return false;
  }

  #queue(tick: number): void {
    this.#queuedFor = tick;
    this.#wheel.queue(this, tick);
  }
}

export interface DeadlineWheelOptions {
  /** How coarse, in milliseconds. Default 50. */
  readonly tickMs?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  /** What a failing callback throws. */
  readonly onFault: (error: unknown) => void;
}

export class DeadlineWheel {
  readonly #slots: Deadline[][] = Array.from({ length: SLOTS }, () => []);
  readonly #tickMs: number;
  readonly #now: () => number;
  readonly #onFault: (error: unknown) => void;
  readonly #startedAt: number;
  readonly #timer: NodeJS.Timeout;
  #turnsEnd: NodeJS.Immediate | undefined;
  readonly #spare: Deadline[] = [];
  /** The last tick that was looked at. */
  #tick = 1;

  constructor({ tickMs = 50, now = () => performance.now(), onFault }: DeadlineWheelOptions) {
    this.#tickMs = tickMs;
    this.#now = now;
    this.#onFault = onFault;
    this.#startedAt = now() - tickMs;
    this.#timer = setInterval(() => {
      // As of now: what stands still between here and the end of the turn is no reason to judge by a time at which nothing was read.
      const time = this.#now();
      this.#turnsEnd = setImmediate(() => this.advance(time));
    }, tickMs);
    this.#timer.unref();
  }

  /** The tick in which `ms` from now have passed; by the clock, because the wheel stands still while the loop is blocked. */
  dueIn(ms: number): number {
    return Math.floor((this.#now() - this.#startedAt + ms) / this.#tickMs) + 2;
  }

  /** A deadline for something short-lived; `give` it back, or each one would stay in its slot until its time. */
  take(onExpired: () => void): Deadline {
    const deadline = this.#spare.pop();
    if (deadline === undefined) return new Deadline(this, onExpired);
    deadline.reuse(onExpired);
    return deadline;
  }

  give(deadline: Deadline): void {
    deadline.release();
    this.#spare.push(deadline);
  }

  queue(deadline: Deadline, tick: number): void {
    this.#slots[tick % SLOTS]?.push(deadline);
  }

  /**
   * Fires what is due. Called by the wheel's own timer; a test with a clock of its own may call it.
   * @param time as of when, monotonic milliseconds
   */
  advance(time = this.#now()): void {
    const last = Math.floor((time - this.#startedAt) / this.#tickMs);
    // After a long stop (a suspended machine) one round reaches every deadline.
    for (let steps = Math.min(last - this.#tick, SLOTS); steps > 0; steps--) this.#turn(last - steps + 1);
  }

  close(): void {
    clearInterval(this.#timer);
    clearImmediate(this.#turnsEnd);
  }

  #turn(tick: number): void {
    this.#tick = tick;
    const slot = this.#slots[tick % SLOTS];
    if (slot === undefined || slot.length === 0) return;
    this.#slots[tick % SLOTS] = [];
    for (const deadline of slot) {
      try {
        if (deadline.reached(tick)) this.queue(deadline, tick);
      } catch (error) {
        this.#onFault(error);
      }
    }
  }
}

function nothing(): void {}
