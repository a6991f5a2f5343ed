// What to ask the enterprise CA when one of the authorities that it signed is revoked: a text for people. Our verifiers distrust the
// key at once; everybody else trusts it until the enterprise says otherwise.
import { formatTime } from "../../runtime/index.ts";
import { nameToString } from "../../x509/index.ts";
import type { IssuedAuthority } from "./records.ts";

/** The text: issuer, serial number and reason, as RFC 5280 section 5.3 wants them. */
export function enterpriseRequest({ certificate }: IssuedAuthority): string {
  return `Please revoke this certificate:
  issuer:        ${nameToString(certificate.issuer)}
  serial number: ${certificate.serialHex}
  subject:       ${nameToString(certificate.subject)}
  valid until:   ${formatTime(certificate.notAfter)}
  SHA-256:       ${certificate.sha256}
  reason:        keyCompromise (1)
mesh-ca and its clients distrust its key already. Other verifiers accept certificates under it until ${formatTime(certificate.notAfter)}, or until
your CRL or OCSP responder tells them. Do not sign the same key again.
`;
}
