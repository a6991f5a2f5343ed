// A new authority's key, until an upstream has answered for it: what it is to sign is on record before it signs (invariant 1). A key
// that comes to nothing is destroyed, and that is recorded.
import { parseSubjectPublicKeyInfo } from "../../x509/index.ts";
import type { Signer } from "../keys/index.ts";
import type { RecordedSigning, UpstreamRequest } from "../upstream/index.ts";
import { type Change, recordKeyDestroyed, recordRequested, recordState } from "./journal.ts";
import type { ProvisionDependencies } from "./provision.ts";

/** A key that is on its way to become an authority. */
export interface NewKey {
  readonly spkiSha256: string;
  readonly signer: Signer;
  /** What the upstream is asked. */
  readonly request: UpstreamRequest;
  change(): Change;
}

/** Makes a key and does with it what `run` says; if that fails, the key is destroyed. Throws what `run` throws, and KeyError. */
export async function withNewKey<T>(
  dependencies: ProvisionDependencies,
  cause: string,
  run: (key: NewKey) => Promise<T>,
): Promise<T> {
  const { keyStore, clock, settings, trustDomain, replica, random } = dependencies;
  const { keyId, signer } = await keyStore.create("authority", settings.keyAlgorithm);
  const change = (): Change => ({ spkiSha256: keyId, replica, now: clock.now(), cause });
  const recorder = new RecordingSigner(dependencies, signer, change);
  try {
    const request: UpstreamRequest = {
      trustDomain,
      replica,
      publicKey: parseSubjectPublicKeyInfo(signer.spki),
      algorithm: signer.algorithm,
      now: clock.now(),
      lifetimeSeconds: settings.lifetimeSeconds,
      clockSkewSeconds: settings.clockSkewSeconds,
      random,
      recordThenSign: (signing) => recorder.sign(signing),
      record: (signing) => recorder.record(signing),
    };
    return await run({ spkiSha256: keyId, signer, request, change });
  } catch (error) {
    await abandon(dependencies, change, recorder.recorded);
    throw error;
  }
}

/** Records what a new authority's key, or for it another, is to sign, and signs it then. */
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
    const was = await keyStore.destroy(spkiSha256);
    if (recorded) await ledger.transact((tx) => recordKeyDestroyed(tx, change(), was));
  } catch (error) {
    logger.warn(
      { event: "authority.abandon_failed", authority: spkiSha256, error },
      "a new authority was given up, but its key or row could not be cleared; the rotator tries again",
    );
  }
}
