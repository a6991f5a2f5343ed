// A TLS connection to a peer whose certificates are judged by our own code.
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Certificate } from "../x509/index.ts";
import { shakeHands } from "./client-handshake.ts";
import type { TlsIdentity } from "./identity.ts";

export interface ConnectTlsOptions {
  /** Also the server name that is asked for (SNI), where it is a name. */
  readonly host: string;
  readonly port: number;
  /** A connection to host and port that was made already. It belongs to the TLS socket from now on, half-open if it allows that. */
  readonly through?: Socket | undefined;
  /** What this side shows; undefined: no client certificate. */
  readonly identity?: TlsIdentity | undefined;
  /** Application protocols in order of preference; empty: none. */
  readonly alpn: readonly string[];
  /** A server that knows no ALPN is taken, too: where there is a protocol that goes without saying. Default: it is refused. */
  readonly alpnOptional?: boolean | undefined;
  /** The verdict about the server, from the chain it presented, leaf first: throwing closes the connection. */
  verify(chain: readonly Certificate[]): void;
  /** From connect to verdict; default 10,000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Connects and verifies. Success is not yet acceptance: a TLS 1.3 server judges our certificate after this, and its refusal is
 * the end of the connection at the first read.
 * @throws TlsError MCA_TLS_CONNECT_FAILED, MCA_TLS_HANDSHAKE_FAILED, MCA_TLS_TIMEOUT, MCA_TLS_SESSION_RESUMED,
 *   MCA_TLS_ALPN_REFUSED, MCA_TLS_CHAIN_INVALID; whatever `verify` throws; the signal's reason
 */
export function connectTls(options: ConnectTlsOptions): Promise<TLSSocket> {
  const { host, port, through, identity, alpn, alpnOptional, timeoutMs, signal } = options;
  return shakeHands({
    target: through === undefined ? { host, port } : { socket: through, port },
    host,
    identity,
    alpn,
    alpnOptional,
    verify: (chain) => options.verify(chain),
    timeoutMs,
    signal,
  });
}
