// What the registry refuses: rules that cannot be taken, changes that are not allowed, and evidence or renewals that earn nothing.
import { MeshCaError, type MeshCaErrorOptions } from "../../runtime/index.ts";

export type RegistryErrorCode =
  /** The rule itself is wrong: unknown field, unbound placeholder, reserved ID ... Details name rule and field. */
  | "MCA_RULE_INVALID"
  /** The name belongs to a rule of the other source. */
  | "MCA_RULE_NAME_TAKEN"
  /** Rules of the configuration file are not changed by the API. */
  | "MCA_RULE_READ_ONLY"
  /** No rule of that name. */
  | "MCA_RULE_NOT_FOUND"
  /** This replica's configuration file holds other rules than the database: not ready. */
  | "MCA_RULES_DIFFER"
  /** No rule matches the attributes. */
  | "MCA_NO_RULE_MATCHES"
  /** The rule that decides would build an invalid or reserved name from these attributes. */
  | "MCA_RULE_ATTRIBUTE_REFUSED"
  /** The rule that decides carries roles and is newer than the join token: its maker was not asked for them. */
  | "MCA_RULE_NEWER_THAN_TOKEN"
  /** The rule that granted the identity was deleted. */
  | "MCA_RULE_GONE"
  /** The rule's attestor instance is not configured here, or its lifetime is outside of today's bounds. */
  | "MCA_RULE_INACTIVE"
  /** The rule that granted the identity no longer matches the attributes established at enrolment. */
  | "MCA_RENEWAL_RULE_MISMATCH"
  /** The rule now names another SPIFFE ID. */
  | "MCA_RENEWAL_ID_CHANGED"
  /** The certificate expired longer ago than the rule's renewAfterExpirySeconds. */
  | "MCA_RENEWAL_TOO_LATE"
  /** The lineage is older than the rule's maxLineageAgeSeconds. */
  | "MCA_LINEAGE_TOO_OLD";

/** A rule, a change of rules, or what rules say to evidence and renewals. */
export class RegistryError extends MeshCaError<RegistryErrorCode> {}

/** A rule that cannot be taken as it is written. */
export class RuleError extends RegistryError {
  constructor(rule: string, field: string, sentence: string, options: MeshCaErrorOptions = {}) {
    super("MCA_RULE_INVALID", `Rule "${rule}", ${field}: ${sentence}`, {
      ...options,
      details: { ...options.details, rule, field },
    });
  }
}
