// One connection to the Identity API. The server is judged by our own verifier on every TLS connection that gRPC makes.
// A link is closed and made anew after a failure, so that the only back-off in force is ours.
import type { ClientReadableStream } from "@grpc/grpc-js";
import {
  IdentityServiceClient,
  type IssueX509SvidRequest,
  type IssueX509SvidResponse,
  type WatchTrustResponse,
} from "../proto/gen/meshca/identity/v1/identity.ts";
import { meshChannelCredentials, meshChannelOptions } from "../tls/channel-credentials.ts";
import type { TlsIdentity } from "../tls/index.ts";
import type { Certificate } from "../x509/index.ts";
import { IdentityClientError } from "./errors.ts";
import { fromServiceError } from "./server-error.ts";

export interface ServerLinkOptions {
  /** `host:port` */
  readonly address: string;
  /** The verdict about the server on every connection; throwing ends it before a byte of a call is sent. */
  judge(chain: readonly Certificate[]): void;
  /** The client certificate, asked for on every connection. */
  identity?(): TlsIdentity | undefined;
  /** Deadline of a call, milliseconds. */
  readonly callTimeoutMs: number;
}

/** A gRPC channel with what we need to know about it. */
export class ServerLink {
  readonly address: string;
  readonly #client: IdentityServiceClient;
  readonly #callTimeoutMs: number;
  #verdict: Error | undefined;
  #presented: readonly Certificate[] | undefined;
  readonly #calls = new Set<{ cancel(): void }>();
  #closed = false;

  constructor({ address, judge, identity, callTimeoutMs }: ServerLinkOptions) {
    this.address = address;
    this.#callTimeoutMs = callTimeoutMs;
    const credentials = meshChannelCredentials({
      verify: (chain) => {
        this.#presented = undefined;
        try {
          judge(chain);
        } catch (error) {
          this.#verdict = error instanceof Error ? error : new Error("The server was refused.", { cause: error });
          throw error;
        }
        this.#verdict = undefined;
        this.#presented = chain;
      },
      ...(identity === undefined ? {} : { identity }),
      timeoutMs: callTimeoutMs,
    });
    this.#client = new IdentityServiceClient(`dns:${address}`, credentials, {
      ...meshChannelOptions,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1_000,
    });
  }

  /** The chain that the server showed on the newest connection that we accepted. */
  get presented(): readonly Certificate[] | undefined {
    return this.#presented;
  }

  /**
   * Sends a CSR with its evidence. The time limit is a timer of ours, not a gRPC deadline: those are counted by the wall clock,
   * which may jump. @throws ServerRefusal, IdentityClientError
   */
  issue(request: IssueX509SvidRequest, signal?: AbortSignal): Promise<IssueX509SvidResponse> {
    return new Promise((resolve, reject) => {
      this.#requireOpen();
      let late = false;
      const call = this.#client.issueX509Svid(request, (error, response) => {
        clearTimeout(timer);
        this.#calls.delete(call);
        signal?.removeEventListener("abort", cancel);
        if (error === null) resolve(response);
        else if (late) reject(this.#late(error));
        else reject(this.explain(error));
      });
      this.#calls.add(call);
      const cancel = (): void => call.cancel();
      const timer = setTimeout(() => {
        late = true;
        cancel();
      }, this.#callTimeoutMs);
      signal?.addEventListener("abort", cancel, { once: true });
      if (signal?.aborted) cancel();
    });
  }

  /** Says which revision of trust was taken over. @throws ServerRefusal, IdentityClientError */
  acknowledgeTrust(revision: bigint): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#requireOpen();
      const call = this.#client.acknowledgeTrust({ revision }, (error) => {
        clearTimeout(timer);
        this.#calls.delete(call);
        if (error === null) resolve();
        else reject(this.explain(error));
      });
      this.#calls.add(call);
      const timer = setTimeout(() => call.cancel(), this.#callTimeoutMs).unref();
    });
  }

  /** Opens the trust stream of the server's own trust domain. The caller adds the listeners and cancels. */
  watchTrust(): ClientReadableStream<WatchTrustResponse> {
    const stream = this.#client.watchTrust({ trustDomain: "" });
    this.#calls.add(stream);
    stream.once("close", () => this.#calls.delete(stream));
    return stream;
  }

  /** What a failed call of this link means. */
  explain(error: Error): Error {
    return fromServiceError(error, this.address, this.#verdict);
  }

  /** Ends every call and the connection. */
  close(): void {
    this.#closed = true;
    for (const call of [...this.#calls]) call.cancel();
    this.#client.close();
  }

  /** Somebody else may have given the link up while a call was being prepared: gRPC's own error would say nothing of why. */
  #requireOpen(): void {
    if (this.#closed) throw this.explain(new Error("the connection was given up"));
  }

  #late(cause: Error): Error {
    if (this.#verdict !== undefined) return this.explain(cause);
    return new IdentityClientError(
      "MCA_SERVER_UNAVAILABLE",
      `The server at ${this.address} did not answer within ${this.#callTimeoutMs / 1_000} s. Check that it runs and that the address is right.`,
      { cause },
    );
  }
}
