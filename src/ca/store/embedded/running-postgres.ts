// Who holds a cluster? PostgreSQL writes its process id into postmaster.pid, and we put the id of the server that started it into
// its command line (cluster_name). So a second server can be told whose the directory is, and a server that comes back
// after a kill -9 knows that it only has to wait for its predecessor's PostgreSQL to end.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const NAME_PREFIX = "mesh-ca";

/** The cluster_name that tells who started PostgreSQL. */
export function ownClusterName(): string {
  return `${NAME_PREFIX}-${process.pid}-${startTimeOf(process.pid) ?? "0"}`;
}

export type ClusterHolder =
  /** Nobody. `recycledPid`: a dead PostgreSQL's id that now belongs to a process that is not PostgreSQL. */
  | { readonly kind: "free"; readonly recycledPid: number | undefined }
  /** A PostgreSQL whose server still runs. */
  | { readonly kind: "in-use"; readonly postgresPid: number; readonly serverPid: number | undefined }
  /** A PostgreSQL whose server is gone: it is ending, or has to be ended. */
  | { readonly kind: "orphan"; readonly postgresPid: number };

export function clusterHolder(cluster: string): ClusterHolder {
  const pid = postmasterPid(cluster);
  if (pid === undefined) return { kind: "free", recycledPid: undefined };
  const command = commandOf(pid);
  if (command === undefined) return { kind: "free", recycledPid: undefined };
  if (!command.includes(cluster)) return { kind: "free", recycledPid: pid };
  const match = new RegExp(`cluster_name=${NAME_PREFIX}-(\\d+)-(\\d+)`).exec(command);
  if (match === null) return { kind: "in-use", postgresPid: pid, serverPid: undefined };
  const [, server = "", startTime = ""] = match;
  const serverPid = Number(server);
  const alive = commandOf(serverPid) !== undefined && (startTimeOf(serverPid) ?? startTime) === startTime;
  return alive ? { kind: "in-use", postgresPid: pid, serverPid } : { kind: "orphan", postgresPid: pid };
}

/** The id in postmaster.pid, whoever has it now. */
function postmasterPid(cluster: string): number | undefined {
  return Number(lockFile(cluster)?.split("\n")[0]) || undefined;
}

/**
 * The process id once the PostgreSQL that this process has started answers. `left`: the lock file as it was before the start, which says
 * nothing about this one; and one that another server has started at the same moment is that server's.
 */
export function readyPid(cluster: string, left: string | undefined): number | undefined {
  const text = lockFile(cluster);
  if (text === undefined || text === left) return undefined;
  const lines = text.split("\n");
  const pid = lines[7]?.trim() === "ready" ? Number(lines[0]) : 0;
  const ours = new RegExp(`cluster_name=${ownClusterName()}(?!\\d)`);
  return pid > 0 && ours.test(commandOf(pid) ?? "") ? pid : undefined;
}

export function lockFile(cluster: string): string | undefined {
  try {
    return readFileSync(join(cluster, "postmaster.pid"), "utf8");
  } catch {
    return undefined;
  }
}

/** The command line of a live process, or undefined. */
function commandOf(pid: number): string | undefined {
  try {
    if (process.platform === "linux") {
      const text = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return text === "" ? undefined : text; // a zombie has none
    }
    return execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
  } catch {
    return undefined;
  }
}

/** When a process started, in ticks since boot (Linux); tells a recycled id from the process that had it. */
function startTimeOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
