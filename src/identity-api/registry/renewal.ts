// Renewal: the rule that granted the identity is evaluated again, at its current revision, on the attributes that were
// established at enrolment. It must still grant exactly the same SPIFFE ID; anything else ends the lineage's renewals.
import type { Grant } from "../../ca/index.ts";
import { RegistryError } from "./errors.ts";
import { type ActiveRule, grantOf, type LoadedRule, whyNot } from "./evaluate.ts";
import type { Attributes } from "./types.ts";

/** What a renewal is judged on: the lineage as the database holds it. */
export interface RenewalSubject {
  readonly rule: string;
  readonly spiffeId: string;
  readonly attributes: Attributes;
  /** Unix milliseconds. */
  readonly openedAt: number;
  /** Set when the presented certificate has expired: its notAfter, Unix milliseconds. */
  readonly expiredAt?: number | undefined;
}

/** What the rule grants to the lineage now, at time `now`. `rule` undefined: it was deleted. @throws RegistryError */
export function renewGrant(
  rule: LoadedRule | undefined,
  subject: RenewalSubject,
  now: number,
  ttlSeconds: number,
): Grant {
  const active = requireActive(rule, subject);
  const { renewAfterExpirySeconds, maxLineageAgeSeconds } = active.compiled;
  const details = { rule: subject.rule };
  if (subject.expiredAt !== undefined && now > subject.expiredAt + renewAfterExpirySeconds * 1000) {
    throw new RegistryError(
      "MCA_RENEWAL_TOO_LATE",
      `The certificate expired too long ago: rule "${subject.rule}" renews up to ${renewAfterExpirySeconds} s after expiry. Enrol again with fresh evidence.`,
      { details },
    );
  }
  if (now > subject.openedAt + maxLineageAgeSeconds * 1000) {
    throw new RegistryError(
      "MCA_LINEAGE_TOO_OLD",
      `The enrolment is older than the ${maxLineageAgeSeconds} s that rule "${subject.rule}" allows. Enrol again with fresh evidence.`,
      { details },
    );
  }
  return regrant(active, subject, ttlSeconds);
}

/** Like renewGrant, but for the rule and the ID alone: what somebody who holds a valid certificate is today. */
export function currentGrant(rule: LoadedRule | undefined, subject: RenewalSubject): Grant {
  return regrant(requireActive(rule, subject), subject, 0);
}

function requireActive(rule: LoadedRule | undefined, subject: RenewalSubject): ActiveRule {
  const details = { rule: subject.rule };
  if (rule === undefined) {
    throw new RegistryError(
      "MCA_RULE_GONE",
      `Rule "${subject.rule}", which granted this identity, was deleted. Enrol again with evidence that another rule matches.`,
      { details },
    );
  }
  if (rule.kind === "inactive") {
    throw new RegistryError("MCA_RULE_INACTIVE", `Rule "${subject.rule}" is not in force here: ${rule.problem}`, {
      details,
    });
  }
  return rule;
}

function regrant(rule: ActiveRule, subject: RenewalSubject, ttlSeconds: number): Grant {
  const details = { rule: subject.rule };
  const mismatch = whyNot(rule, subject.attributes);
  if (mismatch !== undefined) {
    throw new RegistryError(
      "MCA_RENEWAL_RULE_MISMATCH",
      `Rule "${subject.rule}" no longer matches what was established at enrolment: ${mismatch} Enrol again.`,
      { details },
    );
  }
  const grant = grantOf(rule, subject.attributes, ttlSeconds);
  const spiffeId = grant.spiffeId.toString();
  if (spiffeId !== subject.spiffeId) {
    throw new RegistryError(
      "MCA_RENEWAL_ID_CHANGED",
      `Rule "${subject.rule}" now grants ${spiffeId} instead of ${subject.spiffeId}; a renewal never changes the identity. Enrol again.`,
      { details },
    );
  }
  return grant;
}
