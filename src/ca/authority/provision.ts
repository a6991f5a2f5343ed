// Makes a new authority: a key in the key store, a certificate from the upstream, and the check of what came back. Before
// the new key signs anything, the ledger has a record of what it signs (invariant 1). Ends in the state `prepared`, or with
// the key destroyed.
import type { Clock, Logger, RandomSource } from "../../runtime/index.ts";
import type { TrustDomain } from "../../spiffe/index.ts";
import { parseSubjectPublicKeyInfo } from "../../x509/index.ts";
import type { KeyStore, Signer } from "../keys/index.ts";
import type { Ledger, LedgerTransaction } from "../ledger/index.ts";
import type { Database } from "../store/index.ts";
import {
  type AcceptedAuthority,
  acceptUpstreamAnswer,
  type RecordedSigning,
  type Upstream,
} from "../upstream/index.ts";
import { requireSameClocks } from "./clocks.ts";
import { type Change, recordKeyDestroyed, recordPrepared, recordRequested, recordState } from "./journal.ts";
import { type AuthoritySettings, checkRotationSettings } from "./settings.ts";

export interface ProvisionDependencies {
  readonly ledger: Ledger;
  readonly database: Database;
  readonly keyStore: KeyStore;
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly trustDomain: TrustDomain;
  /** 1 to 127. */
  readonly replica: number;
  readonly settings: AuthoritySettings;
  readonly logger: Logger;
}

/**
 * Makes an authority and records it as prepared. `alsoRecord` runs in the same transaction as that.
 * @throws AuthorityError MCA_CLOCK_SKEW; KeyError, UpstreamError, LedgerError; nothing is published then.
 */
export async function provisionAuthority(
  dependencies: ProvisionDependencies,
  cause: string,
  alsoRecord: (tx: LedgerTransaction, change: Change, accepted: AcceptedAuthority) => Promise<void>,
): Promise<{ readonly spkiSha256: string }> {
  const { ledger, keyStore, clock, settings, trustDomain, replica } = dependencies;
  await requireSameClocks(dependencies);
  const { keyId, signer } = await keyStore.create("authority", settings.keyAlgorithm);
  const change = (): Change => ({ spkiSha256: keyId, replica, now: clock.now(), cause });
  const recorder = new RecordingSigner(dependencies, signer, change);
  try {
    const { upstream } = dependencies;
    if (!upstream.answersAtOnce) throw new TypeError("an upstream where people sign gives requests, not certificates");
    const answer = await upstream.certify({
      trustDomain,
      replica,
      publicKey: parseSubjectPublicKeyInfo(signer.spki),
      algorithm: signer.algorithm,
      now: clock.now(),
      lifetimeSeconds: settings.lifetimeSeconds,
      clockSkewSeconds: settings.clockSkewSeconds,
      random: dependencies.random,
      recordThenSign: (signing) => recorder.sign(signing),
      record: (signing) => recorder.record(signing),
    });
    const accepted = acceptUpstreamAnswer(answer, { spkiSha256: keyId, trustDomain, now: clock.now(), dnsGrants: [] });
    // An upstream may give less time than was asked for.
    const lifetimeSeconds = Math.floor((accepted.certificate.notAfter - clock.now()) / 1000);
    checkRotationSettings({ ...settings, lifetimeSeconds: Math.min(settings.lifetimeSeconds, lifetimeSeconds + 1) });
    await ledger.transact(async (tx) => {
      await recordPrepared(tx, change(), accepted);
      await alsoRecord(tx, change(), accepted);
    });
  } catch (error) {
    await abandon(dependencies, change, recorder.recorded);
    throw error;
  }
  return { spkiSha256: keyId };
}

/** Records what a new authority's key is to sign, and signs it then. The only way to its key before it is active. */
class RecordingSigner {
  readonly #dependencies: ProvisionDependencies;
  readonly #signer: Signer;
  readonly #change: () => Change;
  recorded = false;

  constructor(dependencies: ProvisionDependencies, signer: Signer, change: () => Change) {
    this.#dependencies = dependencies;
    this.#signer = signer;
    this.#change = change;
  }

  async sign(signing: RecordedSigning): Promise<Uint8Array> {
    const bytes = signing.bytes.slice();
    await this.record({ ...signing, bytes });
    return this.#signer.sign(bytes);
  }

  async record({ bytes }: RecordedSigning): Promise<void> {
    if (this.recorded) throw new TypeError("a new authority's key signs once on the way to its certificate");
    await this.#dependencies.ledger.transact((tx) =>
      recordRequested(tx, this.#change(), { upstream: this.#dependencies.upstream.kind, bytes }),
    );
    this.recorded = true;
  }
}

/** Gives a new authority up. Its key has signed nothing that anybody trusts. */
async function abandon(dependencies: ProvisionDependencies, change: () => Change, recorded: boolean): Promise<void> {
  const { ledger, keyStore, logger } = dependencies;
  const { spkiSha256 } = change();
  try {
    if (recorded) await ledger.transact((tx) => recordState(tx, { ...change(), cause: "abandoned" }, "removed"));
    await keyStore.destroy(spkiSha256);
    if (recorded) await ledger.transact(async (tx) => recordKeyDestroyed(tx, change()));
  } catch (error) {
    logger.warn(
      { event: "authority.abandon_failed", authority: spkiSha256, error },
      "a new authority was given up, but its key or row could not be cleared; the rotator tries again",
    );
  }
}
