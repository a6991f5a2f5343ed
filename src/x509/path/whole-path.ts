// The rules that only a whole path can keep or break (RFC 5280 section 6.1): path length, name constraints, extended key
// usage, policies. Signatures and the rules of single certificates have been checked before.

import type { PathError } from "../errors.ts";
import { sameName } from "../name.ts";
import { oid } from "../oids.ts";
import type { Certificate } from "../types.ts";
import type { PathBudget } from "./budget.ts";
import { broken, labelOf, throwFirst } from "./finding.ts";
import { checkIssuerProfile } from "./issuer-profile.ts";
import { checkComparableNames, checkNameConstraints, constrainedNames } from "./name-constraints.ts";
import { checkPolicies } from "./policies.ts";
import type { PathRequest, Purpose } from "./request.ts";

/** Whether a certificate's issuer and subject are the same name (not: the same key). */
export function isSelfIssued(certificate: Certificate): boolean {
  return sameName(certificate.issuer, certificate.subject);
}

/**
 * Checks a path whose signatures hold.
 * @param path leaf first, anchor last
 * @throws PathError
 */
export function checkWholePath(path: readonly Certificate[], request: PathRequest, budget: PathBudget): void {
  throwFirst(pathLengthErrors(path, request.target));
  throwFirst(extendedKeyUsageErrors(path, request.purposes ?? []));
  checkConstraints(path, budget);
  checkPolicies(path, isSelfIssued);
  if (request.conformingIssuers === true) checkIssuerProfile(path);
}

/** Section 6.1.4 (l), (m). A CA that is the target is held as one that will issue. */
export function* pathLengthErrors(path: readonly Certificate[], target: PathRequest["target"]): Generator<PathError> {
  let left = Number.POSITIVE_INFINITY;
  let limiting: Certificate | undefined;
  for (let i = path.length - 1; i >= (target === "ca" ? 0 : 1); i--) {
    const certificate = path[i];
    if (certificate === undefined) continue;
    const isAnchor = i === path.length - 1;
    if (!isAnchor && !isSelfIssued(certificate)) {
      if (left <= 0 && limiting !== undefined) yield tooManyCas(certificate, limiting);
      left--;
    }
    const allowed = certificate.basicConstraints?.pathLength ?? Number.POSITIVE_INFINITY;
    if (allowed >= left) continue;
    left = allowed;
    limiting = certificate;
  }
}

function tooManyCas(certificate: Certificate, limiting: Certificate): PathError {
  const length = limiting.basicConstraints?.pathLength ?? 0;
  const found = `one CA more below "${labelOf(limiting)}" than its path length of ${length} allows`;
  return broken("path-length", certificate, found, "an issuer whose path length leaves room for this CA");
}

const PURPOSE_OIDS: Readonly<Record<Purpose, string>> = { serverAuth: oid.serverAuth, clientAuth: oid.clientAuth };

function purposeToString(id: string): string {
  const name = Object.entries(PURPOSE_OIDS).find(([, value]) => value === id)?.[0];
  return name === undefined ? id : `${name} (${id})`;
}

/**
 * Where a certificate of the path lists purposes, each asked one is among them: in CAs a list limits what is beneath
 * (as OpenSSL, Go and Windows read it). anyExtendedKeyUsage is no such purpose for OpenSSL, and so not for us.
 */
export function* extendedKeyUsageErrors(
  path: readonly Certificate[],
  purposes: readonly Purpose[],
): Generator<PathError> {
  for (const certificate of path) {
    const allowed = certificate.extendedKeyUsage?.purposes;
    if (allowed === undefined) continue;
    for (const purpose of purposes) {
      if (!allowed.includes(PURPOSE_OIDS[purpose])) {
        const found = `the extended key usages ${allowed.map(purposeToString).join(", ")}, without ${purpose}`;
        const expected = `${purpose} (${PURPOSE_OIDS[purpose]}) among them, or no extended key usage`;
        yield broken("extended-key-usage", certificate, found, expected);
      }
    }
  }
}

/** Section 6.1.3 (b), (c): every certificate under each CA, but for self-issued ones that are not the last. */
export function checkConstraints(path: readonly Certificate[], budget: PathBudget): void {
  if (path.every((certificate) => certificate.nameConstraints === undefined)) return;
  path.forEach((certificate, i) => {
    if (i > 0 && isSelfIssued(certificate)) return;
    const issuers = path.slice(i + 1).filter((issuer) => issuer.nameConstraints !== undefined);
    if (issuers.length === 0) return;
    checkComparableNames(certificate);
    const names = constrainedNames(certificate, i === 0);
    for (const issuer of issuers) checkNameConstraints(certificate, names, issuer, budget);
  });
}
