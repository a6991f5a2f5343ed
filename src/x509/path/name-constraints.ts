// Name constraints (RFC 5280 sections 4.2.1.10 and 6.1.3 (b), (c)): every name of a certificate against every CA above it.
// Fail closed: a constraint or a name that cannot be judged breaks the path. The work is bounded (PathBudget).
import { DerReader } from "../der/reader.ts";
import { tag } from "../der/tags.ts";
import { isEmptyName, nameAttributes } from "../name.ts";
import { oid } from "../oids.ts";
import type { Certificate, GeneralName, SubtreeBase } from "../types.ts";
import type { PathBudget } from "./budget.ts";
import { broken, quoted } from "./finding.ts";
import {
  assertComparable,
  assertComparableBase,
  directoryWithin,
  dnsWithin,
  emailWithin,
  ipWithin,
  type SubtreeSense,
  Unparsable,
  uriWithin,
} from "./subtrees.ts";

const OTHER_NAME = 0;
const SMTP_UTF8_MAILBOX = "1.3.6.1.5.5.7.8.9";

/** The names of a certificate that constraints apply to. `isLeaf`: it is the first of its path. */
export function constrainedNames(certificate: Certificate, isLeaf: boolean): readonly GeneralName[] {
  const names: GeneralName[] = [...(certificate.subjectAltName?.names ?? [])];
  if (isEmptyName(certificate.subject)) return names;
  const hasDns = names.some((name) => name.kind === "dns");
  names.push({ kind: "directory", der: certificate.subject });
  for (const { oid: type, text } of nameAttributes(certificate.subject).flat()) {
    // An address that is no text is kept as one that no constraint can be compared with.
    if (type === oid.emailAddress) names.push({ kind: "email", value: text ?? "" });
    // As OpenSSL does: where there is no DNS name, a common name that looks like one is taken for one by old clients.
    if (type === oid.commonName && isLeaf && !hasDns && text !== undefined && looksLikeHost(text)) {
      names.push({ kind: "dns", value: text.replace(/\0+$/, "") });
    }
  }
  return names;
}

/** Two labels at least, of letters, digits, hyphens and underscores. */
function looksLikeHost(text: string): boolean {
  return /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)+\.?\0*$/i.test(text);
}

/**
 * Holds the names of `certificate` against the constraints of a CA above it.
 * @throws PathError name-constraints, work-limit
 */
export function checkNameConstraints(
  certificate: Certificate,
  names: readonly GeneralName[],
  issuer: Certificate,
  budget: PathBudget,
): void {
  const constraints = issuer.nameConstraints;
  if (constraints === undefined) return;
  const { permitted, excluded } = constraints;
  const all = [...permitted, ...excluded];
  budget.spendComparisons(names.length * all.length + all.length, certificate);
  if (constraints.critical && all.some((base) => base.kind === "other")) {
    throw broken(
      "name-constraints",
      issuer,
      "a constraint on a kind of name that is not supported",
      "dns, uri, email, ip or directory names",
    );
  }
  judging(issuer, () => all.forEach(assertComparableBase));
  for (const name of names) {
    if (unsupported(name, all)) {
      const found = "a name of a kind that is constrained but not supported";
      throw broken("name-constraints", certificate, found, "no such name");
    }
    judging(certificate, () => checkName(certificate, name, permitted, excluded));
  }
}

function checkName(
  certificate: Certificate,
  name: GeneralName,
  permitted: readonly SubtreeBase[],
  excluded: readonly SubtreeBase[],
): void {
  const applicable = permitted.filter((base) => base.kind === name.kind);
  if (applicable.length > 0 && !applicable.some((base) => within(name, base, "permitted"))) {
    throw broken("name-constraints", certificate, show(name), "a name in a permitted subtree");
  }
  if (excluded.some((base) => base.kind === name.kind && within(name, base, "excluded"))) {
    throw broken("name-constraints", certificate, show(name), "no name in an excluded subtree");
  }
}

/**
 * Refuses a certificate under any constraints at all that has alternative names which no constraint could be compared
 * with, of whatever kind the constraints are: so does Go.
 * @throws PathError name-constraints
 */
export function checkComparableNames(certificate: Certificate): void {
  judging(certificate, () => {
    for (const name of certificate.subjectAltName?.names ?? []) assertComparable(name);
  });
}

/** A name or a constraint whose meaning is not clear breaks the path. */
function judging(certificate: Certificate, judge: () => void): void {
  try {
    judge();
  } catch (error) {
    if (!(error instanceof Unparsable)) throw error;
    throw broken("name-constraints", certificate, error.message, "names and constraints that can be compared");
  }
}

/** Names that constraints speak of and that we cannot compare. */
function unsupported(name: GeneralName, all: readonly SubtreeBase[]): boolean {
  if (name.kind !== "other") return false;
  if (all.some((base) => base.kind === "other" && base.tag === name.tag)) return true;
  return name.tag === OTHER_NAME && isSmtpUtf8Mailbox(name.der) && all.some((base) => base.kind === "email");
}

function isSmtpUtf8Mailbox(der: Uint8Array): boolean {
  const reader = new DerReader(der).enter(tag.explicit(OTHER_NAME), "an otherName");
  return reader.oid("an otherName's type") === SMTP_UTF8_MAILBOX;
}

function within(name: GeneralName, base: SubtreeBase, sense: SubtreeSense): boolean {
  if (name.kind === "dns" && base.kind === "dns") return dnsWithin(name.value, base.value, sense);
  if (name.kind === "uri" && base.kind === "uri") return uriWithin(name.value, base.value, sense);
  if (name.kind === "email" && base.kind === "email") return emailWithin(name.value, base.value, sense);
  if (name.kind === "ip" && base.kind === "ip") return ipWithin(name.bytes, base);
  if (name.kind === "directory" && base.kind === "directory") return directoryWithin(name.der, base.der);
  return false;
}

function show(name: GeneralName): string {
  if (name.kind === "dns" || name.kind === "uri" || name.kind === "email") return quoted(name.value);
  return name.kind === "ip" ? `the IP address ${[...name.bytes].join(".")}` : "a directory name";
}
