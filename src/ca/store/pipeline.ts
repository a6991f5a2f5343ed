// One connection on which statements follow each other without waiting for answers: the ledger's group commit needs two round
// trips instead of seven. A failed statement does not stop those behind it; in a transaction they fail too, and COMMIT then
// answers ROLLBACK without an error: whoever commits looks at the answer.
import pg from "pg";
import type { Logger } from "../../runtime/index.ts";
import { toStoreError } from "./pg-errors.ts";
import type { SqlStatement } from "./sql-statement.ts";

export interface PipelineAnswer {
  /** What PostgreSQL says it did: "COMMIT", "ROLLBACK", "SELECT" ... */
  readonly command: string;
  /** Rows as arrays in the order of the columns, each value as PostgreSQL writes it; null is NULL. */
  readonly rows: readonly (readonly (string | null)[])[];
}

export interface Pipeline {
  /** Sends now, answers later. A Buffer is a parameter in binary format. @throws StoreError */
  send(statement: SqlStatement, values?: readonly (Buffer | string | null)[]): Promise<PipelineAnswer>;
  /** Everything sent by `run` leaves in one packet. */
  together<T>(run: () => T): T;
  /** Warnings of the server since the last call. */
  takeWarnings(): readonly string[];
  /** False once the connection is lost. */
  readonly alive: boolean;
  /** Cuts the connection: every waiting answer fails. */
  destroy(): void;
  close(): Promise<void>;
}

const UNPARSED: pg.CustomTypesConfig = { getTypeParser: () => (text: string) => text };

/** @throws StoreError MCA_DATABASE_* */
export async function openPipeline(config: pg.ClientConfig, logger: Logger): Promise<Pipeline> {
  // The caller has a watch of its own over the whole batch; pg would start a timer per statement.
  const client = new pg.Client({ ...config, pipeline: true, query_timeout: 0, types: UNPARSED });
  let alive = true;
  let warnings: string[] = [];
  client.on("error", (error) => {
    alive = false;
    logger.warn({ event: "database.connection-lost", error }, "the ledger's connection to the database was lost");
  });
  client.on("end", () => {
    alive = false;
  });
  client.on("notice", (notice) => {
    if (notice.severity === "WARNING") warnings.push(notice.message ?? "");
  });
  try {
    await client.connect();
  } catch (error) {
    alive = false;
    await client.end().catch(() => {});
    throw toStoreError(error, "connecting");
  }
  const stream = streamOf(client);
  return {
    send({ name, text }, values) {
      const query: pg.QueryArrayConfig = {
        ...(name === "" ? {} : { name }),
        text,
        rowMode: "array",
        ...(values === undefined ? {} : { values: [...values] }),
      };
      // With a callback: what pg puts in its place for a promise lies among V8's old objects, and holds the rows until everything is collected.
      return new Promise((resolve, reject) => {
        client.query<(string | null)[]>(query, (error: Error | null, result) => {
          if (error) reject(toStoreError(error, `the statement ${name === "" ? text : name}`));
          else resolve({ command: result.command, rows: result.rows });
        });
      });
    },
    together(run) {
      stream.cork();
      try {
        return run();
      } finally {
        stream.uncork();
      }
    },
    takeWarnings() {
      const taken = warnings;
      warnings = [];
      return taken;
    },
    get alive() {
      return alive;
    },
    destroy() {
      alive = false;
      stream.destroy();
    },
    async close() {
      alive = false;
      await client.end().catch(() => {});
    },
  };
}

interface ConnectionStream {
  cork(): void;
  uncork(): void;
  destroy(): void;
}

/** pg's types do not show the socket under a client; a test notices when it is no longer there. */
function streamOf(client: pg.Client): ConnectionStream {
  const connection: unknown = "connection" in client ? client.connection : undefined;
  if (typeof connection === "object" && connection !== null && "stream" in connection) {
    const { stream } = connection;
    if (isStream(stream)) return stream;
  }
  throw new TypeError("pg.Client has no connection.stream any more: look at src/ca/store/pipeline.ts");
}

function isStream(value: unknown): value is ConnectionStream {
  return typeof value === "object" && value !== null && "cork" in value && "uncork" in value && "destroy" in value;
}
