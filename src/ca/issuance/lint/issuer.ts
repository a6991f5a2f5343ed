// Reads from the issuing authority's certificate what its leaves must agree with. Done once for each authority, by the
// lint's own walker: what the writer believes about the issuer is thereby checked too.

import { readTime } from "./time.ts";
import { LintFinding, same, Walker } from "./walker.ts";

/** What the lint knows of an issuer. */
export interface LintIssuer {
  /** The subject's Name, DER. */
  readonly subject: Uint8Array;
  /** The contents of the subject key identifier. */
  readonly subjectKeyId: Uint8Array;
  /** Unix milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

const OID_SUBJECT_KEY_ID = Uint8Array.of(0x55, 0x1d, 0x0e);

/**
 * Reads an authority's certificate (DER).
 * @throws LintFinding where it cannot be an issuer: unreadable, an empty subject, no subject key identifier.
 */
export function readLintIssuer(certificate: Uint8Array): LintIssuer {
  const walker = new Walker(certificate);
  const whole = walker.enter(0x30, certificate.length, "Certificate");
  const tbs = walker.enter(0x30, whole, "TBSCertificate");
  walker.skip(tbs, "version");
  walker.skip(tbs, "serialNumber");
  walker.skip(tbs, "signature");
  walker.skip(tbs, "issuer");
  const validity = walker.enter(0x30, tbs, "validity");
  const notBefore = readTime(walker, validity);
  const notAfter = readTime(walker, validity);
  walker.finish(validity, "validity");
  const from = walker.skip(tbs, "subject");
  const subject = certificate.slice(from, walker.at);
  if (subject.length <= 2) throw new LintFinding("RFC 5280 4.1.2.4", "an issuer with an empty subject", "a name");
  walker.skip(tbs, "subjectPublicKeyInfo");
  return { subject, subjectKeyId: findSubjectKeyId(walker, tbs), notBefore, notAfter };
}

function findSubjectKeyId(walker: Walker, tbs: number): Uint8Array {
  const { bytes } = walker;
  const explicit = walker.enter(0xa3, tbs, "extensions");
  const extensions = walker.enter(0x30, explicit, "Extensions");
  while (walker.at < extensions) {
    const extension = walker.enter(0x30, extensions, "Extension");
    const oidEnd = walker.enter(0x06, extension, "extnID");
    const found = same(bytes, walker.at, oidEnd, OID_SUBJECT_KEY_ID);
    walker.at = oidEnd;
    if (walker.next(0x01, extension)) walker.skip(extension, "critical");
    const value = walker.enter(0x04, extension, "extnValue");
    if (found) {
      const keyId = walker.enter(0x04, value, "subjectKeyIdentifier");
      if (keyId === walker.at) throw new LintFinding("X-14", "an empty subject key identifier", "octets");
      return bytes.slice(walker.at, keyId);
    }
    walker.at = value;
  }
  throw new LintFinding("X-14", "an issuer without a subject key identifier", "one");
}
