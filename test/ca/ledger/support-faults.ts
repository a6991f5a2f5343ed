// Faults that we inject on purpose between the ledger and PostgreSQL.
import { mkdir, rm } from "node:fs/promises";
import { createConnection, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Database } from "../../../src/ca/store/index.ts";
import type { Pipeline } from "../../../src/ca/store/pipeline.ts";
import { temporaryFolder } from "../../support/postgres.ts";

/** A database whose pipelines go through `change`. */
export function withPipeline(database: Database, change: (pipeline: Pipeline) => Pipeline): Database {
  return {
    query: (statement, values) => database.query(statement, values),
    transaction: (run) => database.transaction(run),
    databaseNow: () => database.databaseNow(),
    listen: (channel, onNotify) => database.listen(channel, onNotify),
    pipeline: async () => change(await database.pipeline()),
    close: () => database.close(),
  };
}

/** What happens to the next packet that carries a COMMIT of the ledger. */
export type CommitFault =
  /** It never reaches PostgreSQL, and the connection breaks. */
  | "lost-before"
  /** PostgreSQL commits, and the connection breaks before the answer. */
  | "lost-after"
  /** The same, and nobody can connect until `restore`. */
  | "lost-after-for-long"
  /** Nothing goes through any more, in either direction, and nobody is told. */
  | "silence";

export interface FaultyConnection {
  /** Connection string through the proxy. */
  readonly connectionString: string;
  /** The next commits fail like this, in order. */
  readonly faults: CommitFault[];
  /** The same for COMMITs of the pool (administrative transactions). */
  readonly poolFaults: CommitFault[];
  /** Refuses new connections and breaks the present ones. */
  cut(): void;
  restore(): void;
  close(): Promise<void>;
}

const COMMIT = Buffer.from("ledger_commit\0");
const COMMITTED = Buffer.from("COMMIT\0");
const SIMPLE_QUERY = 0x51;

/** A proxy for PostgreSQL's Unix socket. */
export async function faultyConnection(connectionString: string): Promise<FaultyConnection> {
  const target = join(decodeURIComponent(/host=([^&]+)/.exec(connectionString)?.[1] ?? ""), ".s.PGSQL.5432");
  const folder = await temporaryFolder("mesh-ca-proxy-");
  await mkdir(folder, { recursive: true });
  const faults: CommitFault[] = [];
  const poolFaults: CommitFault[] = [];
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = createConnection(target);
    let fault: CommitFault | undefined;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (chunk) => {
      if (fault === undefined && chunk.includes(COMMIT)) fault = faults.shift();
      if (fault === undefined && chunk[0] === SIMPLE_QUERY && chunk.includes(COMMITTED)) fault = poolFaults.shift();
      if (fault === "lost-before") client.destroy();
      else if (fault !== "silence") upstream.write(chunk);
    });
    upstream.on("data", (chunk) => {
      if (fault === "silence") return;
      if (fault === "lost-after" || fault === "lost-after-for-long") {
        if (!chunk.includes(COMMITTED)) return;
        isCut = fault === "lost-after-for-long";
        client.destroy();
        return;
      }
      client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(join(folder, ".s.PGSQL.5432"), resolve);
  });
  return {
    connectionString: connectionString.replace(/host=[^&]+/, `host=${encodeURIComponent(folder)}`),
    faults,
    poolFaults,
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    restore() {
      isCut = false;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
