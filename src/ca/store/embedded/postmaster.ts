// One run of PostgreSQL as a child process that cannot outlive us. Between it and us stands a shell whose standard input
// is a pipe from us: when the pipe closes, however we ended, the shell tells PostgreSQL to shut down.
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../../../runtime/index.ts";
import { StoreError } from "../errors.ts";
import type { Account } from "./account.ts";
import { type DataFolders, POSTGRES_ENVIRONMENT } from "./data-directory.ts";
import { lockFile, ownClusterName, readyPid } from "./running-postgres.ts";

// `read` is a builtin: no process is left behind. A background command's input is /dev/null, hence the detour over 3. It begins
// with SIGINT ignored, until PostgreSQL has its own handlers: therefore more than one.
const WRAPPER = `
exec 3<&0 </dev/null
"$@" 3<&- &
postgres=$!
( while read -r _ <&3; do :; done; while kill -INT "$postgres"; do sleep 1; done ) 2>/dev/null &
watcher=$!
exec 3<&-
wait "$postgres"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
`;

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const POLL_MS = 5;
const KEPT_LINES = 20;
/**
 * glibc's malloc keeps up to so much of what a statement has freed (mallopt(3)). By default each batch of the ledger asks the kernel for
 * its memory anew and gives it back: a sixth of what PostgreSQL spends on a certificate. Other libraries of C do not read this.
 */
const KEPT_MEMORY = { MALLOC_TRIM_THRESHOLD_: "16777216", MALLOC_MMAP_THRESHOLD_: "8388608" };

export interface PostmasterOptions {
  readonly bin: string;
  readonly folders: DataFolders;
  readonly account: Account;
  readonly maxConnections: number;
  /** A process id in postmaster.pid that is known not to be PostgreSQL's any more. */
  readonly recycledPid: number | undefined;
  readonly logger: Logger;
}

export interface Postmaster {
  readonly pid: number;
  /** Resolves when the process has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Ends it: fast shutdown, then by force. */
  stop(): Promise<void>;
}

/** Starts PostgreSQL and waits until it answers. @throws StoreError MCA_POSTGRES_FAILED, MCA_DATA_DIR_IN_USE */
export async function startPostmaster(options: PostmasterOptions): Promise<Postmaster> {
  const { account, bin, folders } = options;
  const left = lockFile(folders.cluster); // by a PostgreSQL that was killed
  const child = spawn("/bin/sh", ["-c", WRAPPER, "mesh-ca-postgres", join(bin, "postgres"), ...settings(options)], {
    cwd: folders.cluster,
    // A session of its own: Ctrl-C in the terminal is for us, we then end PostgreSQL last.
    detached: true,
    stdio: ["pipe", "ignore", "pipe"],
    env: {
      ...POSTGRES_ENVIRONMENT,
      ...KEPT_MEMORY,
      ...(options.recycledPid === undefined ? {} : { PG_GRANDPARENT_PID: String(options.recycledPid) }),
    },
    ...(account.change ? { uid: account.uid, gid: account.gid } : {}),
  });
  const lines = collectLog(child, options.logger);
  const ended = childEnd(child);
  const pid = await waitUntilReady(folders.cluster, left, ended, lines);
  child.unref();
  unrefStream(child.stdin);
  unrefStream(child.stderr);
  return { pid, ended, stop: () => stop(child, pid, ended) };
}

function settings({ folders, maxConnections }: PostmasterOptions): string[] {
  const values = {
    cluster_name: ownClusterName(),
    listen_addresses: "",
    unix_socket_directories: folders.socketFolder,
    unix_socket_permissions: "0700",
    max_connections: String(maxConnections),
    // One small process tree: no workers, reads done by the backends themselves.
    io_method: "sync",
    max_worker_processes: "0",
    max_parallel_workers: "0",
    max_logical_replication_workers: "0",
    max_wal_senders: "0",
    jit: "off",
    shared_buffers: "64MB",
    // What was committed survives the machine.
    fsync: "on",
    full_page_writes: "on",
    synchronous_commit: "on",
    wal_level: "replica",
    checkpoint_timeout: "10min",
    max_wal_size: "512MB",
    // Statements may carry what belongs into no log.
    log_min_messages: "warning",
    log_min_error_statement: "panic",
    log_checkpoints: "off",
    log_line_prefix: "",
    logging_collector: "off",
    log_timezone: "UTC",
    timezone: "UTC",
  };
  return ["-D", folders.cluster, ...Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}

function collectLog(child: ChildProcess, logger: Logger): readonly string[] {
  const lines: string[] = [];
  let rest = "";
  child.stderr?.setEncoding("utf8");
  child.stderr?.on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) {
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
      if (/^(FATAL|PANIC|ERROR):/.test(line)) logger.warn({ event: "postgres.log", line }, "PostgreSQL says");
      else logger.debug({ event: "postgres.log", line }, "PostgreSQL says");
    }
  });
  child.stderr?.on("error", () => {});
  child.stdin?.on("error", () => {}); // it ended before us: the end is reported by `ended`
  return lines;
}

function childEnd(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve()); // it could not be started at all
  });
}

async function waitUntilReady(
  cluster: string,
  left: string | undefined,
  ended: Promise<void>,
  lines: readonly string[],
): Promise<number> {
  let over = false;
  const end = ended.then(() => {
    over = true;
  });
  const attempts = START_TIMEOUT_MS / POLL_MS;
  for (let attempt = 0; attempt < attempts && !over; attempt += 1) {
    const pid = readyPid(cluster, left);
    if (pid !== undefined) return pid;
    await Promise.race([end, sleep(POLL_MS)]);
  }
  const said = lines.filter((line) => /^(FATAL|PANIC|HINT|DETAIL):/.test(line)).join(" ");
  const holder = /PID (\d+)/.exec(said)?.[1];
  if (/lock file .* already exists/.test(said) && holder !== undefined) {
    throw new StoreError(
      "MCA_DATA_DIR_IN_USE",
      `Another PostgreSQL (process ${holder}) runs on ${cluster}. Stop its server first, or use another data directory.`,
      { details: { pid: holder, dataDir: cluster } },
    );
  }
  throw new StoreError(
    "MCA_POSTGRES_FAILED",
    over
      ? `The embedded PostgreSQL ended while starting on ${cluster}. It said: ${said === "" ? "nothing" : said}`
      : `The embedded PostgreSQL on ${cluster} was not ready after ${START_TIMEOUT_MS / 1000} s.`,
  );
}

async function stop(child: ChildProcess, pid: number, ended: Promise<void>): Promise<void> {
  child.ref(); // this process must not end before it has seen the child's end
  child.stdin?.destroy();
  const patience = new AbortController();
  void ended.then(() => patience.abort());
  for (const signal of ["SIGQUIT", "SIGKILL"] as const) {
    const over = await sleep(STOP_TIMEOUT_MS, false, { signal: patience.signal }).catch(() => true);
    if (over) return;
    try {
      process.kill(pid, signal);
    } catch {
      return; // it has just ended
    }
  }
  await ended;
}

function unrefStream(stream: object | null | undefined): void {
  // Pipes of a child are sockets; the type does not say so.
  if (stream && "unref" in stream && typeof stream.unref === "function") stream.unref();
}
