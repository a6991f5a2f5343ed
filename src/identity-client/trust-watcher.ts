// Follows WatchTrust: a snapshot, then changes, and a heartbeat every 5 s. A stream that falls silent is dead, also where TCP does
// not notice; it is opened anew with back-off. What cannot be read changes nothing, and a new snapshot is asked for.
import type { WatchTrustResponse } from "../proto/gen/meshca/identity/v1/identity.ts";
import type { Logger, RandomSource } from "../runtime/index.ts";
import type { TrustDomain } from "../spiffe/index.ts";
import { backoffMs } from "./backoff.ts";
import { IdentityClientError } from "./errors.ts";
import type { LinkHolder } from "./link-holder.ts";
import type { SchedulingClock } from "./scheduling-clock.ts";
import { reasonFields } from "./server-error.ts";
import { type RenewalRequest, readRenewal, readSnapshot } from "./trust-messages.ts";
import { applyDelta, stateOf, type TrustState } from "./trust-state.ts";

/** Three heartbeats and a little. */
const SILENCE_MS = 17_000;

export interface TrustWatcherOptions {
  readonly links: LinkHolder;
  readonly clock: SchedulingClock;
  readonly random: RandomSource;
  readonly logger: Logger;
  trustDomain(): TrustDomain;
  learn(state: TrustState): void;
  /** "Renew now" of the server. */
  renew(request: RenewalRequest): void;
}

export class TrustWatcher {
  readonly #options: TrustWatcherOptions;
  #failures = 0;
  #stop: (() => void) | undefined;
  #closed = false;

  constructor(options: TrustWatcherOptions) {
    this.#options = options;
  }

  /** Opens the stream, and keeps it open until `close`. */
  start(): void {
    if (this.#closed) return;
    const { links } = this.#options;
    const link = links.get();
    const stream = link.watchTrust();
    let state: TrustState | undefined;
    let ended = false;
    const end = (error: Error): void => {
      if (ended) return;
      ended = true;
      clearTimeout(silence);
      stream.cancel();
      links.discard(link);
      this.#again(link.explain(error));
    };
    const silent = (): void => end(new IdentityClientError("MCA_SERVER_UNAVAILABLE", "The trust stream fell silent."));
    let silence = setTimeout(silent, SILENCE_MS).unref();
    stream.on("data", (message: WatchTrustResponse) => {
      if (ended) return;
      clearTimeout(silence);
      silence = setTimeout(silent, SILENCE_MS).unref();
      try {
        state = this.#take(message, state);
        this.#failures = 0;
      } catch (error) {
        end(error instanceof Error ? error : new Error("unreadable", { cause: error }));
      }
    });
    stream.on("error", end);
    stream.on("end", () => end(new IdentityClientError("MCA_SERVER_UNAVAILABLE", "The trust stream ended.")));
    this.#stop = () => {
      ended = true;
      clearTimeout(silence);
      stream.cancel();
    };
  }

  close(): void {
    this.#closed = true;
    this.#stop?.();
  }

  #take(message: WatchTrustResponse, state: TrustState | undefined): TrustState | undefined {
    const { update, revision } = message;
    const { learn, renew, trustDomain } = this.#options;
    switch (update?.$case) {
      case "snapshot": {
        const snapshot = readSnapshot(update.value, trustDomain());
        const next = stateOf(snapshot);
        learn(next);
        if (snapshot.renewal !== undefined) renew(snapshot.renewal);
        return next;
      }
      case "delta": {
        if (state === undefined) throw outOfStep("a change came before the snapshot");
        const next = applyDelta(state, update.value, revision);
        learn(next);
        const renewal = readRenewal(update.value.renewNow);
        if (renewal !== undefined) renew(renewal);
        return next;
      }
      case "heartbeat":
        if (state === undefined || revision !== state.revision) throw outOfStep("a change is missing");
        // An older story may have been left aside; it counts once it has been told long enough.
        learn(state);
        return state;
      case undefined:
        throw outOfStep("a message of a kind that this version does not know");
    }
  }

  #again(error: Error): void {
    if (this.#closed) return;
    this.#failures += 1;
    const { clock, random, logger } = this.#options;
    const waitMs = backoffMs(this.#failures, random);
    const fields = {
      event: "trust.stream_ended",
      ...reasonFields(error),
      failures: this.#failures,
      waitMs: Math.round(waitMs),
    };
    if (this.#failures === 1) logger.debug(fields, "The trust stream ended; it is opened again.");
    else logger.warn(fields, "The trust stream cannot be opened. The trust known stays in force.");
    const cancel = clock.at(clock.now() + waitMs, () => this.start());
    this.#stop = cancel;
  }
}

function outOfStep(why: string): IdentityClientError {
  return new IdentityClientError("MCA_SERVER_ANSWER_INVALID", `The trust stream is out of step: ${why}.`);
}
