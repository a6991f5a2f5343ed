// Watches the clock and has authorities succeed one another (spec/enterprise-pki.md, "Timing"): prepare at L/2, activate at
// 5/6 L but never before the propagation time has passed, remove and destroy the key when the last leaf has expired. What is due
// says rotation-plan.ts; the manager changes state; this only looks at the clock, tries again, and raises alarms.
import { type Clock, formatTime, type Logger, MeshCaError, type Metrics, silentMetrics } from "../../runtime/index.ts";
import { Backoff } from "./backoff.ts";
import type { AuthorityManager } from "./manager.ts";
import { type AuthorityRecord, endOfPath } from "./records.ts";
import { nextStep, type RotationStep } from "./rotation-plan.ts";
import type { AuthoritySettings } from "./settings.ts";

export interface RotatorOptions {
  readonly authorities: AuthorityManager;
  readonly clock: Clock;
  readonly settings: AuthoritySettings;
  readonly logger: Logger;
  readonly metrics?: Metrics;
}

/** What fails is tried again at least this often, and sixty times in the life of the authority that signs. */
const MAX_BACKOFF_MS = 3_600_000;
const TRIES_IN_A_LIFE = 60;
/** Looking costs little, and nothing else is done while it fails. */
const MAX_LOOK_BACKOFF_MS = 60_000;
const LOOK = "look";

/** Looks at the clock every tick. */
export class Rotator {
  readonly #options: RotatorOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #closed = false;
  readonly #backoff: Backoff;
  #alarmed = "";

  constructor(options: RotatorOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.settings.rotatorTickSeconds * 1000);
    const metrics = options.metrics ?? silentMetrics;
    metrics.gauge(
      "mesh_ca_rotation_failures",
      { description: "Steps of the authority rotation that failed in a row" },
      () => [{ value: this.#backoff.failures }],
    );
    metrics.gauge(
      "mesh_ca_authority_request_age_seconds",
      { description: "How long the oldest certification request has waited for people to sign it; 0 while none waits" },
      () => {
        const [oldest] = options.authorities.pendingRequests();
        return [{ value: oldest === undefined ? 0 : (options.clock.now() - oldest.createdAt) / 1000 }];
      },
    );
  }

  /** Looks now, and then every `rotatorTickSeconds`. */
  start(): void {
    const look = (): void => {
      this.#running = this.tick().finally(() => {
        if (this.#closed) return;
        this.#timer = setTimeout(look, this.#options.settings.rotatorTickSeconds * 1000);
        this.#timer.unref();
      });
    };
    look();
  }

