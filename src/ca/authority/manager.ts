// Keeps the authorities of a trust domain: which one signs here, which are published, and their changes of state. It never
// creates or replaces trust implicitly (invariant 2): `initialise` is for `mesh-ca init` alone, `open` creates nothing.
// Every change is a ledger transaction; what memory says follows the database.
import type { TrustDomain, TrustSet } from "../../spiffe/index.ts";
import { fromHex } from "../../x509/index.ts";
import { buildTrustSet } from "../bundle/index.ts";
import { trustDomainOf } from "../ledger/index.ts";
import { type Database, type Subscription, sqlTime } from "../store/index.ts";
import type { ActiveAuthority } from "./active-authority.ts";
import { AuthorityError } from "./errors.ts";
import { advanceTrust, type Change, recordKeyDestroyed, recordState } from "./journal.ts";
import { type ProvisionDependencies, provisionAuthority } from "./provision.ts";
import type { AuthorityHealth, PublishedAuthority } from "./published.ts";
import {
  type AuthorityRecord,
  INSERT_TRUST_STATE,
  loadAuthorities,
  loadTrustState,
  SELECT_LIVING_LEAVES,
  TRUST_CHANNEL,
  type TrustState,
} from "./records.ts";
import { checkRotationSettings, propagationSeconds } from "./settings.ts";
import { findStanding, healthOf, hindranceError, requireReady, type Standing } from "./standing.ts";
import { type AuthorityState, isPublished } from "./state.ts";

export interface AuthorityManagerOptions extends ProvisionDependencies {
  readonly database: Database;
  /** How often the database is asked for changes, beside LISTEN. Default 1 s; 0: only when `refresh` is called. */
  readonly pollMs?: number;
}
export type InitialiseAuthorityOptions = AuthorityManagerOptions;

/** Removed authorities stay good for reading an expired certificate (renewal after expiry) for this long. */
const EXPIRED_TRUST_MS = 90 * 24 * 3600 * 1000;

/** The authorities of one trust domain as one replica sees them. */
export class AuthorityManager {
  readonly #options: AuthorityManagerOptions;
  #records: readonly AuthorityRecord[] = [];
  #states = new Map<string, AuthorityState>();
  #trust: TrustState = { revision: 0n, sequence: 0n, distrustedSpkis: [] };
  #standing: Standing;
  #trustSet: TrustSet | undefined;
  readonly #listeners = new Set<() => void>();
  #changing: Promise<unknown> = Promise.resolve();
  #handover: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #subscription: Subscription | undefined;

