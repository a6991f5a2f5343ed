// Join tokens: made, listed and voided here; redeemed in the ledger's transaction. Only SHA-256 of the secret is ever stored.
import type { Database, Grant, Ledger } from "../../ca/index.ts";
import type { Clock, RandomSource } from "../../runtime/index.ts";
import type { TrustDomain } from "../../spiffe/index.ts";
import type { Attributes, Registry, Role } from "../registry/index.ts";

/** What a token's lifetime and pins come from. */
export interface TokenAuthority {
  /** SPKI SHA-256 (lower-case hex) of every prepared and active authority of every replica. */
  readonly pins: readonly string[];
  /** Lifetime of the active authority's certificate, in seconds. */
  readonly lifetimeSeconds: number;
}

export interface JoinTokensDependencies {
  readonly ledger: Ledger;
  readonly database: Database;
  readonly registry: Registry;
  readonly trustDomain: TrustDomain;
  /** The join-token attestor instance (Attestors.joinTokenInstance). */
  readonly instance: string | undefined;
  readonly authority: () => TokenAuthority;
  /** host:port that tokens name when the request does not. */
  readonly publicAddress: () => string;
  readonly clock: Clock;
  readonly random: RandomSource;
}

export interface CreateJoinToken {
  /** Without the instance: {"service": "cart"}. */
  readonly attributes: Attributes;
  /** 0: one hour. */
  readonly ttlSeconds: number;
  /** host:port; empty: the server's public address. */
  readonly server: string;
}

/** Who asks, for the record and for the rule that no call may raise its caller. */
export interface TokenCaller {
  readonly requester: string;
  readonly roles: ReadonlySet<Role>;
  /** The local socket, which counts as admin. */
  readonly local: boolean;
}

export interface CreatedJoinToken {
  /** The secret text, shown once. */
  readonly token: string;
  readonly id: string;
  readonly expiresAt: number;
  /** Why the lifetime is shorter than asked; empty if it is not. */
  readonly shortenedBy: string;
  /** What it would earn now; undefined: nothing. */
  readonly grant: Grant | undefined;
}

export interface JoinTokenInfo {
  readonly id: string;
  /** Without the instance. */
  readonly attributes: Attributes;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly redeemedAt: number | undefined;
  readonly voidedAt: number | undefined;
  readonly createdBy: string;
  readonly lineage: string | undefined;
}

export class JoinTokens {
  constructor(_dependencies: JoinTokensDependencies) {}

  /** Makes a token. Throws AttestError MCA_TOKEN_INVALID, MCA_ATTESTOR_UNKNOWN; AccessError MCA_FORBIDDEN (role-bearing rule, caller no admin). */
  create(_request: CreateJoinToken, _caller: TokenCaller): Promise<CreatedJoinToken> {
    throw new TypeError("not written yet");
  }

  /** Newest first. `cursor` empty: from the start. */
  list(_query: {
    readonly pageSize: number;
    readonly cursor: string;
  }): Promise<{ readonly tokens: readonly JoinTokenInfo[]; readonly nextCursor: string }> {
    throw new TypeError("not written yet");
  }

  /** Voids a token that was not redeemed yet. Voiding twice does nothing. Throws MCA_TOKEN_UNKNOWN, MCA_TOKEN_REDEEMED. */
  void(_id: string, _requester: string): Promise<void> {
    throw new TypeError("not written yet");
  }
}
