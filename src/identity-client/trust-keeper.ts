// Holds the trust in force, and the one verifier made from it. Trust is learned over verified connections only, and never goes
// back because a replica lags behind: an older story counts only after it has been told for a minute, and never makes a
// distrusted key, an authority that had left or a revoked certificate good again (trust-order.ts).
import type { Clock, Logger } from "../runtime/index.ts";
import { type TrustDomain, type TrustSet, type VerifiedX509Svid, X509SvidVerifier } from "../spiffe/index.ts";
import type { Certificate } from "../x509/index.ts";
import { IdentityClientError } from "./errors.ts";
import { forgottenDistrust, isOlder, olderTrust, withKnownDistrust } from "./trust-order.ts";
import { sameTrust, type TrustState, trustSetOf } from "./trust-state.ts";

/** How long an older story is taken for a lagging replica rather than for a restored database. */
export const LAGGING_REPLICA_MS = 60_000;

export interface TrustKeeperOptions {
  /** `undefined`: nothing is trusted yet. */
  readonly trust: TrustSet | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class TrustKeeper {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners = new Set<() => void>();
  #verifier: X509SvidVerifier | undefined;
  #olderSince: number | undefined;

  constructor({ trust, clock, logger }: TrustKeeperOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#verifier = trust === undefined ? undefined : new X509SvidVerifier(trust);
  }

  get known(): TrustSet | undefined {
    return this.#verifier?.trust;
  }

  /** The trust in force. @throws IdentityClientError MCA_CLIENT_NO_SVID while nothing is known */
  current(): TrustSet {
    return this.#inForce().trust;
  }

  get trustDomain(): TrustDomain | undefined {
    return this.#verifier?.trust.trustDomain;
  }

  /** Verifies a presented chain now. @throws SpiffeError */
  verify(chain: readonly Certificate[]): VerifiedX509Svid {
    return this.#inForce().verify(chain, this.#clock.now());
  }

  /** Calls `listener` after each change of trust; returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Replaces the trust by what the operator or a token's pins say. Distrust stays: it is of keys, whoever set up what anew. */
  replace(trust: TrustSet): void {
    this.#put(this.known === undefined ? trust : withKnownDistrust(trust, this.known));
  }

  /**
   * Takes what a verified server says. A state older than the one in force is left aside while it may come from a lagging replica.
   * Returns whether what was told is in force now, or a newer one.
   */
  learn(state: TrustState): boolean {
    const told = trustSetOf(state);
    const known = this.known;
    if (known === undefined || !isOlder(told, known)) {
      this.#olderSince = undefined;
      this.#put(known === undefined ? told : this.#keepDistrust(told, known));
      return true;
    }
    const now = this.#clock.now();
    this.#olderSince ??= now;
    if (now - this.#olderSince < LAGGING_REPLICA_MS) return false;
    this.#olderSince = undefined;
    return this.#goBack(told, known);
  }

  /** An older story that is told for good. */
  #goBack(told: TrustSet, known: TrustSet): boolean {
    const trust = olderTrust(told, known);
    const fields = { event: "trust.went_back", known: orderOf(known), told: orderOf(told) };
    if (trust === undefined) {
      this.#logger.error(
        fields,
        "The server has told an older trust for a minute, of authorities that had all left: it is not taken. Was its database restored?",
      );
      return false;
    }
    this.#logger.warn(
      fields,
      "The server has told an older trust for a minute: it is taken, but for what had left, and with every known distrust and revocation. Was its database restored?",
    );
    this.#put(trust);
    return true;
  }

  #keepDistrust(told: TrustSet, known: TrustSet): TrustSet {
    const forgotten = forgottenDistrust(told, known);
    if (forgotten.length > 0 && told.revision !== known.revision) {
      this.#logger.warn(
        { event: "trust.distrust_forgotten", forgotten, told: orderOf(told) },
        "The server no longer tells that these keys are distrusted: they stay so here. Was its database restored?",
      );
    }
    return withKnownDistrust(told, known);
  }

  #inForce(): X509SvidVerifier {
    if (this.#verifier === undefined) {
      throw new IdentityClientError("MCA_CLIENT_NO_SVID", "No trust is known yet. Enrol first.");
    }
    return this.#verifier;
  }

  #put(trust: TrustSet): void {
    if (this.known !== undefined && sameTrust(this.known, trust)) return;
    this.#verifier = new X509SvidVerifier(trust);
    this.#logger.info(
      {
        event: "trust.changed",
        trustDomain: trust.trustDomain.name,
        sequence: trust.sequence.toString(),
        revision: trust.revision.toString(),
        authorities: trust.authorities?.length ?? 0,
      },
      "The trust in force has changed.",
    );
    for (const listener of [...this.#listeners]) listener();
  }
}

function orderOf({ revision, sequence }: TrustSet): string {
  return `revision ${revision}, sequence ${sequence}`;
}
