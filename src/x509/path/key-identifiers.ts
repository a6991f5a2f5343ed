// Authority and subject key identifiers (RFC 5280 sections 4.2.1.1, 4.2.1.2). They are hints: they make nobody an issuer,
// and where they are missing nothing follows. But a certificate that says outright that another certificate issued it is
// not taken as issued by this one, because OpenSSL would not either.
import { bytesEqual, toHex } from "../bytes.ts";
import { sameName } from "../name.ts";
import type { Certificate } from "../types.ts";
import { broken } from "./finding.ts";

/** How well a candidate fits what the child says of its issuer: for the order in which candidates are tried. */
export function keyIdentifierFit(child: Certificate, candidate: Certificate): number {
  if (child.authorityKeyId === undefined || candidate.subjectKeyId === undefined) return 1;
  return bytesEqual(child.authorityKeyId, candidate.subjectKeyId) ? 2 : 0;
}

/**
 * Refuses an issuer that the child's authority key identifier contradicts.
 * @throws PathError key-identifier
 */
export function checkKeyIdentifiers(child: Certificate, issuer: Certificate): void {
  const { authorityKeyId, authorityCertificate } = child;
  if (authorityKeyId !== undefined && issuer.subjectKeyId !== undefined) {
    if (!bytesEqual(authorityKeyId, issuer.subjectKeyId)) {
      throw broken(
        "key-identifier",
        child,
        `the authority key identifier ${shortHex(authorityKeyId)}`,
        `its issuer's, ${shortHex(issuer.subjectKeyId)}`,
      );
    }
  }
  const { serial, issuer: name } = authorityCertificate ?? {};
  if (serial !== undefined && !bytesEqual(serial, issuer.serial)) {
    throw broken(
      "key-identifier",
      child,
      `the authority's serial number ${shortHex(serial)}`,
      `its issuer's, ${issuer.serialHex}`,
    );
  }
  if (name !== undefined && !sameName(name, issuer.issuer)) {
    throw broken("key-identifier", child, "an authority issued by another name", "the name that issued its issuer");
  }
}

const MAX_SHOWN = 32;

function shortHex(bytes: Uint8Array): string {
  return bytes.length > MAX_SHOWN ? `${toHex(bytes.subarray(0, MAX_SHOWN))}...` : toHex(bytes);
}
