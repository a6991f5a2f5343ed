// Credentials for gRPC channels that follow our TLS rules. grpc-js's own createSsl never hands over the socket, so that neither
// the presented chain nor a resumed session could be seen; hence a subclass of ChannelCredentials whose three underscore methods
// are grpc-js's internal interface: grpc-js is pinned, and test/security/tls-channel-credentials.test.ts notices a change.
import type { Socket } from "node:net";
import { CallCredentials, ChannelCredentials } from "@grpc/grpc-js";
import type { Certificate } from "../x509/index.ts";
import { shakeHands } from "./client-handshake.ts";
import type { TlsIdentity } from "./identity.ts";

export interface MeshChannelCredentialsOptions {
  /** Asked on every new connection, so that rotation is followed; undefined: no client certificate. */
  identity?(): TlsIdentity | undefined;
  /** The verdict about the server on every new connection, from the chain it presented: throwing refuses it. */
  verify(chain: readonly Certificate[]): void;
  /** Told why a connection failed: to its callers grpc-js says only UNAVAILABLE. */
  onFailure?(error: unknown): void;
  /** Handshake; default 10,000. */
  readonly timeoutMs?: number;
}

type Connector = ReturnType<ChannelCredentials["_createSecureConnector"]>;
type Target = Parameters<ChannelCredentials["_createSecureConnector"]>[0];

/**
 * Credentials that verify the server's chain by `verify` on every connection of the channel. Two such objects are never
 * equal, so that channels of different identities never share a connection. Use with `meshChannelOptions`.
 */
export function meshChannelCredentials(options: MeshChannelCredentialsOptions): ChannelCredentials {
  return new MeshChannelCredentials(options);
}

/** Options that every gRPC channel of ours wants: no proxy from the environment. */
export const meshChannelOptions = { "grpc.enable_http_proxy": 0 } as const;

class MeshChannelCredentials extends ChannelCredentials {
  readonly #options: MeshChannelCredentialsOptions;

  constructor(options: MeshChannelCredentialsOptions) {
    super();
    this.#options = options;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(target: Target, _options: unknown, calls?: CallCredentials): Connector {
    const options = this.#options;
    const ended = new AbortController();
    return {
      async connect(raw: Socket) {
        raw.on("error", () => {});
        try {
          const socket = await shakeHands({
            target: { socket: raw },
            host: hostOf(target.path),
            identity: options.identity?.(),
            alpn: ["h2"],
            verify: (chain) => options.verify(chain),
            timeoutMs: options.timeoutMs,
            signal: ended.signal,
          });
          return { socket, secure: true };
        } catch (error) {
          options.onFailure?.(error);
          throw error;
        }
      },
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => calls ?? CallCredentials.createEmpty(),
      destroy: () => ended.abort(),
    };
  }
}

/** The host of `host:port`, `[::1]:port` or a bare address. */
function hostOf(path: string): string {
  const bracketed = /^\[([^\]]+)\]/.exec(path)?.[1];
  if (bracketed !== undefined) return bracketed;
  const [host = "", port, ...rest] = path.split(":");
  return port !== undefined && rest.length > 0 ? path : host;
}
