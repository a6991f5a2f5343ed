// The committer's connection: opened when needed, given up when it is silent for too long, never to a standby.
import { type Database, StoreError } from "../store/index.ts";
import type { Pipeline } from "../store/pipeline.ts";
import { LedgerError } from "./errors.ts";

export class WriterConnection {
  readonly #database: Pick<Database, "pipeline">;
  readonly #check: (pipeline: Pipeline) => Promise<void>;
  #pipeline: Pipeline | undefined;
  #drops = 0;

  /** `check` looks at each new connection before it is used; what it throws, `get` throws. */
  constructor(database: Pick<Database, "pipeline">, check: (pipeline: Pipeline) => Promise<void>) {
    this.#database = database;
    this.#check = check;
  }

  /** The live connection, or a new one. @throws StoreError MCA_DATABASE_*, LedgerError MCA_LEDGER_UNAVAILABLE for a standby */
  async get(): Promise<Pipeline> {
    if (this.#pipeline?.alive === true) return this.#pipeline;
    const drops = this.#drops;
    const pipeline = await this.#database.pipeline();
    // From here on `drop` cuts it: the server may fall silent before the first answer too.
    this.#pipeline = pipeline;
    try {
      if (drops !== this.#drops) {
        throw new StoreError("MCA_DATABASE_UNAVAILABLE", "The database took too long to let us in. Look for its load.");
      }
      await requirePrimary(pipeline);
      await this.#check(pipeline);
    } catch (error) {
      this.drop();
      throw error;
    }
    return pipeline;
  }

  /** Whether a connection that was open has gone by itself. */
  get lost(): boolean {
    return this.#pipeline?.alive === false;
  }

  /** Never uses the present connection again, nor one that is being opened. */
  drop(): void {
    this.#drops += 1;
    this.#pipeline?.destroy();
    this.#pipeline = undefined;
  }

  async close(): Promise<void> {
    const pipeline = this.#pipeline;
    this.#pipeline = undefined;
    await pipeline?.close();
  }
}

async function requirePrimary(pipeline: Pipeline): Promise<void> {
  const [, recovery] = await pipeline.together(() =>
    Promise.all([
      // The statements of a batch have one good plan whatever their values; planning one costs more than running it.
      pipeline.send({ name: "", text: "SET plan_cache_mode = force_generic_plan" }),
      pipeline.send({ name: "", text: "SELECT pg_is_in_recovery()" }),
    ]),
  );
  if (recovery.rows[0]?.[0] === "f") return;
  throw new LedgerError(
    "MCA_LEDGER_UNAVAILABLE",
    "The database is a standby and cannot record anything. Point the connection string at the primary, or promote the standby.",
  );
}
