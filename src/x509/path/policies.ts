// Certificate policies (RFC 5280 section 6.1), for the one question that a verifier without policies of its own has: where
// a CA demands an explicit policy, is one valid along the whole path? Policy mappings are not followed: where one is met,
// no policy is valid any more, so that a path that needs it is refused.
import { oid } from "../oids.ts";
import type { Certificate } from "../types.ts";
import { broken } from "./finding.ts";

/** Policies that are valid so far: "any", or exactly these. */
type ValidPolicies = "any" | ReadonlySet<string>;

const NONE: ReadonlySet<string> = new Set();

/**
 * Checks the certificates under an anchor.
 * @param path leaf first, anchor last
 * @param beneath "leaf-beneath": the first one is a CA, and what it will issue has no policies
 * @throws PathError certificate-policies
 */
export function checkPolicies(
  path: readonly Certificate[],
  isSelfIssued: (certificate: Certificate) => boolean,
  beneath: "nothing-beneath" | "leaf-beneath" = "nothing-beneath",
): void {
  if (path.every((certificate) => certificate.policy?.requireExplicitPolicy === undefined)) return;
  let valid: ValidPolicies = "any";
  // Certificates that may still follow before an explicit policy is needed, or before anyPolicy counts no more.
  let explicit = Number.POSITIVE_INFINITY;
  let inhibitAny = Number.POSITIVE_INFINITY;
  for (let i = path.length - 1; i >= 0; i--) {
    const certificate = path[i];
    if (certificate === undefined) continue;
    const { policy } = certificate;
    const selfIssued = isSelfIssued(certificate);
    // The anchor's own policies do not restrict what is beneath it; its constraints do.
    const isAnchor = i === path.length - 1;
    const isLast = i === 0 && beneath === "nothing-beneath";
    if (!isAnchor) {
      valid = intersect(valid, policy?.policies, inhibitAny > 0 || (!isLast && selfIssued));
      if (!selfIssued || isLast) {
        explicit--;
        inhibitAny--;
      }
    }
    if (policy?.mappings === true && !isLast) valid = NONE;
    // For the last certificate only a zero counts (section 6.1.5 (b)).
    const required = policy?.requireExplicitPolicy ?? Number.POSITIVE_INFINITY;
    if (!isLast || required === 0) explicit = Math.min(explicit, required);
    inhibitAny = Math.min(inhibitAny, policy?.inhibitAnyPolicy ?? Number.POSITIVE_INFINITY);
    // Policies only become fewer on the way, so that the end tells (section 6.1.5 (g)).
    if (isLast && explicit <= 0 && isNone(valid)) throw noPolicy(certificate);
  }
  const [first] = path;
  // The leaf takes one from the count, and has no policy: none is valid at the end.
  if (beneath === "leaf-beneath" && first !== undefined && explicit - 1 <= 0) throw noPolicyBeneath(first);
}

function intersect(valid: ValidPolicies, found: readonly string[] | undefined, anyCounts: boolean): ValidPolicies {
  if (found === undefined) return NONE;
  if (anyCounts && found.includes(oid.anyPolicy)) return valid;
  return new Set(found.filter((id) => id !== oid.anyPolicy && (valid === "any" || valid.has(id))));
}

function isNone(valid: ValidPolicies): boolean {
  return valid !== "any" && valid.size === 0;
}

function noPolicyBeneath(certificate: Certificate): Error {
  return broken(
    "certificate-policies",
    certificate,
    "a CA above, or this one, that demands an explicit policy of what is issued",
    "no such policy constraint: workload certificates name no policies",
  );
}

function noPolicy(certificate: Certificate): Error {
  return broken(
    "certificate-policies",
    certificate,
    "no policy that is valid along the path",
    "an explicit policy, as a CA above demands (policy mappings are not supported)",
  );
}
