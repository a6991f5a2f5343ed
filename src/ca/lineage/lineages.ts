// Lineages as stored: found by certificate on the way to a renewal, marked when a certificate authenticates a connection, frozen by
// hand. What decides about a renewal is read again inside the commit; nothing here is trusted for that.
import { fromHex } from "../../x509/index.ts";
import type { Queryable, SqlStatement } from "../store/index.ts";
import type { Lineage } from "./lineage.ts";
import { LineageCache } from "./lineage-cache.ts";

const CACHED = 8_192;
const SERIAL = /^(?:[0-9a-f]{2}){1,20}$/;

const FIND: SqlStatement = {
  name: "lineage_by_serial",
  text: `
SELECT encode(s.serial, 'hex') AS serial, encode(i.spki_sha256, 'hex') AS spki_sha256,
       l.id, l.spiffe_id, l.rule, l.attestor, l.attributes, l.opened_at
FROM unnest($1::bytea[]) wanted (serial)
JOIN serial s ON s.serial = wanted.serial
JOIN issuance i ON i.log_index = s.log_index
LEFT JOIN lineage l ON l.id = i.lineage`,
};
const IS_FROZEN: SqlStatement = {
  name: "lineage_is_frozen",
  text: "SELECT frozen_at IS NOT NULL AS frozen FROM lineage WHERE id = $1",
};

/** A verified certificate, as far as the record is asked for it. */
export interface PresentedCertificate {
  /** Lower-case hex. */
  readonly serial: string;
  /** SHA-256 of its SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
}

/** What the ledger knows of a certificate. */
export type RecordOf =
  | { readonly kind: "lineage"; readonly lineage: Lineage }
  /** Recorded, and of no lineage: the server's own, a probe. */
  | { readonly kind: "no-lineage" }
  /** Not in the ledger, or under another key: it was issued after the backup that this database is, or not by us. */
  | { readonly kind: "unrecorded"; readonly found: string };

interface RecordColumns {
  readonly serial: string;
  readonly spki_sha256: string;
  /** null: of no lineage, and so is everything below. */
  readonly id: string | null;
  readonly spiffe_id: string;
  readonly rule: string;
  readonly attestor: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly opened_at: number;
}

export interface LineagesOptions {
  readonly database: Queryable;
  /** Stores the mark with the next batch. */
  readonly markUsed: (serial: string) => void;
  readonly freeze: (id: string, reason: FreezeReason) => Promise<void>;
}

export interface FreezeReason {
  readonly cause: string;
  readonly requester: string;
}

interface Waiting {
  resolve(row: RecordColumns | undefined): void;
  reject(error: unknown): void;
}

export class Lineages {
  readonly #options: LineagesOptions;
  readonly #cache = new LineageCache(CACHED);
  readonly #marked = new Set<string>();
  #waiting = new Map<string, Waiting[]>();

  constructor(options: LineagesOptions) {
    this.#options = options;
  }

  /**
   * What is recorded of a certificate that an authority of ours has signed: found by its serial number, and believed only with the
   * recorded key, because whoever has stolen an authority's key can sign any serial number. Questions of one moment share one query.
   * @throws StoreError MCA_DATABASE_UNAVAILABLE
   */
  async find({ serial, spkiSha256 }: PresentedCertificate): Promise<RecordOf> {
    const cached = this.#cache.get(serial);
    if (cached?.spkiSha256 === spkiSha256) return { kind: "lineage", lineage: cached.lineage };
    const row = await this.#rowOf(serial);
    if (row === undefined) return { kind: "unrecorded", found: "no entry with its serial number" };
    if (row.spki_sha256 !== spkiSha256) return { kind: "unrecorded", found: "another key under its serial number" };
    const lineage = toLineage(row);
    if (lineage === undefined) return { kind: "no-lineage" };
    this.#cache.set(serial, { lineage, spkiSha256 });
    return { kind: "lineage", lineage };
  }

  #rowOf(serial: string): Promise<RecordColumns | undefined> {
    if (!SERIAL.test(serial)) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) setImmediate(() => void this.#findWaiting());
      const others = this.#waiting.get(serial);
      if (others === undefined) this.#waiting.set(serial, [{ resolve, reject }]);
      else others.push({ resolve, reject });
    });
  }

  /** A certificate (serial, lower-case hex) has authenticated a connection. Stored with the next batch, within a second. */
  markUsed(serial: string): void {
    if (!SERIAL.test(serial) || this.#marked.has(serial)) return;
    if (this.#marked.size >= CACHED) this.#marked.clear();
    this.#marked.add(serial);
    this.#options.markUsed(serial);
  }

  /** Fresh from the database. @throws StoreError MCA_DATABASE_UNAVAILABLE */
  async isFrozen(id: string): Promise<boolean> {
    const [row] = await this.#options.database.query<{ frozen: boolean }>(IS_FROZEN, [id]);
    return row?.frozen ?? true; // a lineage that is not there may do nothing
  }

  /**
   * No certificate of this lineage renews any more; an entry `lineage.frozen` says why and by whom. Freezing it again changes nothing.
   * @throws LedgerError MCA_NOT_FOUND
   */
  freeze(id: string, reason: FreezeReason): Promise<void> {
    return this.#options.freeze(id, reason);
  }

  /** A certificate was recorded for a lineage. For the ledger alone. */
  remember({ serial, spkiSha256 }: PresentedCertificate, lineage: Lineage): void {
    this.#cache.set(serial, { lineage, spkiSha256 });
  }

  /** The lineage of a serial, if it is in memory. For the ledger alone. */
  known(serial: string): Lineage | undefined {
    return this.#cache.get(serial)?.lineage;
  }

  async #findWaiting(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = new Map();
    try {
      const rows = await this.#options.database.query<RecordColumns>(FIND, [[...waiting.keys()].map(fromHex)]);
      const found = new Map(rows.map((row) => [row.serial, row]));
      for (const [serial, askers] of waiting) for (const { resolve } of askers) resolve(found.get(serial));
    } catch (error) {
      for (const askers of waiting.values()) for (const { reject } of askers) reject(error);
    }
  }
}

function toLineage(row: RecordColumns): Lineage | undefined {
  if (row.id === null) return undefined;
  return {
    id: row.id,
    spiffeId: row.spiffe_id,
    rule: row.rule,
    attestor: row.attestor,
    attributes: new Map(Object.entries(row.attributes)),
    openedAt: row.opened_at,
  };
}
