// Plain calls of the Identity API for the bench and for tests that drive a whole server: no SDK, no state, no retries.
import { type Client, Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  IdentityServiceClient,
  type IssueX509SvidRequest,
  type IssueX509SvidResponse,
} from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { meshChannelCredentials, meshChannelOptions } from "../../src/tls/channel-credentials.ts";
import type { TlsIdentity } from "../../src/tls/index.ts";

const CALL_TIMEOUT_MS = 30_000;

/** A connection of its own to a server that the caller has started itself on this machine; so it takes any server certificate. */
export function connect(address: string, identity?: TlsIdentity): IdentityServiceClient {
  const credentials = meshChannelCredentials({ identity: () => identity, verify: () => {} });
  return new IdentityServiceClient(address, credentials, {
    ...meshChannelOptions,
    "grpc.use_local_subchannel_pool": 1,
  });
}

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: number },
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

/** A unary call as a promise; rejects with the ServiceError. */
export function call<Request, Response>(
  client: Client,
  method: Unary<Request, Response>,
  request: Request,
  options: { readonly metadata?: Metadata; readonly timeoutMs?: number } = {},
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const deadline = performance.timeOrigin + performance.now() + (options.timeoutMs ?? 15_000);
    method.call(client, request, options.metadata ?? new Metadata(), { deadline }, (error, response) =>
      error === null ? resolve(response) : reject(error),
    );
  });
}

export function issue(
  client: IdentityServiceClient,
  request: Pick<IssueX509SvidRequest, "csr" | "evidence">,
): Promise<IssueX509SvidResponse> {
  return call(client, client.issueX509Svid, { ...request, ttlSeconds: 0 }, { timeoutMs: CALL_TIMEOUT_MS });
}
