// Keeps the authorities of a trust domain: which one signs here, which are published, and their changes of state. It never
// creates or replaces trust implicitly (invariant 2): `initialise` is for `mesh-ca init` alone, `open` creates nothing.
// Every change is a ledger transaction under the head lock; what memory says follows the database (view.ts).
import type { TrustDomain, TrustSet } from "../../spiffe/index.ts";
import { fromHex } from "../../x509/index.ts";
import { sqlTime } from "../store/index.ts";
import type { UpstreamRevocation } from "../upstream-watch/index.ts";
import type { ActiveAuthority } from "./active-authority.ts";
import { clearAway } from "./clear-away.ts";
import { requireSameClocks } from "./clocks.ts";
import { AuthorityError } from "./errors.ts";
import type { ImportOptions, ImportReport } from "./import.ts";
import type { DnsGrant, ImportFile } from "./import-types.ts";
import { initialiseAuthority } from "./initialise.ts";
import { advanceTrust, type Change, recordState } from "./journal.ts";
import type { ProbeVerifier } from "./probe.ts";
import { type ProvisionDependencies, provisionAuthority } from "./provision.ts";
import type { AuthorityHealth, PublishedAuthority } from "./published.ts";
import { type AuthorityRecord, SELECT_LIVING_LEAVES } from "./records.ts";
import type { AuthorityRequest, RequestOptions } from "./requests.ts";
import { checkRotationSettings, propagationSeconds } from "./settings.ts";
import { findStanding, healthOf, hindranceError, requireReady } from "./standing.ts";
import { AuthorityView } from "./view.ts";

export interface AuthorityManagerOptions extends ProvisionDependencies {
  /** How often the database is asked for changes, beside LISTEN. Default 1 s; 0: only when `refresh` is called. */
  readonly pollMs?: number;
  /** Which DNS names rules may grant, now: a name constraint of an upstream must permit them. Default: none. */
  dnsGrants?(): readonly DnsGrant[];
  /** Tries probes with OpenSSL, by a TLS handshake. Default: node:crypto, link by link. */
  readonly probeVerifier?: ProbeVerifier;
}
export type InitialiseAuthorityOptions = ProvisionDependencies;

/** The authorities of one trust domain, and the changes that this replica makes to its own. */
export class AuthorityManager {
  readonly #options: AuthorityManagerOptions;
  readonly #view: AuthorityView;
  #changing: Promise<unknown> = Promise.resolve();
  #handover: Promise<void> | undefined;

  private constructor(options: AuthorityManagerOptions) {
    this.#options = options;
    this.#view = new AuthorityView(options);
  }

