import type { TLSSocket } from "node:tls";
import type { Certificate } from "../x509/index.ts";
import type { TlsIdentity } from "./identity.ts";

export interface ConnectTlsOptions {
  readonly host: string;
  readonly port: number;
  readonly identity?: TlsIdentity | undefined;
  readonly alpn: readonly string[];
  /** The verdict about the server: throwing closes the connection. */
  verify(chain: readonly Certificate[]): void;
  /** From connect to verdict; default 10,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Connects, verifies the server's chain ourselves, and only then gives the socket away. */
export function connectTls(_options: ConnectTlsOptions): Promise<TLSSocket> {
  throw new TypeError("being written");
}
