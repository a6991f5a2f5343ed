export type { ActiveAuthority } from "./active-authority.ts";
export { AuthorityError, type AuthorityErrorCode } from "./errors.ts";
export { AuthorityManager, type AuthorityManagerOptions, type InitialiseAuthorityOptions } from "./manager.ts";
export type { AuthorityHealth, PublishedAuthority } from "./published.ts";
export { Rotator, type RotatorOptions } from "./rotator.ts";
export { type AuthoritySettings, checkRotationSettings, DEFAULT_AUTHORITY_SETTINGS } from "./settings.ts";
export type { AuthorityState, PublishedState } from "./state.ts";
