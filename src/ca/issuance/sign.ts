// The last step: Intent -> CommittedIntent -> SignedSvid (invariant 1). A certificate can be had only here, and only for a
// CommittedIntent, which only the ledger makes after COMMIT. What comes out is compared, octet by octet, with what the lint
// accepted and the ledger recorded.
import { algorithmIdentifier, encodeCertificate } from "../../x509/index.ts";
import type { SignerAlgorithm } from "../keys/index.ts";
import type { CommittedIntent } from "../ledger/index.ts";
import { IssuanceError } from "./errors.ts";
import type { LintedTbs } from "./lint/index.ts";

const KEY = Symbol("only signing makes these");

/** A certificate that was recorded before it was signed. Obtainable only from {@link signCommitted}. */
export class SignedSvid {
  /** DER. */
  readonly certificate: Uint8Array;
  /** As it stands in the certificate, without the BIT STRING's first octet. */
  readonly signature: Uint8Array;
  readonly logIndex: bigint;

  constructor(key: typeof KEY, certificate: Uint8Array, signature: Uint8Array, logIndex: bigint) {
    if (key !== KEY) throw new TypeError("only signCommitted makes a SignedSvid");
    this.certificate = certificate;
    this.signature = signature;
    this.logIndex = logIndex;
  }
}

/** Who signs committed intents: the active authority, or for a probe the one that is tried. */
export interface IntentSigner {
  readonly algorithm: SignerAlgorithm;
  /** Takes the intent, so that it is signed once. `now` in Unix milliseconds. */
  sign(committed: CommittedIntent, now: number): Promise<Uint8Array>;
}

/**
 * Signs exactly the bytes that were linted and recorded.
 * @param now Unix milliseconds
 * @throws AuthorityError when the authority signs no longer; IssuanceError MCA_SIGNED_BYTES_DIFFER
 */
export async function signCommitted(
  committed: CommittedIntent,
  linted: LintedTbs,
  authority: IntentSigner,
  now: number,
): Promise<SignedSvid> {
  const { tbs } = committed.intent.fields;
  if (!linted.equals(tbs)) throw bytesDiffer("what was recorded is not what the lint accepted");
  const signature = await authority.sign(committed, now);
  const certificate = encodeCertificate(tbs, algorithmIdentifier(authority.algorithm), signature);
  if (!linted.isWithin(certificate)) throw bytesDiffer("what was signed is not what was recorded");
  return new SignedSvid(KEY, certificate, signature, committed.logIndex);
}

function bytesDiffer(what: string): IssuanceError {
  return new IssuanceError(
    "MCA_SIGNED_BYTES_DIFFER",
    `The certificate is withheld: ${what}. This is a bug of mesh-ca or faulty memory: take this server out of service and report it.`,
  );
}
