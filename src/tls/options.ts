import type { ConnectionOptions, SecureVersion, TlsOptions } from "node:tls";
import type { TlsIdentity } from "./identity.ts";

export interface TlsOptionParameters {
  /** Application protocols in order of preference; empty: no ALPN. */
  readonly alpn: readonly string[];
  /** TLSv1.3 unless a listener names foreign clients. */
  readonly minVersion?: Extract<SecureVersion, "TLSv1.2" | "TLSv1.3">;
}

/** The complete options of a TLS server, for createServer and for every rotation. */
export function serverTlsOptions(_identity: TlsIdentity, _parameters: TlsOptionParameters): TlsOptions {
  throw new TypeError("being written");
}

/** The complete options of a TLS client. */
export function clientTlsOptions(
  _identity: TlsIdentity | undefined,
  _parameters: TlsOptionParameters,
): ConnectionOptions {
  throw new TypeError("being written");
}
