export {
  type AcceptanceTerms,
  type AcceptedAuthority,
  acceptUpstreamAnswer,
  type Judgement,
  refusedError,
} from "./accept.ts";
export { type Assembly, type AssemblyTerms, assembleAnswer } from "./assemble.ts";
export { type CeremonyFacts, ceremonySheet } from "./ceremony-sheet.ts";
export { DiskUpstream, type DiskUpstreamHealth, type DiskUpstreamOptions } from "./disk.ts";
export { UpstreamError, type UpstreamErrorCode } from "./errors.ts";
export type { Finding } from "./finding.ts";
export { judgeUpstreamAnswer } from "./judge.ts";
export type { DnsGrant } from "./name-permissions.ts";
export { offlineUpstream } from "./offline.ts";
export { type ImportedCertificate, type ImportFile, readCertificates } from "./read-certificates.ts";
export { remedyOf } from "./remedy.ts";
export { selfSignedUpstream } from "./self-signed.ts";
export type {
  OfflineUpstream,
  OnlineUpstream,
  RecordedSigning,
  Upstream,
  UpstreamAnswer,
  UpstreamRequest,
} from "./upstream.ts";
