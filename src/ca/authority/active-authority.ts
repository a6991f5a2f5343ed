// The authority that signs now. Its key signs committed intents and nothing else (invariant 1): there is no method that
// takes bytes. It looks at its own standing again at the moment of signing.
import type { Certificate } from "../../x509/index.ts";
import type { Signer, SignerAlgorithm } from "../keys/index.ts";
import type { CommittedIntent } from "../ledger/index.ts";
import { AuthorityError } from "./errors.ts";
import { endOfPath } from "./records.ts";
import type { AuthorityState } from "./state.ts";

export interface ActiveAuthorityFields {
  readonly certificate: Certificate;
  /** Between the authority and its anchor, nearest first. */
  readonly intermediates: readonly Certificate[];
  readonly anchor: Certificate;
  readonly selfSigned: boolean;
  readonly replica: number;
}

/** An authority of this replica with its key. Made only by the AuthorityManager. */
export class ActiveAuthority {
  readonly certificate: Certificate;
  /** What a leaf is sent with: the authority and the intermediates, never the root. DER. */
  readonly chain: readonly Uint8Array[];
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  readonly algorithm: SignerAlgorithm;
  readonly replica: number;
  /** When the path to the anchor ends, Unix milliseconds: nothing that it signs may live longer. */
  readonly endsAt: number;
  readonly #signer: Signer;
  readonly #stateNow: () => AuthorityState;
  #inFlight = 0;
  #onIdle: (() => void)[] = [];

  constructor(fields: ActiveAuthorityFields, signer: Signer, stateNow: () => AuthorityState) {
    const { certificate, intermediates } = fields;
    if (signer.spkiSha256 !== certificate.publicKey.spkiSha256) throw new TypeError("this key is not the authority's");
    this.certificate = certificate;
    this.chain = fields.selfSigned ? [] : [certificate, ...intermediates].map(({ der }) => der);
    this.spkiSha256 = signer.spkiSha256;
    this.algorithm = signer.algorithm;
    this.replica = fields.replica;
    this.endsAt = endOfPath(fields);
    this.#signer = signer;
    this.#stateNow = stateNow;
  }

  /**
   * Signs the TBSCertificate of a committed intent, once.
   * @param now Unix milliseconds
   * @throws AuthorityError MCA_AUTHORITY_NOT_ACTIVE when the authority no longer signs, MCA_AUTHORITY_EXPIRED
   * @throws TypeError when the intent was taken before, or names another authority
   */
  async sign(committed: CommittedIntent, now: number): Promise<Uint8Array> {
    committed.take();
    const { authority, tbs, notAfter } = committed.intent.fields;
    if (authority !== this.spkiSha256) throw new TypeError("this intent was recorded for another authority");
    const state = this.#stateNow();
    if (state !== "active") {
      throw new AuthorityError(
        "MCA_AUTHORITY_NOT_ACTIVE",
        `The authority ${this.spkiSha256} is ${state} since this request was recorded; nothing was signed. Ask again.`,
      );
    }
    if (now > this.endsAt || notAfter > this.endsAt) {
      throw new AuthorityError(
        "MCA_AUTHORITY_EXPIRED",
        `The authority ${this.spkiSha256} ends before what it was to sign; nothing was signed.`,
      );
    }
    return this.#signer.sign(tbs);
  }

  /** Announces an issuance between intent and outcome. Call the answer exactly once when it has ended. */
  begin(): () => void {
    this.#inFlight += 1;
    return () => {
      this.#inFlight -= 1;
      if (this.#inFlight > 0) return;
      for (const resolve of this.#onIdle.splice(0)) resolve();
    };
  }

  /** Resolves when no issuance is between intent and outcome: then another authority may take over without harm. */
  idle(): Promise<void> {
    return this.#inFlight === 0 ? Promise.resolve() : new Promise((resolve) => this.#onIdle.push(resolve));
  }
}
