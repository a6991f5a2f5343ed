// Watches the clock and has authorities succeed one another (spec/enterprise-pki.md, "Timing"): prepare at L/2, activate at
// 5/6 L but never before the propagation time has passed, remove and destroy the key when the last leaf has expired. What is due
// says rotation-plan.ts; the manager changes state; this only looks at the clock, tries again, and raises alarms.
import { type Clock, formatTime, type Logger, MeshCaError, type Metrics, silentMetrics } from "../../runtime/index.ts";
import type { AuthorityManager } from "./manager.ts";
import type { AuthorityRecord } from "./records.ts";
import { nextStep, type RotationStep } from "./rotation-plan.ts";
import type { AuthoritySettings } from "./settings.ts";

export interface RotatorOptions {
  readonly authorities: AuthorityManager;
  readonly clock: Clock;
  readonly settings: AuthoritySettings;
  readonly logger: Logger;
  readonly metrics?: Metrics;
}

const MAX_BACKOFF_MS = 3_600_000;

/** Looks at the clock every tick. */
export class Rotator {
  readonly #options: RotatorOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #closed = false;
  /** Failures in a row; back to 0 with each success. */
  #failures = 0;
  #waitUntil = 0;
  #alarmed = "";

  constructor(options: RotatorOptions) {
    this.#options = options;
    const metrics = options.metrics ?? silentMetrics;
    metrics.gauge(
      "mesh_ca_rotation_failures",
      { description: "Steps of the authority rotation that failed in a row" },
      () => [{ value: this.#failures }],
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

  /** Does what is due now. Never throws: what fails is logged, and tried again later and later. */
  async tick(): Promise<readonly RotationStep[]> {
    const { authorities, clock, settings, logger } = this.#options;
    const now = clock.now();
    // A wait that lies far ahead is a clock that was set back.
    if (now < this.#waitUntil && this.#waitUntil - now <= MAX_BACKOFF_MS) return [];
    try {
      await authorities.refresh();
      const own = authorities.records().filter(({ replica }) => replica === authorities.replica);
      const ready = authorities.isHealthyEnoughToRotate();
      const { answersAtOnce } = authorities;
      const due = [...nextStep(own, { ready, now, settings, answersAtOnce }), ...(await this.#leftovers(own))];
      if (due.some(({ kind }) => kind !== "nothing" && kind !== "overdue")) await authorities.requireSameClocks();
      for (const step of due) await this.#do(step);
      this.#failures = 0;
      this.#waitUntil = 0;
      return due;
    } catch (error) {
      this.#failures += 1;
      const backoff = Math.min(settings.rotatorTickSeconds * 1000 * 2 ** Math.min(this.#failures, 20), MAX_BACKOFF_MS);
      this.#waitUntil = now + backoff;
      logger.error(
        { event: "authority.rotation_failed", failures: this.#failures, error, alarm: true },
        "a step of the authority rotation failed; the present authority goes on signing until its end",
      );
      return [];
    }
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
      // The present one is healthy, so that another successor can still be made; this one will never sign.
      await authorities.retire(spkiSha256, "its key is missing");
      this.#alarmOnce(
        `key ${spkiSha256}`,
        `the key of the prepared authority ${spkiSha256} is gone: it was given up, another successor follows`,
      );
    }
  }

  /** What a crash left: keys of removed authorities, and requests that nobody waits for. */
  async #leftovers(own: readonly AuthorityRecord[]): Promise<readonly RotationStep[]> {
    const stored = await this.#options.authorities.storedKeys();
    return own
      .filter(
        ({ state, spkiSha256, csr }) =>
          (state === "removed" && stored.has(spkiSha256)) || (state === "requested" && csr === undefined),
      )
      .map(({ spkiSha256 }) => ({ kind: "destroy", spkiSha256, cause: "left over from an interruption" }));
  }

  #alarmOnce(key: string, sentence: string): void {
    if (this.#alarmed === key) return;
    this.#alarmed = key;
    this.#options.logger.error({ event: "authority.rotation_alarm", alarm: true }, sentence);
  }
}
