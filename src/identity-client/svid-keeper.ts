// Keeps one SVID fresh. The valid certificate stays in use while the server is away; renewal is tried by the present SVID first
// (also after its expiry: the server's rule decides), then by evidence.
//
//   resting ── renew_at, "renew now", trust no longer holds for it ──> attempting
//   attempting ── answered ──> resting            attempting ── failed ──> backing off
//   backing off ── wait over ──> attempting       any ── close ──> closed
import type { Logger, RandomSource } from "../runtime/index.ts";
import { backoffMs, randomFraction } from "./backoff.ts";
import type { Enroller, Enrolment } from "./enroller.ts";
import { IdentityClientError } from "./errors.ts";
import type { LinkHolder } from "./link-holder.ts";
import type { SchedulingClock } from "./scheduling-clock.ts";
import { isTransient, reasonFields } from "./server-error.ts";
import type { StoredSvid } from "./svid-store.ts";

export interface SvidKeeperOptions {
  readonly enroller: Enroller;
  readonly links: LinkHolder;
  readonly clock: SchedulingClock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly stored: StoredSvid | undefined;
  readonly hasEvidence: boolean;
  /** Called with each new SVID, before anybody else sees it. */
  adopt(enrolment: Enrolment): void;
}

type KeeperState =
  | { readonly kind: "resting"; readonly until: number }
  | { readonly kind: "attempting" }
  | { readonly kind: "backing-off"; readonly until: number }
  | { readonly kind: "closed" };

/** Failures since the last success. */
export interface Trouble {
  readonly since: number;
  readonly attempts: number;
  readonly error: Error;
}

export class SvidKeeper {
  readonly #options: SvidKeeperOptions;
  #stored: StoredSvid | undefined;
  #state: KeeperState = { kind: "resting", until: Number.POSITIVE_INFINITY };
  #trouble: Trouble | undefined;
  /** Answers in a row that were due for renewal on arrival: a clock that is off must not become a storm of requests. */
  #dueOnArrival = 0;
  #attempt: Promise<StoredSvid> | undefined;
  #cancel: (() => void) | undefined;
  /** The certificate that is in a hurry, and in which spread. */
  #hurried: { readonly serial: string; readonly spreadMs: number } | undefined;
  #running = false;

  constructor(options: SvidKeeperOptions) {
    this.#options = options;
    this.#stored = options.stored;
  }

  get stored(): StoredSvid | undefined {
    return this.#stored;
  }

  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /** Gets the first SVID, trying again while the server is away, until `deadline` (Unix milliseconds). */
  async first(deadline: number, signal: AbortSignal, onWaiting: (error: Error) => void): Promise<StoredSvid> {
    const { clock } = this.#options;
    for (let faults = 0; ; ) {
      try {
        const stored = await this.attempt();
        const fault = this.#clockFault(stored);
        if (fault === undefined) return stored;
        // The server may have repeated an answer that has expired since; a second one cannot be explained so.
        faults += 1;
        if (faults > 1 || clock.now() < stored.svid.notBefore) throw fault;
      } catch (error) {
        if (!(error instanceof Error) || !isTransient(error)) throw error;
        const wait = this.#backoff();
        if (clock.now() + wait >= deadline) throw error;
        onWaiting(error);
        await waitUntil(clock, clock.now() + wait, signal);
      }
    }
  }

  /** Begins to keep the SVID fresh. */
  run(): void {
    this.#running = true;
    this.#rest();
  }