  private constructor(options: AuthorityManagerOptions) {
    this.#options = options;
    this.#standing = {
      kind: "not-issuing",
      code: "MCA_AUTHORITY_MISSING",
      found: "nothing yet",
      expected: "the authorities to be read",
      command: "wait a moment",
    };
  }

  /**
   * Creates the first authority of a trust domain and activates it at once: nobody has to learn of it first. For
   * `mesh-ca init` alone. May be called again after a crash that left the trust domain without one.
   * @throws AuthorityError MCA_ALREADY_INITIALISED, MCA_ROTATION_IMPOSSIBLE; KeyError, UpstreamError, LedgerError
   */
  static async initialise(options: InitialiseAuthorityOptions): Promise<{ readonly spkiSha256: string }> {
    const { database } = options;
    checkRotationSettings(options.settings);
    if ((await loadTrustState(database)) !== undefined) throw alreadyInitialised(options.trustDomain.name);
    const records = await loadAuthorities(database);
    if (records.some(({ state }) => state !== "requested" && state !== "removed")) {
      throw alreadyInitialised(options.trustDomain.name);
    }
    for (const record of records) {
      if (record.state === "requested") await clearAway(options, record, "initialisation was interrupted");
    }
    return await provisionAuthority(options, "init", async (tx, change) => {
      await recordState(tx, change, "active");
      await tx.query(INSERT_TRUST_STATE);
    });
  }

  /**
   * Reads the authorities and opens the key of this replica's active one. Creates nothing. What is missing or wrong is no
   * error here: `health()` says it, and issuing throws.
   * @throws AuthorityError MCA_ROTATION_IMPOSSIBLE; StoreError
   */
  static async open(options: AuthorityManagerOptions): Promise<AuthorityManager> {
    checkRotationSettings(options.settings);
    const manager = new AuthorityManager(options);
    await manager.refresh();
    const { pollMs = 1000, database, logger } = options;
    if (pollMs > 0) {
      const refresh = (): void => {
        manager.refresh().catch((error: unknown) => {
          logger.warn({ event: "authority.refresh_failed", error }, "the authorities could not be read this time");
        });
      };
      manager.#timer = setInterval(refresh, pollMs);
      manager.#timer.unref();
      manager.#subscription = await database.listen(TRUST_CHANNEL, refresh);
    }
    return manager;
  }

  get replica(): number {
    return this.#options.replica;
  }

  get trustDomain(): TrustDomain {
    return this.#options.trustDomain;
  }

  /** Grows with every change of trust. */
  get revision(): bigint {
    return this.#trust.revision;
  }

  /**
   * The authority that signs now.
   * @throws AuthorityError saying what was found, what was expected and which command mends it
   */
  active(): ActiveAuthority {
    const { clock, settings } = this.#options;
    return requireReady(this.#standing, clock.now(), settings.minLeafTtlSeconds);
  }

  /** While one authority takes over from another: resolves when that is done. Issuance waits for it. */
  handover(): Promise<void> | undefined {
    return this.#handover;
  }

  /** Whether this replica may issue now, and if not, why and what mends it. */
  health(): AuthorityHealth {
    const { clock, settings } = this.#options;
    return healthOf(this.#standing, clock.now(), settings.minLeafTtlSeconds);
  }

  /** Every authority whose leaves are to be accepted, of all replicas, oldest first. */
  published(): readonly PublishedAuthority[] {
    return this.#records.flatMap(({ state, issued, spkiSha256, replica }) =>
      issued !== undefined && isPublished(state)
        ? [
            {
              certificate: issued.certificate,
              intermediates: issued.intermediates,
              anchor: issued.anchor,
              state,
              spkiSha256,
              replica,
            },
          ]
        : [],
    );
  }

  /** Every authority as stored, of all replicas, oldest first. */
  records(): readonly AuthorityRecord[] {
    return this.#records;
  }

  /** What verifiers may trust. The same object until trust changes. */
  trustSet(): TrustSet {
    this.#trustSet ??= this.#buildTrustSet(this.published());
    return this.#trustSet;
  }

  /**
   * What a certificate that has expired may have been signed by: retired and removed authorities too, never tainted or
   * revoked ones. Verify at the certificate's own notAfter, and only to decide about renewal after expiry.
   */
  trustSetForExpired(): TrustSet {
    const since = this.#options.clock.now() - EXPIRED_TRUST_MS;
    return this.#buildTrustSet(
      this.#records.flatMap(({ state, issued }) =>
        issued !== undefined && (isPublished(state) || (state === "removed" && issued.certificate.notAfter > since))
          ? [issued]
          : [],
      ),
    );
  }

  /** Calls back after each change of trust. Call the answer to stop. */
  onTrustChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the database again. */
  refresh(): Promise<void> {
    return this.#inOrder(() => this.#refresh());
  }

  /**
   * Makes a successor and publishes it. Only while the present authority is healthy, and from the same upstream.
   * @throws AuthorityError with the hindrance, if there is one; KeyError, UpstreamError, LedgerError
   */
  prepare(cause: string): Promise<{ readonly spkiSha256: string }> {
    return this.#inOrder(async () => {
      const present = this.#requireOwnActive();
      const { upstream } = this.#options;
      if (present.upstream !== upstream.kind) {
        throw new AuthorityError(
          "MCA_AUTHORITY_UNHEALTHY",
          `The present authority comes from the upstream ${present.upstream}, the configuration names ${upstream.kind}: a successor must come from the same one.`,
        );
      }
      const made = await provisionAuthority(this.#options, cause, async (tx, change, accepted) => {
        const newAnchor = !this.published().some(({ anchor }) => anchor.sha256 === accepted.anchor.sha256);
        await advanceTrust(tx, change.now, { bundle: newAnchor });
      });
      await this.#refresh();
      return made;
    });
  }

  /**
   * Lets a prepared authority sign from now on; the present one retires. Issuances in flight end first, new ones wait.
   * @throws AuthorityError MCA_AUTHORITY_TOO_EARLY before it has been published for the propagation time, unless
   *   `emergency`; MCA_AUTHORITY_TRANSITION; the hindrance where its key cannot be opened (nothing has changed then)
   */
  activate(spkiSha256: string, options: { readonly cause: string; readonly emergency?: boolean }): Promise<void> {
    return this.#inOrder(async () => {
      const successor = this.#requireOwn(spkiSha256);
      if (options.emergency !== true) this.#requirePropagated(successor);
      await this.#requireUsable(successor);
      const present = this.#records.find(({ replica, state }) => replica === this.replica && state === "active");
      const standing = this.#standing;
      await this.#handOver(async () => {
        if (standing.kind === "ready") await standing.authority.idle();
        await this.#options.ledger.transact(async (tx) => {
          if (present !== undefined) await recordState(tx, this.#change(present.spkiSha256, options.cause), "retired");
          await recordState(tx, this.#change(spkiSha256, options.cause), "active");
          await advanceTrust(tx, this.#options.clock.now(), { bundle: false });
        });
        await this.#refresh();
      });
    });
  }

  /** Gives up a prepared authority that has not signed. The active one retires only when a successor is activated. */
  retire(spkiSha256: string, cause: string): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#requireOwn(spkiSha256).state === "active") {
        throw new AuthorityError(
          "MCA_AUTHORITY_TRANSITION",
          "The active authority retires when a prepared one is activated, not before: nothing could be issued otherwise.",
        );
      }
      await this.#options.ledger.transact(async (tx) => {
        await recordState(tx, this.#change(spkiSha256, cause), "retired");
        await advanceTrust(tx, this.#options.clock.now(), { bundle: false });
      });
      await this.#refresh();
    });
  }

  /** Takes a retired authority out of the published ones and destroys its key; also clears a request that came to nothing. */
  remove(spkiSha256: string, cause: string): Promise<void> {
    return this.#inOrder(async () => {
      const record = this.#requireOwn(spkiSha256);
      await clearAway(this.#options, record, cause, this.#records);
      await this.#refresh();
    });
  }

  /** Whether the present authority may have a successor: its key and certificate are good and it has not ended. */
  isHealthyEnoughToRotate(): boolean {
    const health = this.health();
    return health.kind === "ready" || health.code === "MCA_ISSUER_EXPIRING";
  }

  /** Whether a certificate that this authority signed is still valid. */
  async hasLivingLeaves(spkiSha256: string): Promise<boolean> {
    const { database, clock } = this.#options;
    const [row] = await database.query<{ living: boolean }>(SELECT_LIVING_LEAVES, [
      fromHex(spkiSha256),
      sqlTime(clock.now()),
    ]);
    return row?.living ?? false;
  }

  /** The keys in the key store, by the SHA-256 of their SubjectPublicKeyInfo. */
  async storedKeys(): Promise<ReadonlySet<string>> {
    return new Set((await this.#options.keyStore.list()).map(({ spkiSha256 }) => spkiSha256));
  }

  /** Whether a request to this upstream is over when the call that made it is. */
  answersAtOnce(upstream: string): boolean {
    return this.#options.upstream.kind === upstream && this.#options.upstream.answersAtOnce;
  }

  /** Stops following the database. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#subscription?.close();
    await this.#changing.catch(() => {});
    this.#listeners.clear();
  }

  async #refresh(): Promise<void> {
    const { database, keyStore, trustDomain, replica, logger } = this.#options;
    // The revision is read first: if the rows are newer than it, the next look finds that and reads them again.
    const trust = await loadTrustState(database);
    const known = this.#standing.kind === "ready" && trust?.revision === this.#trust.revision;
    if (known) return;
    const records = trust === undefined ? [] : await loadAuthorities(database);
    const before = this.#trust.revision;
    this.#records = records;
    this.#states = new Map(records.map(({ spkiSha256, state }) => [spkiSha256, state]));
    this.#trust = trust ?? { revision: 0n, sequence: 0n, distrustedSpkis: [] };
    this.#trustSet = undefined;
    const active = records.find((record) => record.replica === replica && record.state === "active");
    if (this.#standing.kind !== "ready" || this.#standing.authority.spkiSha256 !== active?.spkiSha256) {
      this.#standing = await findStanding({
        records,
        keyStore,
        trustDomain,
        databaseTrustDomain: (await trustDomainOf(database))?.trustDomain,
        replica,
        stateNow: (spkiSha256) => this.#states.get(spkiSha256) ?? "removed",
      });
    }
    if (this.#trust.revision === before) return;
    logger.info(
      {
        event: "authority.trust_changed",
        revision: this.#trust.revision.toString(),
        published: this.published().length,
      },
      "what may be trusted has changed",
    );
    for (const listener of this.#listeners) listener();
  }

  #buildTrustSet(authorities: Parameters<typeof buildTrustSet>[0]["authorities"]): TrustSet {
    const { trustDomain, settings } = this.#options;
    const { sequence, distrustedSpkis } = this.#trust;
    return buildTrustSet({
      trustDomain,
      authorities,
      distrustedSpkis,
      sequence,
      refreshHintSeconds: settings.refreshHintSeconds,
    });
  }

  #change(spkiSha256: string, cause: string): Change {
    return { spkiSha256, replica: this.replica, now: this.#options.clock.now(), cause };
  }

  #requireOwn(spkiSha256: string): AuthorityRecord {
    const record = this.#records.find((each) => each.spkiSha256 === spkiSha256 && each.replica === this.replica);
    if (record !== undefined) return record;
    throw new AuthorityError(
      "MCA_AUTHORITY_UNKNOWN",
      `Replica ${this.replica} has no authority ${spkiSha256}. Only the replica that holds a key can use it.`,
    );
  }

  #requireOwnActive(): AuthorityRecord {
    if (!this.isHealthyEnoughToRotate()) this.active();
    if (this.#standing.kind !== "ready") throw hindranceError(this.#standing);
    return this.#requireOwn(this.#standing.authority.spkiSha256);
  }

  #requirePropagated(successor: AuthorityRecord): void {
    const { clock, settings } = this.#options;
    const waitMs = (successor.preparedAt ?? clock.now()) + propagationSeconds(settings) * 1000 - clock.now();
    if (waitMs <= 0) return;
    throw new AuthorityError(
      "MCA_AUTHORITY_TOO_EARLY",
      `The authority ${successor.spkiSha256} has not been published long enough for every client to know it: wait another ${Math.ceil(waitMs / 1000)} s.`,
    );
  }

  /** Whether a successor could sign, before the present authority is given up for it. */
  async #requireUsable(successor: AuthorityRecord): Promise<void> {
    const { keyStore, trustDomain, replica, clock, settings } = this.#options;
    const asActive = await findStanding({
      records: [{ ...successor, state: "active" }],
      keyStore,
      trustDomain,
      databaseTrustDomain: trustDomain.name,
      replica,
      stateNow: () => "prepared",
    });
    requireReady(asActive, clock.now(), settings.minLeafTtlSeconds);
  }

  async #handOver(run: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#handover = promise;
    try {
      await run();
    } finally {
      this.#handover = undefined;
      resolve();
    }
  }

  /** One change after another. */
  #inOrder<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#changing.then(run, run);
    this.#changing = result.catch(() => {});
    return result;
  }
}

