// May this caller use this method? The table decides; a method or a use that is not in it is denied.
import { assertNever, type MeshCaError } from "../../runtime/index.ts";
import { AccessError } from "./errors.ts";
import { accessTable, type Requirement } from "./table.ts";
import type { AccessDecision, AllowedAccess, Caller } from "./types.ts";

/** Longest reason that the break-glass socket takes. */
const MAX_REASON = 500;

/** Judges one call. `method` is the full gRPC path; `use` names a stricter way to use it (MethodRow.uses). */
export function authorize(method: string, caller: Caller, use?: string): AccessDecision {
  const row = accessTable.get(method);
  const requirement = use === undefined ? row?.needs : ownUse(row?.uses, use);
  if (requirement === undefined) {
    return denied("MCA_FORBIDDEN", "This method is not in the access table of this server.");
  }
  switch (requirement.kind) {
    case "anyone":
      return allowed(caller, "open to everybody");
    case "evidence":
      return judgeEvidence(caller);
    case "svid":
      return judgeSvid(caller);
    case "role":
      return judgeRole(requirement.role, caller);
    default:
      return assertNever(requirement);
  }
}

/** Like authorize, but throws. @throws AccessError, or the error of the peer's refused certificate */
export function requireAccess(method: string, caller: Caller, use?: string): AllowedAccess {
  const decision = authorize(method, caller, use);
  if (decision.kind === "allowed") return decision;
  throw decision.cause ?? new AccessError(decision.code, decision.reason);
}

/** A refused certificate is told, not ignored: it may be a stolen or superseded one. Without it the same caller may enrol. */
function judgeEvidence(caller: Caller): AccessDecision {
  if (caller.verdict.kind === "refused") return refusedPeer(caller.verdict.error);
  return allowed(caller, "the evidence decides");
}

function judgeSvid(caller: Caller): AccessDecision {
  switch (caller.verdict.kind) {
    case "svid":
      return allowed(caller, "a valid SVID of this trust domain");
    case "refused":
      return refusedPeer(caller.verdict.error);
    case "expired-svid":
      return denied("MCA_UNAUTHENTICATED", "Your certificate has expired. Renew it first.");
    case "local":
      return allowed(caller, "the local socket");
    case "anonymous":
    case "enterprise":
      return denied(
        "MCA_UNAUTHENTICATED",
        "This method asks for an SVID of this trust domain as TLS client certificate.",
      );
    default:
      return assertNever(caller.verdict);
  }
}

function judgeRole(role: Extract<Requirement, { kind: "role" }>["role"], caller: Caller): AccessDecision {
  if (caller.verdict.kind === "local") return judgeBreakGlass(caller);
  const identity = judgeSvid(caller);
  if (identity.kind === "denied") return identity;
  if (caller.roles.has("admin")) return allowed(caller, "role admin", false, "admin");
  if (caller.roles.has(role)) return allowed(caller, `role ${role}`, false, role);
  return denied(
    "MCA_FORBIDDEN",
    `This method needs the role ${role}. Roles come from the rule that granted your identity.`,
  );
}

/** The local socket belongs to the server's owner: break-glass, alarmed, and with a reason outside of development. */
function judgeBreakGlass(caller: Caller): AccessDecision {
  const reason = caller.reason?.trim() ?? "";
  if (reason.length > MAX_REASON) {
    return denied("MCA_REASON_REQUIRED", `The reason is longer than ${MAX_REASON} characters.`);
  }
  if (caller.development) return allowed(caller, "the local socket of a development trust domain", false, "local");
  if (reason === "") {
    return denied(
      "MCA_REASON_REQUIRED",
      "The local socket is break-glass and asks why: repeat the command with --reason TEXT.",
    );
  }
  return allowed(caller, `break-glass: ${reason}`, true, "local");
}

function ownUse(uses: Readonly<Record<string, Requirement>> | undefined, use: string): Requirement | undefined {
  return uses !== undefined && Object.hasOwn(uses, use) ? uses[use] : undefined;
}

function allowed(caller: Caller, reason: string, breakGlass = false, as: string = caller.verdict.kind): AllowedAccess {
  return { kind: "allowed", reason, as, breakGlass };
}

function denied(code: "MCA_UNAUTHENTICATED" | "MCA_FORBIDDEN" | "MCA_REASON_REQUIRED", reason: string): AccessDecision {
  return { kind: "denied", code, reason };
}

function refusedPeer(cause: MeshCaError): AccessDecision {
  return { kind: "denied", code: "MCA_UNAUTHENTICATED", reason: cause.message, cause };
}
