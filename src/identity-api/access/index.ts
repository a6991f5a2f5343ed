export { authorize, requireAccess } from "./authorize.ts";
export { AccessError, type AccessErrorCode } from "./errors.ts";
export { type RoleLineage, rolesOf } from "./roles.ts";
export type { AccessDecision, Caller } from "./types.ts";
