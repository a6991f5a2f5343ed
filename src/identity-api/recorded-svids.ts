// Is a certificate that an authority of ours has signed in the ledger, under its own key? Always, as long as the database and the
// authority's key are what they were (invariant 1). One that is not says that the database is an older one than the certificate, or
// that somebody else has the key: it earns nothing, and operators are told. Looked at when a connection is made and again before
// anything is earned by it. Never stops issuance: who has stolen a key must not be able to stop everybody else by it.
import type { Lineage, PresentedCertificate, RecordOf } from "../ca/index.ts";
import { type Clock, formatTime, type Logger, type Metrics } from "../runtime/index.ts";
import type { Certificate } from "../x509/index.ts";
import { ApiError } from "./api-error.ts";
import type { Note } from "./readiness.ts";

export interface RecordedSvidsOptions {
  readonly lineages: { find(leaf: PresentedCertificate): Promise<RecordOf> };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** So many are told apart; what comes beyond is an alarm already. */
const REMEMBERED = 4_096;
const WHAT_TO_DO =
  "either this database is older than the certificate (a backup was restored), or somebody else has the key of the authority: docs/disaster-recovery.md";

export class RecordedSvids {
  readonly #options: RecordedSvidsOptions;
  readonly #unrecorded = new Set<string>();
  #last: { readonly serial: string; readonly peer: string; readonly at: number } | undefined;

  constructor(options: RecordedSvidsOptions) {
    this.#options = options;
    options.metrics.gauge(
      "mesh_ca_unrecorded_certificates",
      { description: "Certificates under our authorities that were shown since the start and are not in the ledger." },
      () => [{ value: this.#unrecorded.size }],
    );
  }

  /**
   * The lineage of a verified SVID; undefined if it is recorded without one. `peer` and `address` are for the log.
   * @throws ApiError MCA_SVID_UNRECORDED; StoreError MCA_DATABASE_UNAVAILABLE
   */
  async lineageOf(leaf: Certificate, peer: string, address: string): Promise<Lineage | undefined> {
    const serial = leaf.serialHex;
    const record = await this.#options.lineages.find({ serial, spkiSha256: leaf.publicKey.spkiSha256 });
    if (record.kind === "lineage") return record.lineage;
    if (record.kind === "no-lineage") return undefined;
    this.#tell({ serial, peer, address, found: record.found });
    throw new ApiError(
      "MCA_SVID_UNRECORDED",
      `The presented certificate is not in the ledger (${record.found}), so that it earns nothing here. Enrol again with a token, a JWT or an enterprise certificate.`,
      { details: { serial, found: record.found } },
    );
  }

  /** The same for a new connection, of which nobody waits for an answer. */
  look(leaf: Certificate, peer: string, address: string): void {
    this.lineageOf(leaf, peer, address).catch((error: unknown) => {
      // Told by lineageOf; and a database that is away is told by others. It is asked again when something is to be earned.
      if (!(error instanceof ApiError))
        this.#options.logger.debug({ event: "svid.record_not_read", error }, "not read");
    });
  }

  /** For /readyz and the doctor. */
  notes(): readonly Note[] {
    if (this.#last === undefined) return [];
    const { serial, peer, at } = this.#last;
    const count = this.#unrecorded.size;
    return [
      {
        about: "ledger",
        sentence: `${count} ${count === 1 ? "certificate" : "certificates"} under our authorities that the ledger does not hold ${count === 1 ? "was" : "were"} shown since the start, the last at ${formatTime(at)} (${serial}, ${peer}): ${WHAT_TO_DO}`,
      },
    ];
  }

  #tell(seen: {
    readonly serial: string;
    readonly peer: string;
    readonly address: string;
    readonly found: string;
  }): void {
    if (this.#unrecorded.has(seen.serial) || this.#unrecorded.size >= REMEMBERED) return;
    const { clock, logger } = this.#options;
    this.#unrecorded.add(seen.serial);
    this.#last = { serial: seen.serial, peer: seen.peer, at: clock.now() };
    logger.error(
      { event: "svid.unrecorded", alarm: true, ...seen },
      `A certificate under an authority of ours is not in the ledger: ${WHAT_TO_DO}`,
    );
  }
}
