// Keeps the authorities of a trust domain: which one signs here, which are published, and the door to every change of their states.
// It never creates or replaces trust implicitly (invariant 2): `initialise` is for `mesh-ca init` alone, `open` creates nothing, and
// what begins again after an end has to be asked for by name. Each change is a file beside this one; all run one after another,
// under clocks that agree, as ledger transactions under the head lock. What memory says follows the database (view.ts).
import type { TrustDomain, TrustSet } from "../../spiffe/index.ts";
import { fromHex } from "../../x509/index.ts";
import { sqlTime } from "../store/index.ts";
import type { ImportFile } from "../upstream/index.ts";
import type { UpstreamRevocation } from "../upstream-watch/index.ts";
import { type ActivateOptions, activateAuthority } from "./activate.ts";
import type { ActiveAuthority } from "./active-authority.ts";
import {
  type ChangeContext,
  changeOf,
  hindranceOf,
  ownRecords,
  requireOwn,
  type SuccessionOptions,
} from "./changes.ts";
import { clearAway } from "./clear-away.ts";
import { requireSameClocks } from "./clocks.ts";
import { AuthorityError } from "./errors.ts";
import { type ImportOptions, type ImportReport, importAuthority } from "./import.ts";
import { type InitialisedAuthority, initialiseAuthority } from "./initialise.ts";
import { recordState } from "./journal.ts";
import { type AuthorityNote, notesOf } from "./notes.ts";
import { type Prepared, prepareAuthority, rotateAuthority } from "./prepare.ts";
import type { ProvisionDependencies } from "./provision.ts";
import { pruneRoot } from "./prune-root.ts";
import type { AuthorityHealth, PublishedAuthority } from "./published.ts";
import type { AuthorityRecord } from "./records.ts";
import { publishRefreshHint } from "./refresh-hint.ts";
import { type AuthorityRequest, pendingRequests, type RequestOptions, requestAuthority } from "./requests.ts";
import { checkRotationSettings } from "./settings.ts";
import { healthOf, requireReady } from "./standing.ts";
import { SELECT_LIVING_LEAVES } from "./statements.ts";
import { type Revoked, type RevokeOptions, revokeAuthority, type TaintOptions, taintAuthority } from "./taint.ts";
import { changeTrust } from "./trust-journal.ts";
import { taintRevokedByUpstream } from "./upstream-revoked.ts";
import { AuthorityView } from "./view.ts";

export interface AuthorityManagerOptions extends ProvisionDependencies {
  /** How often the database is asked for changes, beside LISTEN. Default 1 s; 0: only when `refresh` is called. */
  readonly pollMs?: number;
}
export type InitialiseAuthorityOptions = ProvisionDependencies;

/** The authorities of one trust domain, and the changes that this replica makes to them. */
export class AuthorityManager {
  readonly #options: AuthorityManagerOptions;
  readonly #view: AuthorityView;
  readonly #context: ChangeContext;
  #changing: Promise<unknown> = Promise.resolve();
  #handover: Promise<void> | undefined;

  private constructor(options: AuthorityManagerOptions) {
    this.#options = options;
    this.#view = new AuthorityView(options);
    this.#context = { options, view: this.#view, handOver: (run) => this.#handOver(run) };
  }

