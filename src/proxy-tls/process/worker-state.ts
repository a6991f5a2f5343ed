// The state in a worker: rebuilt from what the primary hands on. Only what has changed is made anew, so that caches of verified issuers
// and narrowed policies live on.
import { parseTrustFile } from "../../spiffe/index.ts";
import { PeerVerifier } from "../identity/peer-verifier.ts";
import { assemblePolicies } from "../policy/assemble.ts";
import type { ProxyState, StateSource } from "../state.ts";
import type { StateMessage } from "./messages.ts";

export class WorkerState implements StateSource {
  readonly #listeners = new Set<() => void>();
  #state: ProxyState;

  /** @param first a whole state */
  constructor(first: StateMessage) {
    this.#state = stateOf(first, undefined);
  }

  current(): ProxyState {
    return this.#state;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @throws where it cannot be made: then this process must not go on with the old one */
  apply(message: StateMessage): void {
    this.#state = stateOf(message, this.#state);
    for (const listener of [...this.#listeners]) listener();
  }
}

function stateOf(message: StateMessage, before: ProxyState | undefined): ProxyState {
  const { revision, identityRevision, trustRevision, policyRevision, ownId } = message;
  const peers =
    message.trust === undefined
      ? before?.trustRevision === trustRevision
        ? before.peers
        : undefined
      : new PeerVerifier(message.trust.map(parseTrustFile));
  const policies =
    message.policies === undefined
      ? before?.policyRevision === policyRevision
        ? before.policies
        : undefined
      : assemblePolicies(message.policies);
  if (peers === undefined || policies === undefined) throw new TypeError("a state came without what it changes");
  // One object for one identity: connections to the targets are kept by it.
  const identity = before?.identityRevision === identityRevision ? before.identity : (message.identity ?? undefined);
  return { revision, identityRevision, trustRevision, policyRevision, ownId, identity, peers, policies };
}
