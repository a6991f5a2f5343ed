import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessError, authorize, requireAccess } from "../../../src/identity-api/access/index.ts";
import type { PeerVerdict } from "../../../src/identity-api/attest/index.ts";
import type { Role } from "../../../src/identity-api/registry/index.ts";
import { caller, verdicts } from "./support.ts";

const API = "/meshca.identity.v1";
const kinds = Object.values(verdicts).map(({ kind }) => kind);

/** Which kinds of caller, without any role, may use a method. */
function whoMay(method: string, use?: string): readonly PeerVerdict["kind"][] {
  return kinds.filter(
    (kind) => authorize(`${API}.${method}`, caller(kind, [], { reason: "test" }), use).kind === "allowed",
  );
}

test("everybody may watch trust, also with a certificate that is refused", () => {
  assert.deepEqual(whoMay("IdentityService/WatchTrust"), kinds);
});

test("everybody but the holder of a refused certificate may ask for an identity", () => {
  const expected = kinds.filter((kind) => kind !== "refused");
  assert.deepEqual(whoMay("IdentityService/IssueX509Svid"), expected);
  assert.deepEqual(whoMay("IdentityService/ExplainIdentity"), expected);
});

test("a refused certificate is told with its own error", () => {
  assert.throws(() => requireAccess(`${API}.IdentityService/IssueX509Svid`, caller("refused")), {
    code: "MCA_PEER_REFUSED",
    message: "This certificate is not accepted.",
  });
});

for (const [method, role] of [
  ["RegistryService/ListRules", "operator"],
  ["RegistryService/ApplyRules", "admin"],
  ["RegistryService/DeleteRule", "admin"],
  ["TokenService/CreateJoinToken", "operator"],
  ["TokenService/ListJoinTokens", "operator"],
  ["TokenService/VoidJoinToken", "operator"],
  ["AuditService/ListIssuances", "auditor"],
  ["AuditService/GetIssuance", "auditor"],
] as const) {
  test(`${method} needs the role ${role}`, () => {
    assert.deepEqual(whoMay(method), ["local"]);
    for (const own of ["auditor", "operator", "admin"] as const satisfies readonly Role[]) {
      const decision = authorize(`${API}.${method}`, caller("svid", [own]));
      assert.equal(decision.kind === "allowed", own === role || own === "admin", `${own}: ${decision.reason}`);
    }
  });

  test(`${method}: a role counts only with a live SVID`, () => {
    for (const kind of ["anonymous", "expired-svid", "enterprise", "refused"] as const) {
      const decision = authorize(`${API}.${method}`, caller(kind, ["admin"]));
      assert.equal(decision.kind, "denied", kind);
      assert.equal(decision.kind === "denied" && decision.code, "MCA_UNAUTHENTICATED", kind);
    }
  });
}

test("attributes of one's choice are explained to operators only", () => {
  assert.deepEqual(whoMay("IdentityService/ExplainIdentity", "attributes"), ["local"]);
  const method = `${API}.IdentityService/ExplainIdentity`;
  assert.equal(authorize(method, caller("svid", ["operator"]), "attributes").kind, "allowed");
  assert.equal(authorize(method, caller("svid", ["auditor"]), "attributes").kind, "denied");
});

test("an SVID without the role is forbidden, and told which role it would need", () => {
  assert.throws(
    () => requireAccess(`${API}.RegistryService/ApplyRules`, caller("svid", ["operator"])),
    (error: unknown) =>
      error instanceof AccessError && error.code === "MCA_FORBIDDEN" && /role admin/.test(error.message),
  );
});

test("the local socket is break-glass: it asks for a reason and is marked for the alarm", () => {
  const method = `${API}.RegistryService/ApplyRules`;
  for (const reason of [undefined, "", "  ", "x".repeat(501)]) {
    const decision = authorize(method, caller("local", [], { reason }));
    assert.equal(decision.kind === "denied" && decision.code, "MCA_REASON_REQUIRED");
  }
  const decision = requireAccess(method, caller("local", [], { reason: "the admin's laptop is lost" }));
  assert.equal(decision.breakGlass, true);
  assert.match(decision.reason, /laptop is lost/);
});

test("the socket of a development trust domain asks for nothing", () => {
  const decision = requireAccess(`${API}.RegistryService/ApplyRules`, caller("local", [], { development: true }));
  assert.equal(decision.breakGlass, false);
  assert.equal(decision.as, "local");
});

test("a development trust domain gives nothing to anybody but its socket", () => {
  for (const kind of ["anonymous", "svid", "enterprise", "expired-svid", "refused"] as const) {
    const decision = authorize(
      `${API}.RegistryService/ApplyRules`,
      caller(kind, [], { development: true, reason: "x" }),
    );
    assert.equal(decision.kind, "denied", kind);
  }
});

test("each decision carries a reason", () => {
  for (const kind of kinds) {
    assert(authorize(`${API}.AuditService/GetIssuance`, caller(kind)).reason.length > 10);
  }
});
