// Every deadline of the data plane on one coarse wheel: a timer of Node for each would cost more than the requests. A deadline that is
// set again and again (once for each piece of a body) costs two field writes: it is moved only when its old place comes up.
// Deadlines fire up to two ticks late and never early.

const SLOTS = 512;

/** One deadline; made once for each connection or exchange and set as often as needed. */
export class Deadline {
  readonly #wheel: DeadlineWheel;
  readonly #onExpired: () => void;
  /** In ticks of the wheel; 0: not set. */
  #due = 0;
  #queued = false;

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
    if (this.#queued) return;
    this.#queued = true;
    this.#wheel.queue(this, this.#due);
  }

  clear(): void {
    this.#due = 0;
  }

  /** Called by the wheel when the place comes up in which it was queued. @returns the tick to queue it for; 0: none */
  reached(tick: number): number {
    if (this.#due > tick) return this.#due;
    this.#queued = false;
    if (this.#due === 0) return 0;
    this.#due = 0;
    this.#onExpired();
    return 0;
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
  /** The last tick that was looked at. */
  #tick = 1;

  constructor({ tickMs = 50, now = () => performance.now(), onFault }: DeadlineWheelOptions) {
    this.#tickMs = tickMs;
    this.#now = now;
    this.#onFault = onFault;
    this.#startedAt = now() - tickMs;
    this.#timer = setInterval(() => this.advance(), tickMs);
    this.#timer.unref();
  }

  /** The tick in which `ms` from now have passed, however far the present tick is. */
  dueIn(ms: number): number {
    return this.#tick + Math.ceil(ms / this.#tickMs) + 1;
  }

  queue(deadline: Deadline, tick: number): void {
    this.#slots[tick % SLOTS]?.push(deadline);
  }

  /** Fires what is due. Called by the wheel's own timer; a test with a clock of its own may call it. */
  advance(): void {
    const last = Math.floor((this.#now() - this.#startedAt) / this.#tickMs);
    // After a long stop (a suspended machine) one round reaches every deadline.
    for (let steps = Math.min(last - this.#tick, SLOTS); steps > 0; steps--) this.#turn(last - steps + 1);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #turn(tick: number): void {
    this.#tick = tick;
    const slot = this.#slots[tick % SLOTS];
    if (slot === undefined || slot.length === 0) return;
    this.#slots[tick % SLOTS] = [];
    for (const deadline of slot) {
      try {
        const due = deadline.reached(tick);
        if (due !== 0) this.queue(deadline, due);
      } catch (error) {
        this.#onFault(error);
      }
    }
  }
}
