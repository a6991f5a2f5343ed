// A background check on our own work: certificates that were issued are rebuilt from the record and read again by two
// foreign readers. Where they disagree with the record, or a rule does not hold, an alarm is raised. It samples: reading
// a certificate with object layers costs more than issuing one. It never runs on the issuing path and never blocks it.
import type { Clock, Logger, Metrics } from "../../../runtime/index.ts";
import { getIssuance, type IssuanceRow, listIssuances } from "../../ledger/index.ts";
import type { Queryable } from "../../store/index.ts";
import { compareReadings } from "./compare.ts";
import { loadReaders } from "./load-readers.ts";

export const CHECK_EVENTS = {
  disagreement: "certificate.disagreement",
  failed: "certificate.check_failed",
} as const;

/** Issuances without an outcome that a round looks past. */
const MOST_UNDER_WAY = 100;

export interface CertificateCheckerOptions {
  readonly database: Queryable;
  /** The CA certificate (DER) of an authority by the SHA-256 of its key (hex), or undefined when it is not known. */
  readonly authorityCertificate: (spkiSha256: string) => Uint8Array | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Between two rounds. Default 10 s. */
  readonly intervalMs?: number;
  /** Newest certificates read again in a round. Default 5: about 5 ms of CPU. */
  readonly samplesPerRound?: number;
}

export interface CheckReport {
  readonly checked: number;
  readonly disagreements: readonly { readonly logIndex: bigint; readonly findings: readonly string[] }[];
}

export class CertificateChecker {
  readonly #options: CertificateCheckerOptions;
  readonly #checked;
  readonly #disagreed;
  #newestSeen = -1n;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<unknown> = Promise.resolve();

  constructor(options: CertificateCheckerOptions) {
    this.#options = options;
    const counter = options.metrics.counter("mesh_ca_certificates_checked", {
      description: "Issued certificates that two foreign readers read again",
    });
    this.#checked = counter.bind({ result: "agreed" });
    this.#disagreed = counter.bind({ result: "disagreed" });
  }

  /** Checks every `intervalMs` until closed. */
  start(): void {
    const { intervalMs = 10_000, logger } = this.#options;
    this.#timer = setInterval(() => {
      this.#round = this.#round
        .then(() => this.checkNewest())
        .catch((error: unknown) => {
          logger.warn({ event: CHECK_EVENTS.failed, error }, "issued certificates could not be checked this time");
        });
    }, intervalMs);
    this.#timer.unref();
  }

  /** Stops, and waits for a round that is under way. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#round;
  }

  /** Reads the newest issued certificates again that no round has read. */
  async checkNewest(): Promise<CheckReport> {
    const { database, samplesPerRound = 5 } = this.#options;
    // The newest of a busy server are on their way to their outcome: enough rows that some have theirs.
    const page = await listIssuances(database, { newestFirst: true, pageSize: samplesPerRound + MOST_UNDER_WAY });
    const fresh = page.rows
      .filter(
        // The server's own are left out: they have the same profile, and a server that serves nobody stays small.
        (row) =>
          row.logIndex > this.#newestSeen && row.hasOutcome && row.kind === "svid.x509" && row.requester !== "self",
      )
      .slice(0, samplesPerRound);
    const disagreements: { logIndex: bigint; findings: readonly string[] }[] = [];
    let checked = 0;
    for (const row of fresh) {
      const findings = await this.#check(row);
      if (findings === undefined) continue;
      checked += 1;
      if (findings.length > 0) disagreements.push({ logIndex: row.logIndex, findings });
    }
    this.#newestSeen = fresh[0]?.logIndex ?? this.#newestSeen;
    this.#report(checked, disagreements);
    return { checked, disagreements };
  }

  /** Findings; undefined when there is nothing to compare (no signature recorded, authority not known). */
  async #check(row: IssuanceRow): Promise<readonly string[] | undefined> {
    const { database, authorityCertificate } = this.#options;
    const { certificate } = await getIssuance(database, { logIndex: row.logIndex });
    const issuer = authorityCertificate(row.authority);
    if (certificate === undefined || issuer === undefined) return undefined;
    const { readWithOpenSsl, readWithPeculiar, verifyWithPeculiar } = await loadReaders();
    try {
      await verifyWithPeculiar(certificate, issuer);
      return compareReadings(row, readWithOpenSsl(certificate, issuer), readWithPeculiar(certificate));
    } catch (error) {
      return [`a reader refuses the certificate: ${error instanceof Error ? error.message : String(error)}`];
    }
  }

  #report(checked: number, disagreements: CheckReport["disagreements"]): void {
    this.#checked.add(checked - disagreements.length);
    this.#disagreed.add(disagreements.length);
    for (const { logIndex, findings } of disagreements) {
      this.#options.logger.error(
        { event: CHECK_EVENTS.disagreement, logIndex: logIndex.toString(), findings, alarm: true },
        "foreign readers do not agree with the record of an issued certificate: stop issuing and look at it",
      );
    }
  }
}
