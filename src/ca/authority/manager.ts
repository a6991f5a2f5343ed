// being written
import type { Clock, Logger, RandomSource } from "../../runtime/index.ts";
import type { TrustDomain, TrustSet } from "../../spiffe/index.ts";
import type { KeyStore } from "../keys/index.ts";
import type { Ledger } from "../ledger/index.ts";
import type { Database } from "../store/index.ts";
import type { Upstream } from "../upstream/index.ts";
import type { ActiveAuthority } from "./active-authority.ts";
import type { AuthorityHealth, PublishedAuthority } from "./published.ts";
import type { AuthoritySettings } from "./settings.ts";

export interface AuthorityManagerOptions {
  readonly ledger: Ledger;
  readonly database: Database;
  readonly keyStore: KeyStore;
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly trustDomain: TrustDomain;
  /** 1 to 127. */
  readonly replica: number;
  readonly settings: AuthoritySettings;
  readonly logger: Logger;
}
export type InitialiseAuthorityOptions = AuthorityManagerOptions;

export class AuthorityManager {
  static async initialise(_options: InitialiseAuthorityOptions): Promise<{ readonly spkiSha256: string }> {
    throw new TypeError("being written");
  }
  static async open(_options: AuthorityManagerOptions): Promise<AuthorityManager> {
    throw new TypeError("being written");
  }
  active(): ActiveAuthority {
    throw new TypeError("being written");
  }
  health(): AuthorityHealth {
    throw new TypeError("being written");
  }
  published(): readonly PublishedAuthority[] {
    throw new TypeError("being written");
  }
  trustSet(): TrustSet {
    throw new TypeError("being written");
  }
  trustSetForExpired(): TrustSet {
    throw new TypeError("being written");
  }
  get revision(): bigint {
    return 0n;
  }
  onTrustChange(_listener: () => void): () => void {
    return () => {};
  }
  async close(): Promise<void> {}
}
