export { authorize, requireAccess } from "./authorize.ts";
export { AccessError, type AccessErrorCode } from "./errors.ts";
export { type RoleLineage, type RoleLineages, rolesOf } from "./roles.ts";
export { accessTable, type MethodRow, type Requirement } from "./table.ts";
export type { AccessDecision, AllowedAccess, Caller } from "./types.ts";
