// The client's half of a handshake, shared by plain connections and gRPC channels: connect, refuse a resumed session, judge the
// presented chain ourselves, and only then give the socket away. In TLS 1.3 the server may still refuse afterwards: that shows
// at the first read, not here.
import { isIP, Socket } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import type { Certificate } from "../x509/index.ts";
import { clientContext } from "./client-context.ts";
import { TlsError } from "./errors.ts";
import type { TlsIdentity } from "./identity.ts";
import { clientTlsOptions } from "./options.ts";
import { presentedChain } from "./presented-chain.ts";
import { requireFullHandshake, unusableIdentity } from "./refusal-errors.ts";
import { rememberRaw } from "./reset.ts";

const DEFAULT_TIMEOUT_MS = 10_000;

export interface ClientHandshake {
  /** Where to connect, or what to connect through. Nothing that belongs to TLS. */
  readonly target: Pick<ConnectionOptions, "host" | "port" | "socket">;
  /** The host for SNI; left out where it is an address. */
  readonly host: string;
  readonly identity: TlsIdentity | undefined;
  readonly alpn: readonly string[];
  /** A server that knows no ALPN is taken, too. */
  readonly alpnOptional?: boolean | undefined;
  /** The verdict: throwing destroys the socket and becomes the rejection. */
  verify(chain: readonly Certificate[]): void;
  /** From connect to verdict; default 10,000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs the handshake. The socket keeps an error handler that does nothing, so that an error before its owner listens ends it
 * and not the process; the owner sees `close`.
 * @throws TlsError, whatever `verify` throws, or the signal's reason
 */
export function shakeHands(request: ClientHandshake): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    request.signal?.throwIfAborted();
    const socket = start(request);
    const timeoutMs = request.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const settle = (): void => {
      clearTimeout(limit);
      request.signal?.removeEventListener("abort", aborted);
      socket.off("close", closed);
      socket.off("error", failed);
    };
    const refuse = (reason: unknown): void => {
      settle();
      socket.destroy();
      reject(reason);
    };
    const failed = (error: Error): void => refuse(connectionError(request, error));
    const closed = (): void => refuse(connectionError(request, new Error("the peer closed the connection")));
    const aborted = (): void => refuse(request.signal?.reason);
    const limit = setTimeout(() => refuse(timedOut(request, timeoutMs)), timeoutMs);
    request.signal?.addEventListener("abort", aborted, { once: true });
    socket.on("error", () => {});
    socket.on("error", failed);
    socket.on("close", closed);
    socket.once("secureConnect", () => {
      try {
        judge(socket, request);
      } catch (error) {
        refuse(error);
        return;
      }
      settle();
      if (request.target.socket instanceof Socket) rememberRaw(socket, request.target.socket);
      resolve(socket);
    });
  });
}

function start(request: ClientHandshake): TLSSocket {
  try {
    return connect({
      ...clientTlsOptions(request.identity, { alpn: request.alpn }),
      secureContext: clientContext(request.identity),
      ...request.target,
      ...(isIP(request.host) === 0 ? { servername: request.host } : {}),
    });
  } catch (cause) {
    throw unusableIdentity(cause);
  }
}

function judge(socket: TLSSocket, request: ClientHandshake): void {
  requireFullHandshake(socket);
  if (request.alpn.length > 0 && typeof socket.alpnProtocol !== "string" && request.alpnOptional !== true) {
    throw new TlsError(
      "MCA_TLS_ALPN_REFUSED",
      `The server speaks none of: ${request.alpn.join(", ")}. Is it another service?`,
    );
  }
  const chain = presentedChain(socket);
  if (chain.length === 0) throw new TlsError("MCA_TLS_CHAIN_INVALID", "The server presented no certificate.");
  request.verify(chain);
}

function connectionError(request: ClientHandshake, cause: Error): TlsError {
  // Each address of the host failed: the first reason says enough.
  const reason: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  const code = reason instanceof Error && "syscall" in reason ? "MCA_TLS_CONNECT_FAILED" : "MCA_TLS_HANDSHAKE_FAILED";
  const text = reason instanceof Error ? reason.message : String(reason);
  return new TlsError(code, `Cannot connect to ${where(request)}: ${text}.`, { cause });
}

function timedOut(request: ClientHandshake, timeoutMs: number): TlsError {
  return new TlsError("MCA_TLS_TIMEOUT", `No TLS connection to ${where(request)} within ${timeoutMs} ms.`);
}

function where({ host, target }: ClientHandshake): string {
  return target.port === undefined ? host : `${host} port ${target.port}`;
}
