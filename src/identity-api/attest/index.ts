export { type AttestorDependencies, type AttestorHealth, type Attestors, createAttestors } from "./attestors.ts";
export { attributeValueProblem, MAX_ATTRIBUTES } from "./attributes.ts";
export type { AttestorConfig, JoinTokenConfig, JwtConfig, X509Config } from "./config.ts";
export { AttestError, type AttestErrorCode } from "./errors.ts";
export {
  type CreatedJoinToken,
  type CreateJoinToken,
  type JoinTokenInfo,
  type JoinTokenPage,
  JoinTokens,
  type JoinTokensDependencies,
  type TokenAuthority,
  type TokenCaller,
} from "./join-tokens.ts";
export type { EstablishedEvidence, PeerVerdict } from "./types.ts";
