// Intent -> CommittedIntent: the first half of "recorded before signed" (invariant 1). Only src/ca/issuance makes an Intent
// (a test holds it to that); only the ledger makes a CommittedIntent, after COMMIT has answered COMMIT.
import type { LineageStep } from "../lineage/index.ts";

export interface IntentFields {
  readonly kind: "svid.x509" | "svid.probe";
  /** Serial number: 17 octets, the first 0x01 to 0x7f. */
  readonly serial: Uint8Array;
  readonly spiffeId: string;
  /** The TBSCertificate that will be signed, DER. */
  readonly tbs: Uint8Array;
  /** SHA-256 of the subject's SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  /** SHA-256 of the authority's SubjectPublicKeyInfo, lower-case hex. */
  readonly authority: string;
  /** Unix milliseconds, as are all times here. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly issuedAt: number;
  readonly requester: string;
  readonly requesterAddress: string;
  readonly requestId: string;
  /** The attestor instance; undefined for our own certificates. */
  readonly attestor: string | undefined;
  readonly attributes: ReadonlyMap<string, string>;
  readonly rule?: { readonly name: string; readonly revision: bigint } | undefined;
  readonly lineage: LineageStep;
  /** The join token that this enrolment redeems. */
  readonly token?: { readonly secretSha256: Uint8Array } | undefined;
  /**
   * The caller was told to replay this index and found that it was never signed: make a new child although the key is
   * the same. Any other index as the current one is judged as if this were unset.
   */
  readonly replacing?: bigint | undefined;
}

/** What is about to be recorded, and then signed. */
export class Intent {
  readonly #brand = true;
  readonly fields: IntentFields;

  constructor(fields: IntentFields) {
    this.fields = fields;
  }

  /** Keeps look-alikes out of the type. */
  static is(value: object): value is Intent {
    return #brand in value && value.#brand;
  }
}

const KEY = Symbol("only the ledger commits");

/** An intent whose entry is durable. It can be taken once, for one signature. */
export class CommittedIntent {
  readonly intent: Intent;
  readonly logIndex: bigint;
  #taken = false;

  constructor(key: typeof KEY, intent: Intent, logIndex: bigint) {
    if (key !== KEY) throw new TypeError("only the ledger makes a CommittedIntent");
    this.intent = intent;
    this.logIndex = logIndex;
  }

  /** Marks it as signed. @throws TypeError the second time: one record, one signature */
  take(): void {
    if (this.#taken) throw new TypeError(`the intent at index ${this.logIndex} was already taken`);
    this.#taken = true;
  }
}

/** For the ledger's committer alone; index.ts does not export it. */
export function markCommitted(intent: Intent, logIndex: bigint): CommittedIntent {
  return new CommittedIntent(KEY, intent, logIndex);
}

export type CommitResult =
  | { readonly kind: "committed"; readonly intent: CommittedIntent }
  /** The same key asked again: answer the certificate recorded at this index. */
  | { readonly kind: "replay"; readonly logIndex: bigint };

export interface OutcomeReport {
  readonly logIndex: bigint;
  readonly result: "signed" | "failed";
  /** The signature's bytes as they stand in the certificate (without the BIT STRING's first octet). */
  readonly signature?: Uint8Array;
}
