// being written
import type { Clock, Logger, Metrics, RandomSource } from "../../runtime/index.ts";
import type { AuthorityManager } from "../authority/index.ts";
import type { Ledger } from "../ledger/index.ts";
import type { Database } from "../store/index.ts";
import type { IssuedX509Svid, ServerSvidRequest, X509SvidRequest } from "./request.ts";
import type { IssuanceSettings } from "./settings.ts";

export interface IssuerOptions {
  readonly ledger: Ledger;
  readonly database: Database;
  readonly authorities: AuthorityManager;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly settings: IssuanceSettings;
  readonly logger: Logger;
  readonly metrics?: Metrics;
}

export class Issuer {
  constructor(_options: IssuerOptions) {}
  /** Starts the background checks (clock, issued certificates); the first clock check has been made when it resolves. */
  async start(): Promise<void> {}
  async issueX509Svid(_request: X509SvidRequest): Promise<IssuedX509Svid> {
    throw new TypeError("being written");
  }
  async issueServerSvid(_request: ServerSvidRequest): Promise<IssuedX509Svid> {
    throw new TypeError("being written");
  }
  async close(): Promise<void> {}
}
