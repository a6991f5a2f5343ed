// Why a listener or a client handshake ends a connection, in words for the log and for people.
import type { TLSSocket } from "node:tls";
import { TlsError } from "./errors.ts";

export function noIdentity(): TlsError {
  return new TlsError(
    "MCA_TLS_IDENTITY_MISSING",
    "There is no valid certificate to show, so that the TLS port is closed. It opens again when one is issued.",
  );
}

export function unusableIdentity(cause: unknown): TlsError {
  return new TlsError(
    "MCA_TLS_IDENTITY_INVALID",
    `The certificate and key cannot be used: ${messageOf(cause)}. Are they PEM, and a pair?`,
    { cause },
  );
}

export function cannotListen(host: string, port: number, cause: unknown): TlsError {
  return new TlsError(
    "MCA_TLS_LISTEN_FAILED",
    `Cannot listen on ${host} port ${port}: ${messageOf(cause)}. Is the port taken, or the address not of this machine?`,
    { cause },
  );
}

export function overloaded(what: string): TlsError {
  return new TlsError("MCA_TLS_OVERLOADED", `Too many ${what}: the connection was closed; try again after a moment.`);
}

export function handshakeTimedOut(timeoutMs: number): TlsError {
  return new TlsError("MCA_TLS_TIMEOUT", `The peer did not finish its handshake within ${timeoutMs} ms.`);
}

export function handshakeFailed(cause: unknown): TlsError {
  return new TlsError("MCA_TLS_HANDSHAKE_FAILED", `The handshake with the peer failed: ${messageOf(cause)}.`, {
    cause,
  });
}

export function peerExpired(expiresAt: number | undefined): TlsError {
  const when = expiresAt === undefined ? "" : ` at ${new Date(expiresAt).toISOString()}`;
  return new TlsError(
    "MCA_TLS_PEER_EXPIRED",
    `The peer's certificate expired${when}: the connection was closed. It must connect with a new one.`,
  );
}

/**
 * Refuses a resumed session: its peer has shown no certificate this time, so that whatever is known of it is old.
 * @throws TlsError MCA_TLS_SESSION_RESUMED
 */
export function requireFullHandshake(socket: TLSSocket): void {
  if (socket.isSessionReused()) {
    throw new TlsError(
      "MCA_TLS_SESSION_RESUMED",
      "The peer resumed an earlier TLS session, which skips the check of its certificate: a full handshake is required.",
    );
  }
}

function messageOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  // OpenSSL's short reason; the message also holds its source file and thread.
  return "reason" in cause && typeof cause.reason === "string" ? cause.reason : cause.message;
}