  /**
   * Creates the first authority of a trust domain and activates it at once: nobody has to learn of it first. For
   * `mesh-ca init` alone. May be called again after a crash that left the trust domain without one.
   * @throws AuthorityError MCA_ALREADY_INITIALISED, MCA_ROTATION_IMPOSSIBLE; KeyError, UpstreamError, LedgerError
   */
  static initialise(options: InitialiseAuthorityOptions): Promise<{ readonly spkiSha256: string }> {
    return initialiseAuthority(options);
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
    const { pollMs = 1000, logger } = options;
    if (pollMs > 0) {
      await manager.#view.follow(pollMs, () => {
        manager.refresh().catch((error: unknown) => {
          logger.warn({ event: "authority.refresh_failed", error }, "the authorities could not be read this time");
        });
      });
    }
    return manager;
  }

  get trustDomain(): TrustDomain {
    return this.#options.trustDomain;
  }

  get replica(): number {
    return this.#options.replica;
  }

  /** Grows with every change of trust. */
  get revision(): bigint {
    return this.#view.revision;
  }

  /**
   * The authority that signs now.
   * @throws AuthorityError saying what was found, what was expected and which command mends it
   */
  active(): ActiveAuthority {
    const { clock, settings } = this.#options;
    return requireReady(this.#view.standing, clock.now(), settings.minLeafTtlSeconds);
  }

  /** While one authority takes over from another: resolves when that is done. Issuance waits for it. */
  handover(): Promise<void> | undefined {
    return this.#handover;
  }

  /** Whether this replica may issue now, and if not, why and what mends it. */
  health(): AuthorityHealth {
    const { clock, settings } = this.#options;
    return healthOf(this.#view.standing, clock.now(), settings.minLeafTtlSeconds);
  }

  /** Whether the present authority may have a successor: its key and certificate are good and it has not ended. */
  isHealthyEnoughToRotate(): boolean {
    const health = this.health();
    return health.kind === "ready" || health.code === "MCA_ISSUER_EXPIRING";
  }

  /** Every authority whose leaves are to be accepted, of all replicas, oldest first. */
  published(): readonly PublishedAuthority[] {
    return this.#view.published();
  }

  /** Every authority as stored, of all replicas, oldest first. */
  records(): readonly AuthorityRecord[] {
    return this.#view.records;
  }

  /** What verifiers may trust. The same object until trust changes. */
  trustSet(): TrustSet {
    return this.#view.trustSet();
  }

  /**
   * What a certificate that has expired may have been signed by: retired and removed authorities too, never tainted or
   * revoked ones. Verify at the certificate's own notAfter, and only to decide about renewal after expiry.
   */
  trustSetForExpired(): TrustSet {
    return this.#view.trustSetForExpired();
  }

  /** Calls back after each change of trust. Call the answer to stop. */
  onTrustChange(listener: () => void): () => void {
    return this.#view.onTrustChange(listener);
  }

  /** Reads the database again. */
  refresh(): Promise<void> {
    return this.#inOrder(() => this.#view.refresh());
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
      await this.#view.refresh();
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
      const present = this.records().find(({ replica, state }) => replica === this.replica && state === "active");
      const { standing } = this.#view;
      await this.#handOver(async () => {
        if (standing.kind === "ready") await standing.authority.idle();
        await this.#options.ledger.transact(async (tx) => {
          if (present !== undefined) await recordState(tx, this.#change(present.spkiSha256, options.cause), "retired");
          await recordState(tx, this.#change(spkiSha256, options.cause), "active");
          await advanceTrust(tx, this.#options.clock.now(), { bundle: false });
        });
        await this.#view.refresh();
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
      await this.#view.refresh();
    });
  }

  /** Takes a retired authority out of the published ones and destroys its key; also clears a request that came to nothing. */
  remove(spkiSha256: string, cause: string): Promise<void> {
    return this.#inOrder(async () => {
      await clearAway(this.#options, this.#requireOwn(spkiSha256), cause, this.records());
      await this.#view.refresh();
    });
  }

  /**
   * Makes a key and a recorded CSR for people to sign, or gives the one that waits again.
   * @throws AuthorityError with the hindrance, unless `recovery`; KeyError, UpstreamError, LedgerError
   */
  async request(_cause: string, _options: RequestOptions = {}): Promise<AuthorityRequest> {
    throw notBuiltYet();
  }

  /** The requests of this replica that wait for a certificate, oldest first. */
  pendingRequests(): readonly AuthorityRequest[] {
    return [];
  }

  /**
   * Judges what people signed, and makes it a prepared authority: active at once where it is the trust domain's first, or in an
   * emergency. What breaks a rule is no error but a report.
   * @throws UpstreamError MCA_IMPORT_UNREADABLE, MCA_IMPORT_PRIVATE_KEY; AuthorityError with the hindrance, unless `recovery`
   */
  async import(_files: readonly ImportFile[], _options: ImportOptions): Promise<ImportReport> {
    throw notBuiltYet();
  }

  /** Prepares a successor, if there is none, and has it sign as soon as every client knows it. */
  async rotate(_cause: string): Promise<{ readonly spkiSha256: string; readonly activatesAt: number }> {
    throw notBuiltYet();
  }

  /**
   * Has everything under an authority renewed now. The active one is succeeded by the prepared one in the same transaction.
   * @throws AuthorityError MCA_AUTHORITY_NO_SUCCESSOR, MCA_AUTHORITY_TOO_EARLY, MCA_AUTHORITY_TRANSITION
   */
  async taint(
    _spkiSha256: string,
    _options: { readonly cause: string; readonly spreadSeconds?: number; readonly emergency?: boolean },
  ): Promise<void> {
    throw notBuiltYet();
  }

  /** Ends all trust in an authority, and destroys its key. Throws as `taint`. */
  async revoke(
    _spkiSha256: string,
    _options: { readonly cause: string; readonly emergency?: boolean },
  ): Promise<{ readonly distrusted: boolean; readonly enterpriseRequest?: string }> {
    throw notBuiltYet();
  }

  /** The enterprise has revoked a certificate of an authority's chain: nothing is issued under it any more. */
  async reportUpstreamRevocation(_report: UpstreamRevocation): Promise<void> {
    throw notBuiltYet();
  }

  /** Takes an old upstream root (SHA-256 of the certificate, lower-case hex) out of the bundle. */
  async pruneRoot(_sha256: string, _cause: string): Promise<void> {
    throw notBuiltYet();
  }

  /** Whether what the clock says may be acted on. @throws AuthorityError MCA_CLOCK_SKEW; StoreError */
  requireSameClocks(): Promise<void> {
    return requireSameClocks(this.#options);
  }

  /** Whether a certificate that this authority signed is still valid. */
  async hasLivingLeaves(spkiSha256: string): Promise<boolean> {
    const { database, clock } = this.#options;
    const values = [fromHex(spkiSha256), sqlTime(clock.now())];
    const [row] = await database.query<{ living: boolean }>(SELECT_LIVING_LEAVES, values);
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

  /** Stops following the database, after the change that is under way. */
  async close(): Promise<void> {
    await this.#view.close();
    await this.#changing;
  }

  #change(spkiSha256: string, cause: string): Change {
    return { spkiSha256, replica: this.replica, now: this.#options.clock.now(), cause };
  }

  #requireOwn(spkiSha256: string): AuthorityRecord {
    const record = this.records().find((each) => each.spkiSha256 === spkiSha256 && each.replica === this.replica);
    if (record !== undefined) return record;
    throw new AuthorityError(
      "MCA_AUTHORITY_UNKNOWN",
      `Replica ${this.replica} has no authority ${spkiSha256}. Only the replica that holds a key can use it.`,
    );
  }

  #requireOwnActive(): AuthorityRecord {
    const { standing } = this.#view;
    if (standing.kind !== "ready") throw hindranceError(standing);
    if (!this.isHealthyEnoughToRotate()) this.active();
    return this.#requireOwn(standing.authority.spkiSha256);
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
    const result = this.#changing.then(run);
    this.#changing = result.catch(() => {});
    return result;
  }
}

function notBuiltYet(): AuthorityError {
  return new AuthorityError("MCA_AUTHORITY_UNHEALTHY", "This is not built yet.");
}
