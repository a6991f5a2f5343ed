// What PostgreSQL does for the statements that some code sends: their plans, and how long each took.
import type { Database, Queryable, SqlStatement, SqlValue } from "../../src/ca/store/index.ts";

export interface AskedStatement {
  readonly statement: SqlStatement;
  readonly values: readonly SqlValue[];
}

/** Passes queries on, and remembers them. */
export class RecordingDatabase implements Queryable {
  readonly asked: AskedStatement[] = [];
  readonly #database: Queryable;

  constructor(database: Queryable) {
    this.#database = database;
  }

  query<Row>(statement: SqlStatement, values: readonly SqlValue[] = []): Promise<readonly Row[]> {
    this.asked.push({ statement, values });
    return this.#database.query<Row>(statement, values);
  }
}

/** The plan as people read it, run once, with its buffers. */
export async function explain(database: Database, { statement, values }: AskedStatement): Promise<string> {
  const text = `EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) ${statement.text}`;
  const rows = await database.query<{ "QUERY PLAN": string }>({ name: "", text }, values);
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}
