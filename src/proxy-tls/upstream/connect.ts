// A connection to a target, ready for its first byte: over mTLS the far side's chain was verified to be one of the expected SPIFFE IDs by
// the trust bundle of its own trust domain. Success is not yet acceptance: a TLS 1.3 server judges our certificate afterwards, and its
// refusal shows at the first read. Whoever takes the connection treats an end before the first byte as a failure of the target.
import type { Socket } from "node:net";
import type { Clock } from "../../runtime/index.ts";
import type { SpiffeId } from "../../spiffe/index.ts";
import { connectTls, type TlsIdentity } from "../../tls/index.ts";
import { ProxyError } from "../errors.ts";
import type { ProxyPeer } from "../identity/peer.ts";
import type { PeerVerifier } from "../identity/peer-verifier.ts";
import { dial } from "./dial.ts";
import { addressText, type Target } from "./target.ts";

export interface ConnectTargetOptions {
  /** What we show; of mtls alone, as are the next three. */
  readonly identity: TlsIdentity | undefined;
  readonly peers: PeerVerifier;
  /** Who may be there. */
  readonly expected: readonly SpiffeId[];
  /** Application protocols in order of preference; empty: none. */
  readonly alpn: readonly string[];
  /** From the first packet to the verdict. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

export interface TargetConnection {
  /** Half-open, with an error handler that does nothing: its owner sees `close`. */
  readonly socket: Socket;
  /** Of mtls: who is there. */
  readonly peer: ProxyPeer | undefined;
  /** What ALPN chose; undefined: nothing was offered, or the target knows no ALPN. */
  readonly protocol: string | undefined;
}

/**
 * Connects to a target and verifies it.
 * @throws ProxyError MCA_PROXY_UPSTREAM_UNAVAILABLE, MCA_PROXY_UPSTREAM_TIMEOUT; TlsError MCA_TLS_HANDSHAKE_FAILED, MCA_TLS_TIMEOUT,
 *   MCA_TLS_ALPN_REFUSED ...; SpiffeError where the far side is not trusted or not expected; the signal's reason
 */
export async function connectTarget(target: Target, options: ConnectTargetOptions): Promise<TargetConnection> {
  const { timeoutMs, signal } = options;
  if (target.security === "plaintext") {
    return {
      socket: await dial(target.address, { plaintext: true, timeoutMs, signal }),
      peer: undefined,
      protocol: undefined,
    };
  }
  const { identity, peers, expected, alpn, clock } = options;
  if (target.address.kind === "unix") throw new TypeError("mTLS to a Unix socket is not a target");
  if (identity === undefined || identity.notAfter <= clock.now()) {
    throw new ProxyError(
      "MCA_PROXY_UPSTREAM_UNAVAILABLE",
      `No connection to ${addressText(target.address)}: there is no valid certificate of ours to show. It goes on when one is issued.`,
    );
  }
  const startedAt = performance.now();
  const raw = await dial(target.address, { plaintext: false, timeoutMs, signal });
  const { host, port } = target.address;
  let peer: ProxyPeer | undefined;
  const socket = await connectTls({
    host,
    port,
    through: raw,
    identity,
    alpn,
    // Who knows no ALPN speaks HTTP/1.1 (HTTP engine, "HTTP/2").
    alpnOptional: alpn.includes("http/1.1"),
    verify: (chain) => {
      peer = peers.verifyExpected(chain, expected, clock.now());
    },
    timeoutMs: Math.max(1, timeoutMs - (performance.now() - startedAt)),
    signal,
  });
  return { socket, peer, protocol: typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : undefined };
}
