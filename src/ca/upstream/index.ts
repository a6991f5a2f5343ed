export { type AcceptanceTerms, type AcceptedAuthority, acceptUpstreamAnswer } from "./accept.ts";
export { UpstreamError, type UpstreamErrorCode } from "./errors.ts";
export { selfSignedUpstream } from "./self-signed.ts";
export type { RecordedSigning, Upstream, UpstreamAnswer, UpstreamRequest } from "./upstream.ts";
