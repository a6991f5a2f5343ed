// What runs beside the issuing path: the comparison of the clocks, and the second look at certificates that were issued.
import { type Clock, type Logger, type Metrics, silentMetrics } from "../../runtime/index.ts";
import type { AuthorityManager } from "../authority/index.ts";
import type { Database } from "../store/index.ts";
import { CertificateChecker } from "./cert-checker/index.ts";
import { ClockGuard } from "./clock-guard.ts";
import type { IssuanceError } from "./errors.ts";
import type { IssuanceSettings } from "./settings.ts";

export interface BackgroundChecksOptions {
  readonly database: Database;
  readonly authorities: AuthorityManager;
  readonly clock: Clock;
  readonly settings: IssuanceSettings;
  readonly logger: Logger;
  readonly metrics?: Metrics;
}

/** Owns the guard of the clocks and the checker of certificates. */
export class BackgroundChecks {
  readonly #clocks: ClockGuard;
  readonly #checker: CertificateChecker;

  constructor(options: BackgroundChecksOptions) {
    const { database, authorities, clock, settings, logger, metrics = silentMetrics } = options;
    this.#clocks = new ClockGuard({
      clock,
      database,
      maxDifferenceSeconds: settings.maxClockDifferenceSeconds,
      logger,
    });
    this.#checker = new CertificateChecker({
      database,
      authorityCertificate: (spkiSha256) =>
        authorities.records().find((record) => record.spkiSha256 === spkiSha256)?.issued?.certificate.der,
      clock,
      logger,
      metrics,
    });
  }

  async start(): Promise<void> {
    this.#checker.start();
    await this.#clocks.start();
  }

  async close(): Promise<void> {
    await this.#clocks.close();
    await this.#checker.close();
  }

  /** See {@link ClockGuard.problem}. */
  clockProblem(): IssuanceError | undefined {
    return this.#clocks.problem();
  }

  /** See {@link ClockGuard.require}. */
  requireClock(): Promise<void> | undefined {
    return this.#clocks.require();
  }
}
