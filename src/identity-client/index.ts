// The SDK of mesh-ca: enrol, keep an SVID fresh, watch trust, speak mTLS by SPIFFE ID. For workloads, proxies, agents and the
// CLI alike. It knows the published .proto and nothing of the server's insides.
export { IdentityClientError, type IdentityClientErrorCode, ServerRefusal } from "./errors.ts";
export type { MeshRequestHandler, MeshServer } from "./mesh-server.ts";
export type {
  EnterpriseCertificateSource,
  JwtSource,
  KeyAlgorithm,
  SecretSource,
  SvidSourceOptions,
} from "./options.ts";
export type { Peer, PeerRule } from "./peer.ts";
export { type SchedulingClock, schedulingClock, systemSchedulingClock } from "./scheduling-clock.ts";
export { fromServiceError } from "./server-error.ts";
export type { Svid } from "./svid.ts";
export { writeSvidFolder } from "./svid-folder.ts";
export { type ConnectOptions, type ServerOptions, type SourceHealth, SvidSource } from "./svid-source.ts";
export { trustSetOfSnapshot } from "./trust-state.ts";
