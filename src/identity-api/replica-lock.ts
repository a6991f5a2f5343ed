// One server for each replica number: a session lock in the database, held on a connection of its own. Two servers with one number
// would each believe in the other's authority. Refused at start; a lock that was lost with its connection is taken again, and
// where another server has it meanwhile this one is not ready. Never waits inside the database.
import { setTimeout as sleep } from "node:timers/promises";
import type { Database, SqlStatement } from "../ca/index.ts";
import type { Logger } from "../runtime/index.ts";
import { ApiError } from "./api-error.ts";
import { type Reason, reasonFor } from "./readiness.ts";

/** First half of the lock's key; the second is the replica number. */
const LOCK_CLASS = 0x6d63_6172;
const TRY_LOCK: SqlStatement = {
  name: "",
  text: "SELECT CASE WHEN pg_try_advisory_lock($1::int, $2::int) THEN 'taken' ELSE 'in use' END",
};
/** A server that was killed gives its lock back as soon as PostgreSQL sees its connection end. */
const START_ATTEMPTS = 20;
const RETRY_MS = 100;
const WATCH_MS = 1_000;

type Session = Awaited<ReturnType<Database["pipeline"]>>;

export interface ReplicaLockOptions {
  readonly database: Database;
  readonly replica: number;
  readonly logger: Logger;
  /** How often the holder looks after its connection. Default 1,000 ms. */
  readonly watchMs?: number;
}

export class ReplicaLock {
  readonly #options: ReplicaLockOptions;
  #session: Session | undefined;
  #timer: NodeJS.Timeout | undefined;
  #problem: ApiError | undefined;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(options: ReplicaLockOptions) {
    this.#options = options;
  }

  /** Takes the replica's number. @throws ApiError MCA_REPLICA_IN_USE; StoreError */
  static async take(options: ReplicaLockOptions): Promise<ReplicaLock> {
    const lock = new ReplicaLock(options);
    for (let attempt = 1; !(await lock.#try()); attempt++) {
      if (attempt === START_ATTEMPTS) throw inUse(options.replica);
      await sleep(RETRY_MS);
    }
    lock.#watch();
    return lock;
  }

  /** Another server has taken the number meanwhile. */
  problem(): Reason | undefined {
    return this.#problem === undefined ? undefined : reasonFor(this.#problem);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
    await this.#session?.close();
  }

  async #try(): Promise<boolean> {
    const { database, replica } = this.#options;
    const session = await database.pipeline();
    let taken = false;
    try {
      const { rows } = await session.send(TRY_LOCK, [String(LOCK_CLASS), String(replica)]);
      taken = rows[0]?.[0] === "taken";
    } finally {
      if (taken) this.#session = session;
      else await session.close();
    }
    return taken;
  }

  #watch(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => this.#watch());
    }, this.#options.watchMs ?? WATCH_MS);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    if (this.#session?.alive === true) return;
    const { logger, replica } = this.#options;
    this.#session = undefined;
    try {
      if (await this.#try()) {
        this.#problem = undefined;
        return;
      }
    } catch {
      // The database is away; the ledger tells of it. Whether the number is still ours will be seen when it is back.
      return;
    }
    if (this.#problem === undefined) {
      this.#problem = inUse(replica);
      logger.error({ event: "server.replica_in_use", alarm: true, replica }, this.#problem.message);
    }
  }
}

function inUse(replica: number): ApiError {
  return new ApiError(
    "MCA_REPLICA_IN_USE",
    `Another server runs as replica ${replica} on this database. Stop it, or give this one a number of its own (replica: in the configuration).`,
    { details: { replica: String(replica) } },
  );
}
