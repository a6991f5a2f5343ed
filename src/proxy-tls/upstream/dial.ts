// A plain connection to an address, within a time limit. Nothing is said on it yet.
import { connect, type Socket } from "node:net";
import { ProxyError } from "../errors.ts";
import { readBuffer } from "./read-buffer.ts";
import { type Address, addressText } from "./target.ts";

const KEEP_ALIVE_DELAY_MS = 30_000;

export interface DialOptions {
  /** What comes is read as it is, and nothing is put on top of the socket. */
  readonly plaintext: boolean;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Connects. Each direction of the socket ends by itself (half-open), and an error handler that does nothing stays on it: its owner
 * sees `close`.
 * @throws ProxyError MCA_PROXY_UPSTREAM_UNAVAILABLE, MCA_PROXY_UPSTREAM_TIMEOUT; the signal's reason
 */
export function dial(address: Address, { plaintext, timeoutMs, signal }: DialOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const socket: Socket = connect({
      ...(address.kind === "unix" ? { path: address.path } : { host: address.host, port: address.port }),
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
      ...(plaintext ? { onread: readBuffer(() => socket) } : {}),
    });
    const settle = (): void => {
      clearTimeout(limit);
      signal?.removeEventListener("abort", onAbort);
      socket.off("connect", onConnect);
      socket.off("error", onError);
    };
    const fail = (reason: unknown): void => {
      settle();
      socket.destroy();
      reject(reason);
    };
    const onConnect = (): void => {
      settle();
      resolve(socket);
    };
    const onError = (cause: Error): void => fail(unavailable(address, cause));
    const onAbort = (): void => fail(signal?.reason);
    const limit = setTimeout(() => fail(timedOut(address, timeoutMs)), timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.on("error", () => {});
    socket.on("error", onError);
    socket.on("connect", onConnect);
  });
}

function unavailable(address: Address, cause: Error): ProxyError {
  // Each address of the host failed: the first reason says enough.
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  const reason = first instanceof Error ? first.message : String(first);
  return new ProxyError(
    "MCA_PROXY_UPSTREAM_UNAVAILABLE",
    `No connection to ${addressText(address)}: ${reason}. Does the target run there?`,
    { cause },
  );
}

function timedOut(address: Address, timeoutMs: number): ProxyError {
  return new ProxyError(
    "MCA_PROXY_UPSTREAM_TIMEOUT",
    `No connection to ${addressText(address)} within ${timeoutMs} ms.`,
  );
}
