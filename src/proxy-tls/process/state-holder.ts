// The one place that holds identity, trust and policies: the primary process. Each change replaces the whole state at once, here and, as
// plain data, in every worker.
import type { Logger } from "../../runtime/index.ts";
import { encodeTrustFile, type TrustSet } from "../../spiffe/index.ts";
import { PeerVerifier } from "../identity/peer-verifier.ts";
import type { OwnIdentity } from "../identity/provider.ts";
import { PolicySet } from "../policy/policy-set.ts";
import type { ProxyState, StateSource } from "../state.ts";
import type { StateMessage } from "./messages.ts";

/** What may change. A member that is not there stays as it is. */
export interface StateChange {
  /** null: there is none any more. */
  readonly own?: OwnIdentity | null;
  /** One for each trust domain. */
  readonly trust?: readonly TrustSet[];
  readonly policies?: PolicySet;
}

/** What a worker has been told of the parts that can be large. */
export interface ToldRevisions {
  readonly trustRevision: number;
  readonly policyRevision: number;
}

export class StateHolder implements StateSource {
  readonly #listeners = new Set<() => void>();
  readonly #logger: Logger;
  #trustTexts: readonly string[] = [];
  #state: ProxyState = {
    ...{ revision: 0, identityRevision: 0, trustRevision: 0, policyRevision: 0 },
    ...{ ownId: "", identity: undefined, peers: new PeerVerifier([]), policies: PolicySet.empty },
  };

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  current(): ProxyState {
    return this.#state;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes what has really changed; tells it once. */
  update({ own, trust, policies }: StateChange): void {
    const before = this.#state;
    const trustTexts = trust?.map(encodeTrustFile) ?? this.#trustTexts;
    const changed = {
      identity: own !== undefined && (own?.tls !== before.identity || (own?.id ?? "") !== before.ownId),
      trust: trust !== undefined && trustTexts.join("") !== this.#trustTexts.join(""),
      policies: policies !== undefined && policies !== before.policies,
    };
    if (!changed.identity && !changed.trust && !changed.policies) return;
    const peers = changed.trust && trust !== undefined ? new PeerVerifier(trust) : before.peers;
    this.#trustTexts = trustTexts;
    this.#state = {
      revision: before.revision + 1,
      identityRevision: before.identityRevision + (changed.identity ? 1 : 0),
      trustRevision: before.trustRevision + (changed.trust ? 1 : 0),
      policyRevision: before.policyRevision + (changed.policies ? 1 : 0),
      ...(changed.identity
        ? { ownId: own?.id ?? "", identity: own?.tls }
        : { ownId: before.ownId, identity: before.identity }),
      peers,
      policies: policies ?? before.policies,
    };
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        // What counts has changed all the same, and everybody else must hear of it.
        this.#logger.error(
          { event: "proxy.fault", error },
          "a fault of ours: somebody did not take a change of the state",
        );
      }
    }
  }

  /** The present state as plain data, without the large parts that `told` says are known. Holds the private key. */
  message(told?: ToldRevisions): StateMessage {
    const { revision, identityRevision, trustRevision, policyRevision, ownId, identity, policies } = this.#state;
    return {
      kind: "state",
      ...{ revision, identityRevision, trustRevision, policyRevision, ownId },
      identity: identity ?? null,
      ...(told?.trustRevision === trustRevision ? {} : { trust: this.#trustTexts }),
      ...(told?.policyRevision === policyRevision ? {} : { policies: policies.document }),
    };
  }
}
