// One READ ONLY look at the database in which nothing moves: what one statement saw, the next one sees too, although the server
// goes on writing.
import type { Database, Queryable, SqlStatement } from "../../ca/index.ts";

const FREEZE: SqlStatement = { name: "", text: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY" };

/** @throws StoreError */
export function inSnapshot<T>(database: Database, look: (tx: Queryable) => Promise<T>): Promise<T> {
  return database.transaction(async (tx) => {
    await tx.query(FREEZE);
    return look(tx);
  });
}
