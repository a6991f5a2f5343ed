// The composition root of `mesh-ca server`: opens everything in order, and closes it in the opposite order.
import type { Clock, Logger, RandomSource } from "../runtime/index.ts";
import type { Config } from "./config/index.ts";

export interface ServerDependencies {
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: RandomSource;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface RunningServer {
  /** `grpc` is undefined while the TLS port is closed (no valid server SVID). */
  readonly addresses: { readonly grpc: ListenAddress | undefined; readonly operations: ListenAddress };
  /** Path of the local admin socket (gRPC, plaintext, owner only). */
  readonly adminSocket: string;
  /** Host and port to tell clients (listen.grpc.publicAddress or what it defaults to). */
  readonly publicAddress: string;
  /** Finishes calls in flight (at most limits.shutdownGraceSeconds), then closes everything. Safe to call twice. */
  close(): Promise<void>;
}

/** Starts the server. Throws when it cannot even answer; a server that may not issue starts and says why in /readyz. */
export async function startServer(_config: Config, _dependencies: ServerDependencies): Promise<RunningServer> {
  throw new TypeError("not written yet");
}
