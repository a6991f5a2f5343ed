import type { ChannelCredentials } from "@grpc/grpc-js";
import type { Certificate } from "../x509/index.ts";
import type { TlsIdentity } from "./identity.ts";

export interface MeshChannelCredentialsOptions {
  /** Asked on every new connection, so that rotation is followed; undefined: no client certificate. */
  identity?(): TlsIdentity | undefined;
  /** The verdict about the server on every new connection. */
  verify(chain: readonly Certificate[]): void;
  /** Told why a connection failed: grpc-js itself only says UNAVAILABLE. */
  onFailure?(error: Error): void;
  /** Handshake; default 10,000. */
  readonly timeoutMs?: number;
}

/** Credentials of a gRPC channel that follows our TLS rules. Use with meshChannelOptions. */
export function meshChannelCredentials(_options: MeshChannelCredentialsOptions): ChannelCredentials {
  throw new TypeError("being written");
}

/** Channel options that every channel of ours wants: no proxy from the environment. */
export const meshChannelOptions = { "grpc.enable_http_proxy": 0 } as const;
