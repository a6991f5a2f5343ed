// The current trust as a message, made once for each change and shared by all who ask: issuance answers and watchers.
import type { AuthorityManager } from "../../ca/index.ts";
import { type TrustDelta, TrustSnapshot } from "../../proto/gen/meshca/identity/v1/identity.ts";
import type { Logger } from "../../runtime/index.ts";
import { deltaMessage, snapshotMessage } from "./trust-messages.ts";

export interface CurrentTrust {
  readonly snapshot: TrustSnapshot;
  /** The snapshot's bytes. */
  readonly encoded: Uint8Array;
}

/** A change of trust; `delta` undefined: only the new snapshot says it. */
export type TrustListener = (current: CurrentTrust, delta: TrustDelta | undefined) => void;

export class TrustFeed {
  readonly #authorities: AuthorityManager;
  readonly #listeners = new Set<TrustListener>();
  readonly #stop: () => void;
  #current: CurrentTrust;

  constructor(authorities: AuthorityManager, logger: Logger) {
    this.#authorities = authorities;
    this.#current = this.#read();
    this.#stop = authorities.onTrustChange(() => {
      const before = this.#current.snapshot;
      this.#current = this.#read();
      const delta = deltaMessage(before, this.#current.snapshot);
      logger.info(
        {
          event: "trust.changed",
          revision: String(this.#current.snapshot.revision),
          authorities: this.#current.snapshot.authorities.length,
        },
        "what may be trusted has changed",
      );
      for (const listener of this.#listeners) listener(this.#current, delta);
    });
  }

  get current(): CurrentTrust {
    return this.#current;
  }

  /** Calls `listener` at each change; returns how to stop. */
  onChange(listener: TrustListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#stop();
    this.#listeners.clear();
  }

  #read(): CurrentTrust {
    const snapshot = snapshotMessage({
      trust: this.#authorities.trustSet(),
      published: this.#authorities.published(),
      revision: this.#authorities.revision,
    });
    return { snapshot, encoded: TrustSnapshot.encode(snapshot).finish() };
  }
}
