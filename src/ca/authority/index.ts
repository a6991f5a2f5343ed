export type { ActivateOptions } from "./activate.ts";
export type { ActiveAuthority } from "./active-authority.ts";
export type { SuccessionOptions } from "./changes.ts";
export { AuthorityError, type AuthorityErrorCode } from "./errors.ts";
export type { ImportOptions, ImportReport } from "./import.ts";
export type { InitialisedAuthority } from "./initialise.ts";
export {
  AuthorityManager,
  type AuthorityManagerOptions,
  type InitialiseAuthorityOptions,
} from "./manager.ts";
export type { AuthorityNote } from "./notes.ts";
export type { Prepared } from "./prepare.ts";
export type { ProbeMaterial, ProbeVerifier } from "./probe.ts";
export type { AuthorityHealth, PublishedAuthority } from "./published.ts";
export { type AuthorityRecord, endOfPath, loadAuthorities } from "./records.ts";
export type { AuthorityRequest, RequestOptions } from "./requests.ts";
export { Rotator, type RotatorOptions } from "./rotator.ts";
export {
  type AuthoritySettings,
  checkRotationSettings,
  DEFAULT_AUTHORITY_SETTINGS,
  leastLifetimeSeconds,
  propagationSeconds,
  rotationTimes,
} from "./settings.ts";
export { type AuthorityState, PUBLISHED_STATES_SQL, type PublishedState } from "./state.ts";
export type { Revoked, RevokeOptions, TaintOptions } from "./taint.ts";
export { takeoverTime } from "./takeover-time.ts";
export { type AuthorityTransition, loadTransitions } from "./transitions.ts";
