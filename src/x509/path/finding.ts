// How the path validator names certificates and raises its errors.
import { PathError, type PathRule } from "../errors.ts";
import { isEmptyName, nameToString } from "../name.ts";
import type { Certificate } from "../types.ts";

const MAX_LABEL = 200;

const shortened = (text: string): string => (text.length > MAX_LABEL ? `${text.slice(0, MAX_LABEL)}...` : text);

/** Text from a certificate between quotes, in printable ASCII and at a bounded length: fit for a log line or a terminal. */
export function quoted(text: string): string {
  const escaped = shortened(text).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

/** What people call a certificate: its subject, else its first URI or DNS name, else its serial number. */
export function labelOf(certificate: Certificate): string {
  return isEmptyName(certificate.subject) ? nameLabel(certificate) : shortened(nameToString(certificate.subject));
}

function nameLabel(certificate: Certificate): string {
  for (const name of certificate.subjectAltName?.names ?? []) {
    if (name.kind === "uri" || name.kind === "dns") return quoted(name.value).slice(1, -1);
  }
  return `serial ${certificate.serialHex}`;
}

/** The error for a certificate that breaks a rule. */
export function broken(rule: PathRule, certificate: Certificate, found: string, expected: string): PathError {
  return new PathError({ rule, certificate: labelOf(certificate), found, expected }, { offender: certificate });
}

/** Throws the first of the errors, if there is one. */
export function throwFirst(errors: Iterable<PathError>): void {
  for (const error of errors) throw error;
}
