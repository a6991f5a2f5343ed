export { RegistryError, type RegistryErrorCode, RuleError } from "./errors.ts";
export { type Evaluation, visibleVerdicts } from "./evaluate.ts";
export { Registry, type RegistryHealth, type RegistryOptions } from "./registry.ts";
export type { RenewalSubject } from "./renewal.ts";
export { RuleSet } from "./rule-set.ts";
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
