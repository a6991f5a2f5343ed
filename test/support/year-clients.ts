// The clients of the simulated year. Each follows the published trust by the very messages of WatchTrust (encoded, decoded, deltas
// applied), in its own time: some are on the stream and hear of everything so much later, some come back now and then and get a
// snapshot, without what was in between. What they know after a delta must be what a snapshot says.
import assert from "node:assert/strict";
import type { AuthorityManager } from "../../src/ca/authority/index.ts";
import { deltaMessage, snapshotMessage } from "../../src/identity-api/grpc/trust-messages.ts";
import { readSnapshot } from "../../src/identity-client/trust-messages.ts";
import { applyDelta, sameTrust, stateOf, type TrustState, trustSetOf } from "../../src/identity-client/trust-state.ts";
import { TrustDelta, TrustSnapshot } from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import type { TrustSet } from "../../src/spiffe/index.ts";

/** How a client hears of changes, in milliseconds. */
export type Following =
  | { readonly kind: "stream"; readonly delayMs: number }
  /** It asks at multiples of this time. */
  | { readonly kind: "comes-back"; readonly everyMs: number };

interface Client {
  readonly following: Following;
  trust: TrustSet;
  coming: readonly { readonly at: number; readonly trust: TrustSet }[];
}

export class YearClients {
  readonly #authorities: AuthorityManager;
  readonly #clients: readonly Client[];
  #last: { readonly snapshot: TrustSnapshot; readonly state: TrustState };

  /** All know what is published now. */
  constructor(authorities: AuthorityManager, followings: readonly Following[]) {
    this.#authorities = authorities;
    const snapshot = this.#read();
    const state = stateOf(readSnapshot(snapshot, authorities.trustDomain));
    this.#last = { snapshot, state };
    const trust = trustSetOf(state);
    this.#clients = followings.map((following) => ({ following, trust, coming: [] }));
  }

  /** The server has published something: each is going to hear of it. */
  learn(now: number): void {
    const snapshot = this.#read();
    const whole = stateOf(readSnapshot(snapshot, this.#authorities.trustDomain));
    const delta = deltaMessage(this.#last.snapshot, snapshot);
    const decoded = delta === undefined ? undefined : TrustDelta.decode(TrustDelta.encode(delta).finish());
    const state = decoded === undefined ? whole : applyDelta(this.#last.state, decoded, snapshot.revision);
    const trust = trustSetOf(state);
    assert.ok(sameTrust(trust, trustSetOf(whole)), "a delta says what a snapshot says");
    this.#last = { snapshot, state };
    for (const client of this.#clients) {
      const { following } = client;
      if (following.kind === "stream") client.coming = [...client.coming, { at: now + following.delayMs, trust }];
      else client.coming = [{ at: Math.ceil(now / following.everyMs) * following.everyMs, trust }];
    }
  }

  /** When the next of them hears of something; Infinity if none will. */
  get nextNewsAt(): number {
    return Math.min(...this.#clients.flatMap(({ coming }) => coming.slice(0, 1).map(({ at }) => at)));
  }

  /** Tells each what it hears of at this moment. Whether there was anything. */
  hear(at: number): boolean {
    let heard = false;
    for (const client of this.#clients) {
      const [next, ...later] = client.coming;
      if (next === undefined || next.at > at) continue;
      client.trust = next.trust;
      client.coming = later;
      heard = true;
    }
    return heard;
  }

  /** What any of them trusts now, each once. */
  trusts(): ReadonlySet<TrustSet> {
    return new Set(this.#clients.map(({ trust }) => trust));
  }

  #read(): TrustSnapshot {
    const { revision } = this.#authorities;
    const facts = { trust: this.#authorities.trustSet(), published: this.#authorities.published(), revision };
    return TrustSnapshot.decode(TrustSnapshot.encode(snapshotMessage(facts)).finish());
  }
}
