// What this process knows of the authorities: follows the database (LISTEN, with a poll behind it) and tells listeners when
// trust has changed. Reads only. Memory is never ahead of the database.
import type { Clock, Logger } from "../../runtime/index.ts";
import type { TrustDomain, TrustSet } from "../../spiffe/index.ts";
import { buildTrustSet } from "../bundle/index.ts";
import type { KeyStore } from "../keys/index.ts";
import { trustDomainOf } from "../ledger/index.ts";
import type { Database, Subscription } from "../store/index.ts";
import type { AcceptedAuthority, Upstream } from "../upstream/index.ts";
import type { PublishedAuthority } from "./published.ts";
import {
  type AuthorityRecord,
  type IssuedAuthority,
  loadAuthorities,
  loadTrustState,
  type TrustState,
} from "./records.ts";
import type { AuthoritySettings } from "./settings.ts";
import { findStanding, type Standing } from "./standing.ts";
import { type AuthorityState, isPublished, mayVouchForExpired } from "./state.ts";
import { TRUST_CHANNEL } from "./statements.ts";

export interface AuthorityViewOptions {
  readonly database: Database;
  readonly keyStore: KeyStore;
  readonly clock: Clock;
  readonly trustDomain: TrustDomain;
  /** 1 to 127. */
  readonly replica: number;
  readonly settings: AuthoritySettings;
  readonly upstream: Upstream;
  readonly logger: Logger;
}

/** Removed authorities stay good for reading an expired certificate (renewal after expiry) for this long. */
const EXPIRED_TRUST_MS = 90 * 24 * 3600 * 1000;
const NO_TRUST: TrustState = {
  revision: 0n,
  sequence: 0n,
  distrustedSpkis: [],
  prunedAnchors: [],
  refreshHintSeconds: undefined,
};

/** The authorities of a trust domain as one replica sees them. */
export class AuthorityView {
  readonly #options: AuthorityViewOptions;
  readonly #listeners = new Set<() => void>();
  #records: readonly AuthorityRecord[] = [];
  #states = new Map<string, AuthorityState>();
  #trust = NO_TRUST;
  #trustSet: TrustSet | undefined;
  #standing: Standing = {
    kind: "not-issuing",
    code: "MCA_AUTHORITY_MISSING",
    found: "authorities that were not read yet",
    expected: "the authorities of the database",
    command: "wait until the server has started",
  };
  #timer: NodeJS.Timeout | undefined;
  #subscription: Subscription | undefined;

  constructor(options: AuthorityViewOptions) {
    this.#options = options;
  }

  /** Calls `refresh` every `pollMs`, and whenever the database announces a change. */
  async follow(pollMs: number, refresh: () => void): Promise<void> {
    this.#timer = setInterval(refresh, pollMs);
    this.#timer.unref();
    this.#subscription = await this.#options.database.listen(TRUST_CHANNEL, refresh);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#subscription?.close();
    this.#listeners.clear();
  }

  /** Every authority as stored, of all replicas, oldest first. */
  get records(): readonly AuthorityRecord[] {
    return this.#records;
  }

  get standing(): Standing {
    return this.#standing;
  }

  get revision(): bigint {
    return this.#trust.revision;
  }

  /** Whether this trust domain was ever initialised to the end. */
  get hasTrust(): boolean {
    return this.#trust.revision > 0n;
  }

  /** SHA-256 of the roots that an operator took out of the bundle. Lower-case hex. */
  get prunedAnchors(): readonly string[] {
    return this.#trust.prunedAnchors;
  }

  /** SHA-256 of the SubjectPublicKeyInfos that are trusted nowhere. Lower-case hex. */
  get distrustedSpkis(): readonly string[] {
    return this.#trust.distrustedSpkis;
  }

  /** As all replicas tell it; undefined until one has published its setting. */
  get refreshHintSeconds(): number | undefined {
    return this.#trust.refreshHintSeconds;
  }

  published(): readonly PublishedAuthority[] {
    return this.#records.flatMap(({ state, issued, spkiSha256, replica, renewSpreadSeconds }) => {
      if (issued === undefined || !isPublished(state)) return [];
      const { certificate, intermediates, anchor } = issued;
      const spread = state === "tainted" && renewSpreadSeconds !== undefined ? { renewSpreadSeconds } : {};
      return [{ certificate, intermediates, anchor, state, spkiSha256, replica, ...spread }];
    });
  }

  trustSet(): TrustSet {
    this.#trustSet ??= this.#buildTrustSet(this.published());
    return this.#trustSet;
  }

  /** What would be trusted with one more authority. `prunedAnchors`: the roots that stay out. */
  trustSetWith(accepted: AcceptedAuthority, prunedAnchors = this.#trust.prunedAnchors): TrustSet {
    return this.#buildTrustSet([...this.published(), accepted], prunedAnchors);
  }

  trustSetForExpired(): TrustSet {
    const since = this.#options.clock.now() - EXPIRED_TRUST_MS;
    return this.#buildTrustSet(
      this.#records.flatMap((record) => {
        const { issued } = record;
        return issued !== undefined && mayVouchForExpired(record) && issued.certificate.notAfter > since
          ? [issued]
          : [];
      }),
    );
  }

  onTrustChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the database again, unless nothing has changed. */
  async refresh(): Promise<void> {
    await this.#read(false);
  }

  /** Reads the database again, also where only a request has changed, which is nothing that clients learn of. */
  async reload(): Promise<void> {
    await this.#read(true);
  }

  async #read(always: boolean): Promise<void> {
    const { database, keyStore, trustDomain, replica, upstream, logger } = this.#options;
    // The revision is read first: if the rows are newer than it, the next look finds that and reads them again.
    const trust = await loadTrustState(database);
    const before = this.#trust.revision;
    if (!always && this.#standing.kind === "ready" && trust?.revision === before) return;
    const records = await loadAuthorities(database);
    const states = new Map(records.map(({ spkiSha256, state }) => [spkiSha256, state]));
    const active = records.find((record) => record.replica === replica && record.state === "active");
    const same = this.#standing.kind === "ready" && this.#standing.authority.spkiSha256 === active?.spkiSha256;
    const standing = same
      ? this.#standing
      : await findStanding({
          records,
          keyStore,
          trustDomain,
          databaseTrustDomain: (await trustDomainOf(database))?.trustDomain,
          replica,
          hasTrust: trust !== undefined,
          upstream,
          stateNow: (spkiSha256) => this.#states.get(spkiSha256) ?? "removed",
        });
    this.#records = records;
    this.#states = states;
    this.#trust = trust ?? NO_TRUST;
    this.#standing = standing;
    this.#trustSet = undefined;
    if (this.#trust.revision === before) return;
    logger.info(
      { event: "authority.trust_changed", revision: `${this.#trust.revision}`, published: this.published().length },
      "what may be trusted has changed",
    );
    for (const listener of this.#listeners) listener();
  }

  #buildTrustSet(
    authorities: readonly IssuedAuthority[] | readonly AcceptedAuthority[],
    pruned = this.#trust.prunedAnchors,
  ): TrustSet {
    const { trustDomain, settings } = this.#options;
    const { sequence, revision, distrustedSpkis } = this.#trust;
    const refreshHintSeconds = this.refreshHintSeconds ?? settings.refreshHintSeconds;
    return buildTrustSet({
      trustDomain,
      authorities,
      distrustedSpkis,
      prunedAnchors: pruned,
      sequence,
      revision,
      refreshHintSeconds,
    });
  }
}
