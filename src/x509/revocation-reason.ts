// CRLReason (RFC 5280 section 5.3.1), which CRLs and OCSP responses share.
import { type DerReader, derMalformed } from "./der/reader.ts";
import { tag } from "./der/tags.ts";

/** Why a certificate was revoked. */
export type RevocationReason =
  | "unspecified"
  | "keyCompromise"
  | "cACompromise"
  | "affiliationChanged"
  | "superseded"
  | "cessationOfOperation"
  /** Suspended: the one reason that may be taken back. Until then the certificate must not be relied on. */
  | "certificateHold"
  /** Only in delta CRLs: no longer on hold. */
  | "removeFromCRL"
  | "privilegeWithdrawn"
  | "aACompromise";

/** By number; 7 is not used. */
export const REVOCATION_REASONS: readonly (RevocationReason | undefined)[] = [
  "unspecified",
  "keyCompromise",
  "cACompromise",
  "affiliationChanged",
  "superseded",
  "cessationOfOperation",
  "certificateHold",
  undefined,
  "removeFromCRL",
  "privilegeWithdrawn",
  "aACompromise",
];

/** Reads a CRLReason; DER errors keep their code. */
export function readRevocationReason(reader: DerReader): RevocationReason {
  const reason = REVOCATION_REASONS[reader.smallInteger("the revocation reason", tag.enumerated)];
  if (reason === undefined) throw derMalformed("the revocation reason is not one of RFC 5280");
  return reason;
}