  /** Ends after the step that is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  /**
   * Does what is due now, and answers what was done. Never throws: what fails is logged, and tried again later and later, while
   * everything else goes on.
   */
  async tick(): Promise<readonly RotationStep[]> {
    if (!this.#backoff.isDue(LOOK, this.#options.clock.now())) return [];
    let due: readonly RotationStep[];
    try {
      due = await this.#look();
      this.#backoff.succeeded(LOOK);
    } catch (error) {
      this.#failed(LOOK, error, MAX_LOOK_BACKOFF_MS);
      return [];
    }
    this.#backoff.forgetBut((what) => due.some((step) => nameOf(step) === what));
    const done: RotationStep[] = [];
    for (const step of due) if (await this.#try(step)) done.push(step);
    return done;
  }

  async #look(): Promise<readonly RotationStep[]> {
    const { authorities, clock, settings } = this.#options;
    await authorities.refresh();
    const own = authorities.records().filter(({ replica }) => replica === authorities.replica);
    const ready = authorities.isHealthyEnoughToRotate();
    const { answersAtOnce } = authorities;
    const planned = nextStep(own, { ready, now: clock.now(), settings, answersAtOnce });
    const due = [...planned, ...(await this.#leftovers(own))];
    if (due.some(({ kind }) => kind !== "nothing" && kind !== "overdue")) await authorities.requireSameClocks();
    return due;
  }

  async #try(step: RotationStep): Promise<boolean> {
    const { authorities, clock } = this.#options;
    const what = nameOf(step);
    if (!this.#backoff.isDue(what, clock.now())) return false;
    try {
      await this.#do(step);
      this.#backoff.succeeded(what);
      return true;
    } catch (error) {
      const active = authorities
        .records()
        .find((each) => each.replica === authorities.replica && each.state === "active");
      const { issued } = active ?? {};
      const lifeMs = issued === undefined ? Number.POSITIVE_INFINITY : endOfPath(issued) - issued.certificate.notBefore;
      this.#failed(what, error, Math.min(MAX_BACKOFF_MS, lifeMs / TRIES_IN_A_LIFE));
      return false;
    }
  }

  #failed(what: string, error: unknown, maxMs: number): void {
    const { clock, logger } = this.#options;
    const failures = this.#backoff.failed(what, clock.now(), maxMs);
    logger.error(
      { event: "authority.rotation_failed", step: what, failures, error, alarm: true },
      "a step of the authority rotation failed; the present authority goes on signing until its end",
    );
  }

  async #do(step: RotationStep): Promise<void> {
    const { authorities, logger } = this.#options;
    switch (step.kind) {
      case "nothing":
        return;
      case "prepare": {
        const { spkiSha256 } = await authorities.prepare("rotation");
        logger.info({ event: "authority.prepared", authority: spkiSha256 }, "a successor authority is published");
        return;
      }
      case "request": {
        const { spkiSha256 } = await authorities.request("rotation");
        this.#alarmOnce(
          `request ${spkiSha256}`,
          `the authority is past half of its life: a certification request waits for people to sign it (${spkiSha256}); npx mesh-ca authority csr prints it`,
        );
        return;
      }
      case "give-up":
        await authorities.retire(step.spkiSha256, step.cause);
        logger.warn(
          { event: "authority.given_up", authority: step.spkiSha256, cause: step.cause },
          "a successor was given up",
        );
        return;
      case "revoke":
        if (await authorities.hasLivingLeaves(step.spkiSha256)) return;
        await authorities.revoke(step.spkiSha256, { cause: step.cause });
        logger.info({ event: "authority.revoked", authority: step.spkiSha256 }, "a tainted authority has ended");
        return;
      case "activate":
        await this.#activate(step.spkiSha256);
        return;
      case "clear":
        // Leaves may have lived longer under settings of the past.
        if (await authorities.hasLivingLeaves(step.spkiSha256)) return;
        await authorities.remove(step.spkiSha256, step.cause);
        logger.info({ event: "authority.removed", authority: step.spkiSha256 }, "an authority was removed");
        return;
      case "destroy":
        await authorities.remove(step.spkiSha256, step.cause);
        return;
      case "overdue":
        this.#alarmOnce(
          `overdue ${step.endsAt}`,
          `no successor is ready; the authority ends at ${formatTime(step.endsAt)} and certificates get shorter until then`,
        );
        return;
    }
  }

  async #activate(spkiSha256: string): Promise<void> {
    const { authorities, logger } = this.#options;
    try {
      await authorities.activate(spkiSha256, { cause: "rotation" });
      logger.info({ event: "authority.activated", authority: spkiSha256 }, "another authority signs from now on");
    } catch (error) {
      if (!(error instanceof MeshCaError) || error.code !== "MCA_AUTHORITY_KEY_MISSING") throw error;
      // Another successor can still be made; this one will never sign.
      await authorities.retire(spkiSha256, "its key is missing");
      this.#alarmOnce(
        `key ${spkiSha256}`,
        `the key of the prepared authority ${spkiSha256} is gone: it was given up, another successor follows`,
      );
    }
  }

  /** What a crash left: keys of removed authorities, or their end without a record, and requests that nobody waits for. */
  async #leftovers(own: readonly AuthorityRecord[]): Promise<readonly RotationStep[]> {
    const stored = await this.#options.authorities.storedKeys();
    return own
      .filter(
        ({ state, spkiSha256, csr, keyDestroyedAt }) =>
          (state === "removed" && (keyDestroyedAt === undefined || stored.has(spkiSha256))) ||
          (state === "requested" && csr === undefined),
      )
      .map(({ spkiSha256 }) => ({ kind: "destroy", spkiSha256, cause: "left over from an interruption" }));
  }

  #alarmOnce(key: string, sentence: string): void {
    if (this.#alarmed === key) return;
    this.#alarmed = key;
    this.#options.logger.error({ event: "authority.rotation_alarm", alarm: true }, sentence);
  }
}

/** One name for the same step at each look. */
function nameOf(step: RotationStep): string {
  return "spkiSha256" in step ? `${step.kind} ${step.spkiSha256}` : step.kind;
}
