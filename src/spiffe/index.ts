// The SPIFFE standard as pure code: no I/O, no clock, nothing of the server. Could be published alone.
export { type Bundle, type BundleContent, type BundleKey, encodeBundle, parseBundle } from "./bundle.ts";
export { encodeBundleMap, parseBundleMap } from "./bundle-map.ts";
export { SpiffeError, type SpiffeErrorCode } from "./errors.ts";
export { encodeJoinToken, type JoinToken, type JoinTokenFields, MAX_PINS, parseJoinToken } from "./join-token.ts";
export { type JsonObject, type JsonValue, parseJson } from "./json.ts";
export { type IdRole, idRole, probeId, serverId } from "./reserved.ts";
export { MAX_SPIFFE_ID_BYTES, SpiffeId } from "./spiffe-id.ts";
export { encodeTrustBundle, publishedAnchors } from "./trust-bundle.ts";
export { MAX_TRUST_DOMAIN_BYTES, TrustDomain } from "./trust-domain.ts";
export { encodeTrustFile, parseTrustFile } from "./trust-file.ts";
export { DEFAULT_REFRESH_HINT_SECONDS, type Revocation, type TrustSet } from "./trust-set.ts";
export { checkAuthorityCertificate, parseX509Svid, type X509Svid } from "./x509-svid.ts";
export { expectPeer, expectServer, type VerifiedX509Svid, X509SvidVerifier } from "./x509-svid-verifier.ts";
