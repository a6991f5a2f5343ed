// The only maker of TLS options, listeners and client connections. Every peer is judged on every connection by our own code.
export {
  type MeshChannelCredentialsOptions,
  meshChannelCredentials,
  meshChannelOptions,
} from "./channel-credentials.ts";
export { type ConnectTlsOptions, connectTls } from "./connect.ts";
export { TlsError, type TlsErrorCode } from "./errors.ts";
export type { IdentitySource, TlsIdentity } from "./identity.ts";
export {
  createTlsListener,
  type PeerInfo,
  type TlsConnection,
  type TlsListener,
  type TlsListenerOptions,
  type TlsLogger,
} from "./listener.ts";
export { clientTlsOptions, serverTlsOptions, type TlsOptionParameters } from "./options.ts";
export { presentedChain } from "./presented-chain.ts";
