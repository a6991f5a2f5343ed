// A trust snapshot from a server that was already verified some other way (the local socket, an mTLS connection).
import type { TrustSnapshot } from "../proto/gen/meshca/identity/v1/identity.ts";
import { TrustDomain, type TrustSet } from "../spiffe/index.ts";
import { readSnapshot } from "./trust-messages.ts";
import { stateOf, trustSetOf } from "./trust-state.ts";

/**
 * What a snapshot says may be trusted. It proves nothing by itself: the caller must trust the connection it came over.
 * @throws IdentityClientError MCA_SERVER_ANSWER_INVALID
 */
export function trustSetOfSnapshot(message: TrustSnapshot): TrustSet {
  return trustSetOf(stateOf(readSnapshot(message, TrustDomain.parse(message.trustDomain))));
}
