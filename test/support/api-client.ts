// Plain calls of the Identity API for the bench and for tests that drive a whole server: no SDK, no state, no retries.
import { Metadata } from "@grpc/grpc-js";
import {
  IdentityServiceClient,
  type IssueX509SvidRequest,
  type IssueX509SvidResponse,
} from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { meshChannelCredentials, meshChannelOptions, type TlsIdentity } from "../../src/tls/index.ts";

const CALL_TIMEOUT_MS = 30_000;

/** A connection of its own to a server that the caller has started itself on this machine; so it takes any server certificate. */
export function connect(address: string, identity?: TlsIdentity): IdentityServiceClient {
  const credentials = meshChannelCredentials({ identity: () => identity, verify: () => {} });
  return new IdentityServiceClient(address, credentials, {
    ...meshChannelOptions,
    "grpc.use_local_subchannel_pool": 1,
  });
}

export function issue(
  client: IdentityServiceClient,
  request: Pick<IssueX509SvidRequest, "csr" | "evidence">,
): Promise<IssueX509SvidResponse> {
  const options = { deadline: performance.timeOrigin + performance.now() + CALL_TIMEOUT_MS };
  return new Promise((resolve, reject) => {
    client.issueX509Svid({ ...request, ttlSeconds: 0 }, new Metadata(), options, (error, response) => {
      if (error) reject(error);
      else resolve(response);
    });
  });
}
