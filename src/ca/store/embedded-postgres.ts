// The embedded PostgreSQL: the production database of a single server, run as a child process from the npm-shipped programs.
// A Unix socket only, never TCP. It dies with us, also after kill -9; one data directory has one server; should PostgreSQL
// itself crash, it is started again and recovers.
import { realpath } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../../runtime/index.ts";
import { accountsFor } from "./embedded/account.ts";
import { preparePostgres } from "./embedded/binaries.ts";
import {
  createCluster,
  DATABASE_NAME,
  type DataFolders,
  hasCluster,
  OWNER_ROLE,
  prepareFolders,
  socketFolderOf,
} from "./embedded/data-directory.ts";
import { type Postmaster, type PostmasterOptions, startPostmaster } from "./embedded/postmaster.ts";
import { clusterHolder } from "./embedded/running-postgres.ts";
import { StoreError } from "./errors.ts";

export interface EmbeddedPostgresOptions {
  /** mesh-ca's data directory; PostgreSQL's own is `pg/` in it, its socket lies in `run/pg/`. */
  readonly dataDir: string;
  /** Run initdb where there is no database yet. Only `mesh-ca init` says so. */
  readonly create?: boolean;
  /** Connections that PostgreSQL admits; 40 if unset. */
  readonly maxConnections?: number;
  readonly logger: Logger;
}

export interface EmbeddedPostgres {
  /** As owner of the database, over the Unix socket. */
  readonly connectionString: string;
  /** Process id of PostgreSQL; another one after it crashed and was started again. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** How long a predecessor's PostgreSQL may take to end before it is ended by force. */
const ORPHAN_PATIENCE_MS = 10_000;
const RESTART_DELAYS_MS = [100, 250, 500, 1_000, 2_000, 5_000] as const;

/**
 * Starts PostgreSQL for this data directory; it ends when this process ends, however that happens.
 * @throws StoreError MCA_DATABASE_NOT_INITIALISED, MCA_DATA_DIR_IN_USE, MCA_DATA_DIR_UNREACHABLE, MCA_POSTGRES_FAILED
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { dataDir, create = false, maxConnections = 40, logger } = options;
  const accounts = await accountsFor(dataDir);
  const folders = await prepareFolders(dataDir, accounts);
  const { bin } = await preparePostgres(
    folders.dataDir,
    accounts.server === accounts.initdb ? [accounts.server] : [accounts.server, accounts.initdb],
  );
  if (!(await hasCluster(folders))) {
    if (!create) {
      throw new StoreError(
        "MCA_DATABASE_NOT_INITIALISED",
        `There is no database in ${folders.dataDir}. Run npx mesh-ca init once, or name the right data directory.`,
        { details: { dataDir: folders.dataDir } },
      );
    }
    await createCluster(folders, accounts, { bin });
  }
  const recycledPid = await waitForPredecessor(folders, logger);
  const start: PostmasterOptions = { bin, folders, account: accounts.server, maxConnections, recycledPid, logger };
  return supervise(await startPostmaster(start), start);
}

/** Waits for the PostgreSQL of a server that is gone. Answers an id in postmaster.pid that means nothing any more. */
async function waitForPredecessor(folders: DataFolders, logger: Logger): Promise<number | undefined> {
  for (let waitedMs = 0; ; waitedMs += 20) {
    const holder = clusterHolder(folders.cluster);
    if (holder.kind === "free") return holder.recycledPid;
    if (holder.kind === "in-use") throw inUse(folders, holder.serverPid, holder.postgresPid);
    if (waitedMs === 0 || waitedMs === ORPHAN_PATIENCE_MS) {
      logger.info(
        { event: "postgres.orphan", pid: holder.postgresPid },
        "waiting for the last server's PostgreSQL to end",
      );
      end(holder.postgresPid, waitedMs === 0 ? "SIGINT" : "SIGQUIT");
    }
    if (waitedMs > 2 * ORPHAN_PATIENCE_MS) {
      throw new StoreError(
        "MCA_DATA_DIR_IN_USE",
        `The PostgreSQL of an earlier server (process ${holder.postgresPid}) on ${folders.cluster} does not end. End it by hand: kill -QUIT ${holder.postgresPid}`,
        { details: { pid: String(holder.postgresPid), dataDir: folders.dataDir } },
      );
    }
    await sleep(20);
  }
}

function inUse(folders: DataFolders, serverPid: number | undefined, postgresPid: number): StoreError {
  const who = serverPid === undefined ? `PostgreSQL process ${postgresPid}` : `process ${serverPid}`;
  return new StoreError(
    "MCA_DATA_DIR_IN_USE",
    `Another mesh-ca server (${who}) uses the data directory ${folders.dataDir}. Stop it first, or start this one with a data directory of its own.`,
    { details: { pid: String(serverPid ?? postgresPid), dataDir: folders.dataDir } },
  );
}

function end(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended, or is not ours to end: the wait tells.
  }
}

/** Starts PostgreSQL again whenever it ends unasked. */
function supervise(first: Postmaster, options: PostmasterOptions): EmbeddedPostgres {
  const { folders, logger } = options;
  let current = first;
  const stopping = new AbortController();

  async function restart(): Promise<void> {
    for (let attempt = 0; !stopping.signal.aborted; attempt += 1) {
      const delay = RESTART_DELAYS_MS[Math.min(attempt, RESTART_DELAYS_MS.length - 1)];
      await sleep(delay, undefined, { ref: false, signal: stopping.signal }).catch(() => {});
      try {
        // Only the shell may have died: then PostgreSQL still runs with nobody to end it. Another server's is not ours to end.
        const holder = clusterHolder(folders.cluster);
        if (holder.kind === "in-use" && holder.serverPid !== process.pid) {
          throw inUse(folders, holder.serverPid, holder.postgresPid);
        }
        if (holder.kind !== "free") end(holder.postgresPid, "SIGINT");
        else if (!stopping.signal.aborted) {
          current = await startPostmaster({ ...options, recycledPid: holder.recycledPid });
          logger.warn({ event: "postgres.restarted", pid: current.pid }, "PostgreSQL was started again");
          break;
        }
      } catch (error) {
        logger.error({ event: "postgres.restart-failed", attempt, error }, "PostgreSQL could not be started again");
      }
    }
    watch();
  }

  function watch(): void {
    if (stopping.signal.aborted) return;
    const watched = current;
    void watched.ended.then(() => {
      if (stopping.signal.aborted) return;
      logger.error({ event: "postgres.ended", pid: watched.pid }, "PostgreSQL ended unasked; starting it again");
      restarting = restart();
    });
  }

  let restarting: Promise<void> = Promise.resolve();
  watch();
  return {
    connectionString: connectionStringOf(folders.socketFolder),
    get pid() {
      return current.pid;
    },
    async stop() {
      stopping.abort();
      await restarting;
      await current.stop();
    },
  };
}

/** How a second client reaches the PostgreSQL that a running server holds for this data directory, as owner. */
export async function embeddedConnectionString(dataDir: string): Promise<string> {
  return connectionStringOf(socketFolderOf(await realpath(dataDir)));
}

function connectionStringOf(socketFolder: string): string {
  return `postgresql://${OWNER_ROLE}@/${DATABASE_NAME}?host=${encodeURIComponent(socketFolder)}`;
}