/** Ends an authority: unpublished and recorded, then its key is destroyed, then that is recorded. */
async function clearAway(
  dependencies: ProvisionDependencies,
  record: AuthorityRecord,
  cause: string,
  all?: readonly AuthorityRecord[],
): Promise<void> {
  const { ledger, keyStore, clock } = dependencies;
  const change = (): Change => ({ spkiSha256: record.spkiSha256, replica: record.replica, now: clock.now(), cause });
  if (record.state !== "removed") {
    await ledger.transact(async (tx) => {
      await recordState(tx, change(), "removed");
      if (all === undefined || record.issued === undefined) return;
      const { anchor } = record.issued;
      const stillAnchored = all.some(
        (other) =>
          other.spkiSha256 !== record.spkiSha256 &&
          isPublished(other.state) &&
          other.issued?.anchor.sha256 === anchor.sha256,
      );
      await advanceTrust(tx, clock.now(), { bundle: !stillAnchored });
    });
  }
  await keyStore.destroy(record.spkiSha256);
  await ledger.transact(async (tx) => recordKeyDestroyed(tx, change()));
}

function alreadyInitialised(trustDomain: string): AuthorityError {
  return new AuthorityError(
    "MCA_ALREADY_INITIALISED",
    `This database already has the trust of ${trustDomain}. A trust domain is initialised once: start mesh-ca server, or choose another database.`,
  );
}
