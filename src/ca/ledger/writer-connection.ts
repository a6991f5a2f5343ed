// The committer's connection: opened when needed, given up when a batch is silent for too long, never to a standby.
import type { Database } from "../store/index.ts";
import type { Pipeline } from "../store/pipeline.ts";
import { LedgerError } from "./errors.ts";

export class WriterConnection {
  readonly #database: Pick<Database, "pipeline">;
  #pipeline: Pipeline | undefined;

  constructor(database: Pick<Database, "pipeline">) {
    this.#database = database;
  }

  /** The live connection, or a new one. @throws StoreError MCA_DATABASE_*, LedgerError MCA_LEDGER_UNAVAILABLE for a standby */
  async get(): Promise<Pipeline> {
    if (this.#pipeline?.alive === true) return this.#pipeline;
    const pipeline = await this.#database.pipeline();
    const [, recovery] = await pipeline.together(() =>
      Promise.all([
        // The statements of a batch have one good plan whatever their values; planning one costs more than running it.
        pipeline.send({ name: "", text: "SET plan_cache_mode = force_generic_plan" }),
        pipeline.send({ name: "", text: "SELECT pg_is_in_recovery()" }),
      ]),
    );
    if (recovery.rows[0]?.[0] !== "f") {
      await pipeline.close();
      throw new LedgerError(
        "MCA_LEDGER_UNAVAILABLE",
        "The database is a standby and cannot record anything. Point the connection string at the primary, or promote the standby.",
      );
    }
    this.#pipeline = pipeline;
    return pipeline;
  }

  /** Never uses the present connection again. */
  drop(): void {
    this.#pipeline?.destroy();
    this.#pipeline = undefined;
  }

  async close(): Promise<void> {
    const pipeline = this.#pipeline;
    this.#pipeline = undefined;
    await pipeline?.close();
  }
}
