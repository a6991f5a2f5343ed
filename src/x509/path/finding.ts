// How the path validator names certificates and raises its errors.
import { PathError, type PathRule } from "../errors.ts";
import { isEmptyName, nameToString } from "../name.ts";
import type { Certificate } from "../types.ts";

const MAX_LABEL = 200;

/** What people call a certificate: its subject, else its first URI or DNS name, else its serial number. */
export function labelOf(certificate: Certificate): string {
  const label = isEmptyName(certificate.subject) ? nameLabel(certificate) : nameToString(certificate.subject);
  return label.length > MAX_LABEL ? `${label.slice(0, MAX_LABEL)}...` : label;
}

function nameLabel(certificate: Certificate): string {
  for (const name of certificate.subjectAltName?.names ?? []) {
    // JSON escapes what must not reach a terminal.
    if (name.kind === "uri" || name.kind === "dns") return JSON.stringify(name.value).slice(1, -1);
  }
  return `serial ${certificate.serialHex}`;
}

/** The error for a certificate that breaks a rule. */
export function broken(rule: PathRule, certificate: Certificate, found: string, expected: string): PathError {
  return new PathError({ rule, certificate: labelOf(certificate), found, expected });
}
