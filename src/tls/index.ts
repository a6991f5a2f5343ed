// The only maker of TLS options, listeners and client connections. Every peer is judged on every connection by our own code. What
// gRPC needs of it stands apart (channel-credentials.ts): most processes load no gRPC.
export { type CertificatePair, type PairTexts, parseCertificatePair } from "./certificate-pair.ts";
export { type ConnectTlsOptions, connectTls } from "./connect.ts";
export type { TlsConnection } from "./connections.ts";
export { TlsError, type TlsErrorCode } from "./errors.ts";
export type { IdentitySource, TlsIdentity } from "./identity.ts";
export { createTlsListener } from "./listener.ts";
export type {
  ListenAddress,
  PeerInfo,
  TlsListener,
  TlsListenerCounts,
  TlsListenerOptions,
} from "./listener-options.ts";
export { type OpenSslTrial, tryWithOpenSsl } from "./openssl-trial.ts";
export {
  clientTlsOptions,
  type MinVersion,
  serverTlsOptions,
  type TlsOptionParameters,
  type WebClientParameters,
  webClientTlsOptions,
  webServerTlsOptions,
} from "./options.ts";
export { presentedChain } from "./presented-chain.ts";
export { plainAddress } from "./remote-address.ts";
export { resetConnection } from "./reset.ts";
