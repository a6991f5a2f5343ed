// The access table: who may call which method. Every rpc of our .proto files has a row (a test compares them); a method without
// a row is denied. Nothing in a handler decides access.
import type { Role } from "../registry/index.ts";

export type Requirement =
  /** Everybody, with or without a certificate. Nothing here reveals or changes more than a stranger may. */
  | { readonly kind: "anyone" }
  /** Everybody whose certificate, if one was presented, was not refused: the evidence in the call decides. */
  | { readonly kind: "evidence" }
  /** A valid SVID of this trust domain. */
  | { readonly kind: "svid" }
  /** One of these roles (admin has them all), or the local socket with a reason. */
  | { readonly kind: "role"; readonly role: Role };

export interface MethodRow {
  readonly needs: Requirement;
  /** Uses of the method that need something else: authorize's `use`. */
  readonly uses?: Readonly<Record<string, Requirement>>;
}

const anyone: Requirement = { kind: "anyone" };
const evidence: Requirement = { kind: "evidence" };
const auditor: Requirement = { kind: "role", role: "auditor" };
const operator: Requirement = { kind: "role", role: "operator" };
const admin: Requirement = { kind: "role", role: "admin" };

const IDENTITY = "/meshca.identity.v1.IdentityService";
const REGISTRY = "/meshca.identity.v1.RegistryService";
const TOKENS = "/meshca.identity.v1.TokenService";
const AUTHORITIES = "/meshca.identity.v1.AuthorityService";
const AUDIT = "/meshca.identity.v1.AuditService";

/** Full gRPC path, or HTTP method and path (GET stands for HEAD too), to its row. */
export const accessTable: ReadonlyMap<string, MethodRow> = new Map<string, MethodRow>([
  // Renewal (own lineage) and enrolment: attestation, rules and the ledger's lineage judge the evidence.
  [`${IDENTITY}/IssueX509Svid`, { needs: evidence }],
  [`${IDENTITY}/WatchTrust`, { needs: anyone }],
  // Says only what its own connection has taken over.
  [`${IDENTITY}/AcknowledgeTrust`, { needs: anyone }],
  // With one's own evidence it reveals what one would get anyway; with attributes of one's choice it reveals the rules.
  [`${IDENTITY}/ExplainIdentity`, { needs: evidence, uses: { attributes: operator } }],
  [`${REGISTRY}/ListRules`, { needs: operator }],
  [`${REGISTRY}/ApplyRules`, { needs: admin }],
  [`${REGISTRY}/DeleteRule`, { needs: admin }],
  // A token that would earn a rule with roles needs an admin: JoinTokens.create judges that under the head lock.
  [`${TOKENS}/CreateJoinToken`, { needs: operator }],
  [`${TOKENS}/ListJoinTokens`, { needs: operator }],
  [`${TOKENS}/VoidJoinToken`, { needs: operator }],
  [`${AUTHORITIES}/ListAuthorities`, { needs: operator }],
  [`${AUTHORITIES}/CreateAuthorityRequest`, { needs: admin }],
  [`${AUTHORITIES}/ImportAuthority`, { needs: admin }],
  [`${AUTHORITIES}/PrepareAuthority`, { needs: admin }],
  [`${AUTHORITIES}/ActivateAuthority`, { needs: admin }],
  [`${AUTHORITIES}/RotateAuthority`, { needs: admin }],
  [`${AUTHORITIES}/TaintAuthority`, { needs: admin }],
  [`${AUTHORITIES}/RevokeAuthority`, { needs: admin }],
  [`${AUTHORITIES}/PruneAnchor`, { needs: admin }],
  [`${AUDIT}/ListIssuances`, { needs: auditor }],
  [`${AUDIT}/GetIssuance`, { needs: auditor }],
  // The HTTPS listener. Bundles are public: whoever federates with us has to have ours first (rule F-4).
  ["GET /v1/bundle", { needs: anyone }],
  // Standard services.
  ["/grpc.health.v1.Health/Check", { needs: anyone }],
  ["/grpc.health.v1.Health/List", { needs: anyone }],
  ["/grpc.health.v1.Health/Watch", { needs: anyone }],
  ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", { needs: anyone }],
  ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", { needs: anyone }],
]);
