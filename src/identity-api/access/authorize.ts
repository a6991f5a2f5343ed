// May this caller use this method? The table (table.ts) decides; a method that is not in it is denied.
import type { AccessDecision, Caller } from "./types.ts";

/** Judges one call. `method` is the full gRPC path; `use` names a stricter way to use it (see MethodEntry.uses). */
export function authorize(_method: string, _caller: Caller, _use?: string): AccessDecision {
  throw new TypeError("not written yet");
}

/** Like authorize, but throws: AccessError, or the error of the peer's refused certificate. */
export function requireAccess(_method: string, _caller: Caller, _use?: string): AccessDecision & { kind: "allowed" } {
  throw new TypeError("not written yet");
}
