// Partitions of the ledger's tables, 2^22 indexes each, made ahead of need: a commit must never wait for one.
import type { Logger } from "../../runtime/index.ts";
import type { Queryable, SqlStatement } from "../store/index.ts";

const WIDTH = 4_194_304n;
/** The partition of the head, and the next one. */
const ENSURE: SqlStatement = {
  name: "ledger_ensure_partitions",
  text: "SELECT size, ledger_ensure_partitions((size / $1::bigint + 2) * $1::bigint) FROM ledger_head",
};

export class Partitions {
  readonly #database: Queryable;
  readonly #logger: Logger;
  /** Indexes below this have a partition. */
  #ensured = 0n;
  #ensuring = false;

  constructor(database: Queryable, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  /** Room for what comes next. True if there may be more room than before. */
  async ensure(): Promise<boolean> {
    const before = this.#ensured;
    const [head] = await this.#database.query<{ size: bigint }>(ENSURE, [WIDTH]);
    this.#ensured = ((head?.size ?? 0n) / WIDTH + 2n) * WIDTH;
    return this.#ensured > before;
  }

  /** The same in the background, when the log has entered its last partition. */
  ensureAhead(size: bigint): void {
    if (this.#ensuring || size + WIDTH < this.#ensured) return;
    this.#ensuring = true;
    this.ensure()
      .catch((error: unknown) => {
        this.#logger.error({ event: "ledger.partition-failed", error }, "the ledger's next partition cannot be made");
      })
      .finally(() => {
        this.#ensuring = false;
      });
  }
}
