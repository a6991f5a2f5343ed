// Follows WatchTrust: a snapshot, then changes, and a heartbeat every 5 s. A stream that falls silent is dead, also where TCP does
// not notice; it is opened anew with back-off. What cannot be read changes nothing, and a new snapshot is asked for.
import type { WatchTrustResponse } from "../proto/gen/meshca/identity/v1/identity.ts";
import type { Logger, RandomSource } from "../runtime/index.ts";
import type { TrustDomain } from "../spiffe/index.ts";
import { Acknowledger } from "./acknowledger.ts";
import { backoffMs } from "./backoff.ts";
import { IdentityClientError } from "./errors.ts";
import type { LinkHolder } from "./link-holder.ts";
import type { RenewalOrder } from "./renewal-orders.ts";
import type { SchedulingClock } from "./scheduling-clock.ts";
import { reasonFields } from "./server-error.ts";
import { readRenewal, readSnapshot } from "./trust-messages.ts";
import { applyDelta, renewalsOf, stateOf, type TrustState } from "./trust-state.ts";

/** Three heartbeats and a little. */
const SILENCE_MS = 17_000;

export interface TrustWatcherOptions {
  readonly links: LinkHolder;
  readonly clock: SchedulingClock;
  readonly random: RandomSource;
  readonly logger: Logger;
  trustDomain(): TrustDomain;
  /** Returns whether this trust is in force now. */
  learn(state: TrustState): boolean;
  /** "Renew now" of the server, told as often as it says so. */
  renew(orders: readonly RenewalOrder[]): void;
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
    const { clock, random } = this.#options;
    const acknowledger = new Acknowledger({ clock, random, send: (revision) => link.acknowledgeTrust(revision) });
    let state: TrustState | undefined;
    let ended = false;
    const end = (error: Error): void => {
      if (ended) return;
      ended = true;
      clearTimeout(silence);
      acknowledger.close();
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
        state = this.#take(message, state, acknowledger);
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
      acknowledger.close();
      stream.cancel();
    };
  }

  close(): void {
    this.#closed = true;
    this.#stop?.();
  }

  #take(message: WatchTrustResponse, state: TrustState | undefined, acknowledger: Acknowledger): TrustState {
    const { update, revision } = message;
    switch (update?.$case) {
      case "snapshot": {
        const snapshot = readSnapshot(update.value, this.#options.trustDomain());
        return this.#learn(stateOf(snapshot), snapshot.renewal, acknowledger);
      }
      case "delta": {
        if (state === undefined) throw outOfStep("a change came before the snapshot");
        const renewal = readRenewal(update.value.renewNow);
        return this.#learn(applyDelta(state, update.value, revision), renewal, acknowledger);
      }
      case "heartbeat":
        if (state === undefined || revision !== state.revision) throw outOfStep("a change is missing");
        // An older story may have been left aside; it counts once it has been told long enough.
        return this.#learn(state, undefined, acknowledger);
      case undefined:
        throw outOfStep("a message of a kind that this version does not know");
    }
  }

  #learn(state: TrustState, renewal: RenewalOrder | undefined, acknowledger: Acknowledger): TrustState {
    const { learn, renew } = this.#options;
    if (learn(state)) acknowledger.taken(state.revision);
    renew(renewal === undefined ? renewalsOf(state) : [renewal, ...renewalsOf(state)]);
    return state;
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
