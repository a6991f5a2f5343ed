export { RegistryError, type RegistryErrorCode, RuleError } from "./errors.ts";
export { Registry, type RegistryHealth, type RegistryOptions } from "./registry.ts";
export { type Evaluation, type RenewalSubject, RuleSet } from "./rule-set.ts";
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