  /**
   * Creates the first authority of a trust domain and activates it at once: nobody has to learn of it first. Where people sign,
   * it is a request that waits for them. For `mesh-ca init` alone. May be called again after a crash that left the trust domain
   * without one; while a request waits that answers the same one.
   * @throws AuthorityError MCA_ALREADY_INITIALISED, MCA_ROTATION_IMPOSSIBLE; KeyError, UpstreamError, LedgerError
   */
  static initialise(options: InitialiseAuthorityOptions): Promise<InitialisedAuthority> {
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

  /** What an operator should know although it stops nothing now: requests that wait, a rotation that is late. */
  notes(): readonly AuthorityNote[] {
    return notesOf(this.#context);
  }

  /** Whether the present authority may have a successor: its key and certificate are good and it has not ended. */
  isHealthyEnoughToRotate(): boolean {
    return hindranceOf(this.#context) === undefined;
  }

  /** Every authority whose leaves are to be accepted, of all replicas, oldest first. */
  published(): readonly PublishedAuthority[] {
    return this.#view.published();
  }

  /** Every authority as stored, of all replicas, oldest first. */
  records(): readonly AuthorityRecord[] {
    return this.#view.records;
  }

  /** The requests of this replica that wait for a certificate, oldest first. */
  pendingRequests(): readonly AuthorityRequest[] {
    return pendingRequests(ownRecords(this.#context));
  }

  /** What verifiers may trust. The same object until trust changes. */
  trustSet(): TrustSet {
    return this.#view.trustSet();
  }

  /**
   * What a certificate that has expired may have been signed by: retired and removed authorities too, never one that was ever
   * tainted or revoked. Verify at the certificate's own notAfter, and only to decide about renewal after expiry.
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
   * Makes a key and a recorded CSR for people to sign, or gives the one that waits again.
   * @throws AuthorityError with the hindrance, unless `recovery`; MCA_AUTHORITY_UPSTREAM_KIND; KeyError, UpstreamError, LedgerError
   */
  request(cause: string, options: RequestOptions = {}): Promise<AuthorityRequest> {
    return this.#changeOnce(() => requestAuthority(this.#context, cause, options));
  }

  /**
   * Judges what people signed, and makes it a prepared authority: active at once where it is the trust domain's first, in an
   * emergency, and where nothing is left that is valid. What breaks a rule is no error but a report.
   * @throws UpstreamError MCA_IMPORT_UNREADABLE, MCA_IMPORT_PRIVATE_KEY; KeyError; AuthorityError with the hindrance, unless `recovery`
   */
  import(files: readonly ImportFile[], options: ImportOptions): Promise<ImportReport> {
    return this.#changeOnce(() => importAuthority(this.#context, files, options));
  }

  /**
   * Makes a successor and publishes it. Only while the present authority is healthy and from the same upstream, unless an operator
   * says `recovery` or `changeUpstream`. A recovered one signs as soon as every client knows it, or at once where nothing is valid.
   * @throws AuthorityError with the hindrance, if there is one; MCA_AUTHORITY_PROBE_FAILED; KeyError, UpstreamError, LedgerError
   */
  prepare(cause: string, options: SuccessionOptions = {}): Promise<Prepared> {
    return this.#changeOnce(() => prepareAuthority(this.#context, cause, options));
  }

  /**
   * Lets a prepared authority sign from now on; the present one retires. Issuances in flight end first, new ones wait.
   * @throws AuthorityError MCA_AUTHORITY_TOO_EARLY before it has been published for the propagation time, unless
   *   `emergency`; MCA_AUTHORITY_TRANSITION; the hindrance where its key cannot be opened (nothing has changed then)
   */
  activate(spkiSha256: string, options: ActivateOptions): Promise<void> {
    return this.#changeOnce(() => activateAuthority(this.#context, spkiSha256, options));
  }

  /**
   * Has a successor sign as soon as every client knows it, and not at 5/6 L; prepares one first where there is none. The rotator
   * does it then. `activatesAt`: Unix milliseconds.
   * @throws AuthorityError MCA_AUTHORITY_NO_SUCCESSOR where people sign and nothing was imported
   */
  rotate(cause: string): Promise<Prepared & { readonly activatesAt: number }> {
    return this.#changeOnce(() => rotateAuthority(this.#context, cause));
  }

  /**
   * Has everything under an authority renewed now, in a spread that the server chooses unless it is given. The active one is
   * succeeded by the prepared one in the same transaction.
   * @throws AuthorityError MCA_AUTHORITY_NO_SUCCESSOR, MCA_AUTHORITY_TOO_EARLY, MCA_AUTHORITY_TRANSITION
   */
  taint(spkiSha256: string, options: TaintOptions): Promise<void> {
    return this.#changeOnce(() => taintAuthority(this.#context, spkiSha256, options));
  }

  /** Ends all trust in an authority, and destroys its key. Taints it first, in the same transaction. Throws as `taint`. */
  revoke(spkiSha256: string, options: RevokeOptions): Promise<Revoked> {
    return this.#changeOnce(() => revokeAuthority(this.#context, spkiSha256, options));
  }

  /**
   * The enterprise has revoked a certificate of an authority's chain: it is tainted, with or without a successor. Telling it again
   * changes nothing.
   */
  reportUpstreamRevocation(report: UpstreamRevocation): Promise<void> {
    return this.#changeOnce(() => taintRevokedByUpstream(this.#context, report));
  }

  /**
   * Takes an old upstream root (SHA-256 of the certificate, lower-case hex) out of the bundle.
   * @throws AuthorityError MCA_ANCHOR_IN_USE while something valid chains to it, MCA_ANCHOR_UNKNOWN
   */
  pruneRoot(sha256: string, cause: string): Promise<void> {
    return this.#changeOnce(() => pruneRoot(this.#context, sha256, cause, (spki) => this.hasLivingLeaves(spki)));
  }

  /** Gives up a prepared authority that has not signed. The active one retires only when a successor is activated. */
  retire(spkiSha256: string, cause: string): Promise<void> {
    return this.#changeOnce(async () => {
      const record = requireOwn(this.#context, spkiSha256);
      if (record.state === "active") {
        throw new AuthorityError(
          "MCA_AUTHORITY_TRANSITION",
          "The active authority retires when a prepared one is activated, not before: nothing could be issued otherwise.",
        );
      }
      const { ledger, clock } = this.#options;
      await ledger.transact((tx) =>
        changeTrust(tx, clock.now(), () => recordState(tx, changeOf(this.#context, record, cause), "retired")),
      );
    });
  }

  /**
   * Takes a retired or revoked authority out of the published ones and destroys its key; also clears a request that came to nothing,
   * and the key that a crash left of a removed one.
   */
  remove(spkiSha256: string, cause: string): Promise<void> {
    return this.#changeOnce(() => clearAway(this.#options, requireOwn(this.#context, spkiSha256), cause));
  }

  /**
   * Makes the configured refresh hint the one that the bundle tells. Once, at start: replicas with different settings must not undo each
   * other's again and again. @throws LedgerError, StoreError
   */
  publishRefreshHint(): Promise<void> {
    return this.#inOrder(async () => {
      if (await publishRefreshHint(this.#context)) await this.#view.reload();
    });
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

  /** Whether the configured upstream answers within a call, and does not wait for people. */
  get answersAtOnce(): boolean {
    return this.#options.upstream.answersAtOnce;
  }

  /** Stops following the database, after the change that is under way. */
  async close(): Promise<void> {
    await this.#view.close();
    await this.#changing;
  }

  /** A change: on what the database says now, and seen by this process when it is done, also when it failed half way. */
  #changeOnce<T>(run: () => Promise<T>): Promise<T> {
    return this.#inOrder(async () => {
      await requireSameClocks(this.#options);
      await this.#view.reload();
      try {
        const result = await run();
        await this.#view.reload();
        return result;
      } catch (error) {
        await this.#view.reload().catch(() => {});
        throw error;
      }
    });
  }

  async #handOver(run: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#handover = promise;
    try {
      const { standing } = this.#view;
      if (standing.kind === "ready") await standing.authority.idle();
      await run();
      await this.#view.reload();
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
