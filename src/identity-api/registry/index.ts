export { RegistryError, type RegistryErrorCode, RuleError } from "./errors.ts";
export { type Evaluation, visibleVerdicts } from "./evaluate.ts";
export { MAX_ATTRIBUTE_LENGTH } from "./glob.ts";
export { Registry, type RegistryHealth, type RegistryOptions } from "./registry.ts";
export type { RenewalSubject } from "./renewal.ts";
export { type EnrolmentSubject, RuleSet } from "./rule-set.ts";
export { ATTRIBUTE_NAME, INSTANCE_NAME } from "./template.ts";
export type {
  AttestorDescription,
  Attributes,
  Role,
  RuleContext,
  RuleDefinition,
  RuleSource,
  RuleVerdict,
  StoredRule,
  TtlBounds,
} from "./types.ts";
