// An authority that is being tried. Its key signs one thing: a probe that is on record (invariant 1). It cannot sign anything
// that authenticates somebody, because only intents of kind svid.probe pass.
import type { Signer, SignerAlgorithm } from "../keys/index.ts";
import type { CommittedIntent } from "../ledger/index.ts";

/** A new authority's key, for its probe. */
export class CandidateAuthority {
  readonly algorithm: SignerAlgorithm;
  readonly #signer: Signer;

  constructor(signer: Signer) {
    this.algorithm = signer.algorithm;
    this.#signer = signer;
  }

  /** Signs the TBSCertificate of a committed probe, once. @throws TypeError for anything else */
  async sign(committed: CommittedIntent): Promise<Uint8Array> {
    committed.take();
    const { kind, authority, tbs } = committed.intent.fields;
    if (kind !== "svid.probe") throw new TypeError("an authority that is being tried signs probes only");
    if (authority !== this.#signer.spkiSha256) throw new TypeError("this probe was recorded for another authority");
    return this.#signer.sign(tbs);
  }
}
