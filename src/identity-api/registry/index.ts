export { RegistryError, type RegistryErrorCode, RuleError } from "./errors.ts";
export { type Evaluation, visibleVerdicts } from "./evaluate.ts";
export { MAX_ATTRIBUTE_LENGTH } from "./glob.ts";
export { Registry, type RegistryHealth, type RegistryOptions } from "./registry.ts";
export type { RenewalSubject } from "./renewal.ts";
export { type EnrolmentSubject, RuleSet } from "./rule-set.ts";
export { ATTRIBUTE_NAME, INSTANCE_NAME } from "./template.ts";
export {
  type AttestorDescription,
  type Attributes,
  type Role,
  type RuleContext,
  type RuleDefinition,
  type RuleSource,
  type RuleVerdict,
  roles,
  type StoredRule,
  type TtlBounds,
} from "./types.ts";
