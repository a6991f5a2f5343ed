// What RFC 5280 section 4 demands of conforming CAs beyond what a verifier needs (section 6.1): what OpenSSL checks with
// -x509_strict. A peer's chain is not refused for these; a certificate that shall become our own authority's is.

import type { PathError } from "../errors.ts";
import { isEmptyName } from "../name.ts";
import type { Certificate } from "../types.ts";
import { broken, throwFirst } from "./finding.ts";

/**
 * Holds each certificate of a path to the profile for issuers.
 * @param path leaf first, anchor last
 * @throws PathError issuer-profile
 */
export function checkIssuerProfile(path: readonly Certificate[]): void {
  throwFirst(issuerProfileErrors(path));
}

/** All that checkIssuerProfile refuses a path for. */
export function* issuerProfileErrors(path: readonly Certificate[]): Generator<PathError> {
  for (const [i, certificate] of path.entries()) {
    const refuse = (found: string, expected: string): PathError =>
      broken("issuer-profile", certificate, found, expected);
    const isAnchor = i === path.length - 1;
    if (certificate.serial[0] === 0) yield refuse("the serial number 0", "a positive serial number");
    if (!isAnchor && certificate.authorityKeyId === undefined) {
      yield refuse("no authority key identifier", "one, as in every certificate that is not self-signed");
    }
    const names = certificate.subjectAltName;
    if (names?.critical === false && isEmptyName(certificate.subject)) {
      yield refuse("an empty subject and a subject alternative name that is not critical", "a critical one");
    }
    if (certificate.nameConstraints?.critical === false)
      yield refuse("name constraints that are not critical", "critical ones");
    if (certificate.basicConstraints?.ca !== true) continue;
    if (!certificate.basicConstraints.critical)
      yield refuse("basic constraints that are not critical", "critical ones");
    if (certificate.keyUsage === undefined) yield refuse("a CA without a key usage", "one with keyCertSign");
    if (certificate.subjectKeyId === undefined) yield refuse("a CA without a subject key identifier", "one");
  }
}
