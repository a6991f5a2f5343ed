// Join tokens on a real database and ledger: made as TokenService does, redeemed as IssueX509Svid does.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  type CreateJoinToken,
  type EstablishedEvidence,
  JoinTokens,
  type JoinTokensDependencies,
  type TokenCaller,
} from "../../../src/identity-api/attest/index.ts";
import { attestJoinToken } from "../../../src/identity-api/attest/join-token-attestor.ts";
import type { Registry } from "../../../src/identity-api/registry/index.ts";
import { systemRandom } from "../../../src/runtime/index.ts";
import { TrustDomain } from "../../../src/spiffe/index.ts";
import { hexOf, intentOf } from "../../ca/ledger/support.ts";
import { type Replica, TestDomain } from "../registry/database.ts";
import { attributes } from "../registry/support.ts";

export const WEEK_SECONDS = 604_800;
export const trustDomain = TrustDomain.parse("example.test");
export const pins = [hexOf("active"), hexOf("prepared")];
export const operator: TokenCaller = {
  requester: "spiffe://example.test/operator",
  roles: new Set(["operator"]),
  local: false,
};
export const admin: TokenCaller = {
  requester: "spiffe://example.test/admin",
  roles: new Set(["auditor", "operator", "admin"]),
  local: false,
};

export function request(changes: Partial<CreateJoinToken> = {}): CreateJoinToken {
  return { attributes: attributes({ service: "cart" }), ttlSeconds: 0, server: "", ...changes };
}

export class TokenFixture {
  readonly domain: TestDomain;
  readonly replica: Replica;
  readonly registry: Registry;

  private constructor(domain: TestDomain, replica: Replica, registry: Registry) {
    this.domain = domain;
    this.replica = replica;
    this.registry = registry;
  }

  static async create(): Promise<TokenFixture> {
    const domain = await TestDomain.create();
    const replica = await domain.replica();
    return new TokenFixture(domain, replica, await replica.registry());
  }

  tokens(changes: Partial<JoinTokensDependencies> = {}): JoinTokens {
    return new JoinTokens({
      ledger: this.replica.ledger,
      database: this.replica.database,
      registry: this.registry,
      trustDomain,
      instance: "token",
      authority: () => ({ pins, lifetimeSeconds: WEEK_SECONDS }),
      publicAddress: () => "ca.example.test:8443",
      clock: this.domain.clock,
      random: systemRandom,
      ...changes,
    });
  }

  attest(text: string): Promise<EstablishedEvidence> {
    const { database } = this.replica;
    return attestJoinToken(text, { instance: "token", trustDomain, database, clock: this.domain.clock });
  }

  /** Redeems by the ledger, for a key. */
  async redeem(text: string, key: string) {
    const evidence = await this.attest(text);
    const { token } = evidence;
    assert(token);
    const now = this.domain.clock.now();
    return await this.replica.ledger.commit(
      intentOf({
        spkiSha256: hexOf(key),
        requester: evidence.requester,
        attestor: evidence.attestor,
        attributes: evidence.attributes,
        issuedAt: now,
        notBefore: now - 60_000,
        notAfter: now + 3_600_000,
        rule: { name: "workloads", revision: this.registry.rules().rules[0]?.revision ?? 0n },
        lineage: { kind: "open", id: randomUUID() },
        token,
      }),
    );
  }

  close(): Promise<void> {
    return this.domain.close();
  }
}