  /** Renews now, or joins the attempt that is under way. */
  async attempt(): Promise<StoredSvid> {
    if (this.#state.kind === "closed") throw new IdentityClientError("MCA_CLIENT_CLOSED", "The source was closed.");
    if (this.#attempt !== undefined) return this.#attempt;
    this.#attempt = this.#try();
    try {
      const stored = await this.#attempt;
      if (this.#running) this.#rest();
      return stored;
    } catch (error) {
      if (this.#running) this.#backOff(error);
      throw error;
    } finally {
      this.#attempt = undefined;
    }
  }

  /**
   * Renews at a moment drawn evenly from the next `spreadMs`, once for the present certificate; only a shorter spread counts anew.
   * Returns false while an attempt is under way: whoever asks then looks at what comes of it.
   */
  hurry(spreadMs: number): boolean {
    const serial = this.#stored?.svid.serial;
    if (serial === undefined || (this.#hurried?.serial === serial && this.#hurried.spreadMs <= spreadMs)) return true;
    if (this.#state.kind !== "resting") return false;
    this.#hurried = { serial, spreadMs };
    const { clock, random } = this.#options;
    this.#schedule(Math.min(this.#state.until, clock.now() + spreadMs * randomFraction(random)));
    return true;
  }

  close(): void {
    this.#cancel?.();
    this.#state = { kind: "closed" };
  }

  async #try(): Promise<StoredSvid> {
    this.#cancel?.();
    this.#state = { kind: "attempting" };
    try {
      const enrolment = await this.#byAnyMeans();
      this.#stored = enrolment.stored;
      this.#trouble = undefined;
      this.#dueOnArrival = this.#isDue(enrolment.stored) ? this.#dueOnArrival + 1 : 0;
      this.#options.adopt(enrolment);
      const fault = this.#clockFault(enrolment.stored);
      if (fault !== undefined) this.#options.logger.error({ event: "svid.clock_fault", error: fault }, fault.message);
      return enrolment.stored;
    } catch (error) {
      const failure = error instanceof Error ? error : new Error("The attempt failed.", { cause: error });
      const { since, attempts } = this.#trouble ?? { since: this.#options.clock.now(), attempts: 0 };
      this.#trouble = { since, attempts: attempts + 1, error: failure };
      throw failure;
    }
  }

  async #byAnyMeans(): Promise<Enrolment> {
    const { enroller, links, hasEvidence, logger } = this.#options;
    const stored = this.#stored;
    if (stored === undefined) return enroller.enrol(undefined);
    const link = links.get();
    try {
      return await enroller.renew(stored, link);
    } catch (error) {
      links.discard(link);
      if (error instanceof Error && isTransient(error)) throw error;
      if (!hasEvidence) throw error;
      logger.warn(
        { event: "svid.renewal_refused", ...reasonFields(error) },
        "The renewal was refused; fresh evidence is tried.",
      );
      return enroller.enrol(stored.evidence).catch((second: unknown) => {
        // A spent token says nothing new: what counts is why the renewal was refused.
        throw second instanceof IdentityClientError && second.code === "MCA_CLIENT_EVIDENCE_MISSING" ? error : second;
      });
    }
  }

  #rest(): void {
    const stored = this.#stored;
    if (this.#state.kind === "closed" || stored === undefined) return;
    const { clock, random } = this.#options;
    const least = this.#dueOnArrival === 0 ? 0 : clock.now() + backoffMs(this.#dueOnArrival, random);
    this.#schedule(Math.max(stored.svid.renewAt, least));
  }

  #schedule(until: number): void {
    this.#cancel?.();
    this.#state = { kind: "resting", until };
    this.#cancel = this.#options.clock.at(until, () => this.#wake());
  }

  #wake(): void {
    // What went wrong was logged, and the next attempt is scheduled.
    this.attempt().catch(() => {});
  }

  #backOff(error: unknown): void {
    if (this.#state.kind === "closed") return;
    const { clock, logger } = this.#options;
    const wait = this.#backoff();
    const svid = this.#stored?.svid;
    logger.warn(
      {
        event: "svid.renewal_failed",
        ...reasonFields(error),
        attempts: this.#trouble?.attempts ?? 0,
        waitMs: Math.round(wait),
        ...(svid === undefined ? {} : { id: svid.id.toString(), notAfter: new Date(svid.notAfter).toISOString() }),
      },
      "Renewing failed; the present certificate stays in use until it expires, and renewal is tried again.",
    );
    this.#cancel?.();
    this.#state = { kind: "backing-off", until: clock.now() + wait };
    this.#cancel = clock.at(this.#state.until, () => this.#wake());
  }

  #backoff(): number {
    const svid = this.#stored?.svid;
    // notBefore lies in the past for peers with slow clocks; renew_at lies about in the middle of the real lifetime.
    const lifetime = svid === undefined ? undefined : 2 * (svid.notAfter - svid.renewAt);
    return backoffMs(this.#trouble?.attempts ?? 1, this.#options.random, lifetime);
  }

  #isDue({ svid }: StoredSvid): boolean {
    return this.#options.clock.now() >= svid.renewAt;
  }

  #clockFault({ svid }: StoredSvid): IdentityClientError | undefined {
    const now = this.#options.clock.now();
    if (now >= svid.notBefore && now < svid.notAfter) return undefined;
    return new IdentityClientError(
      "MCA_CLIENT_CLOCK",
      `The fresh certificate is valid from ${new Date(svid.notBefore).toISOString()} until ${new Date(svid.notAfter).toISOString()}, but this machine's clock says ${new Date(now).toISOString()}. Set the clock.`,
    );
  }
}

function waitUntil(clock: SchedulingClock, unixMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      cancel();
      reject(new IdentityClientError("MCA_CLIENT_CLOSED", "The enrolment was called off."));
    };
    // A waiting start keeps the process alive: without it Node would end in the middle of it.
    const alive = setInterval(() => {}, 1_000);
    const finish = (): void => {
      clearInterval(alive);
      signal.removeEventListener("abort", stop);
    };
    const cancelWait = clock.at(unixMs, () => {
      finish();
      resolve();
    });
    const cancel = (): void => {
      cancelWait();
      finish();
    };
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
  });
}
