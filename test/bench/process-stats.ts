// CPU time and memory of other processes, from Linux's /proc. The kernel counts CPU time by the scheduler's clock, so the sum
// of user and system time is exact to one tick (10 ms), whatever the sampling; what each thread has run is there in nanoseconds.
import { readdirSync, readFileSync } from "node:fs";

const TICKS_PER_SECOND = 100; // USER_HZ on every Linux that Node runs on

interface Stat {
  readonly parent: number;
  /** Of the process and all its threads, seconds. */
  readonly cpuSeconds: number;
  /** Of children that have ended and were waited for, seconds. */
  readonly childrenCpuSeconds: number;
}

/** CPU time that a process has used so far, its threads included, in seconds. */
export function cpuSecondsOf(pid: number): number {
  const stat = readStat(pid);
  if (stat === undefined) throw new Error(`process ${pid} has ended`);
  return stat.cpuSeconds;
}

/** CPU time of everything below a process, itself excluded, in seconds. Children that have ended meanwhile are included. */
export function cpuSecondsBelow(pid: number): number {
  let sum = 0;
  for (const child of descendants(pid)) {
    const stat = readStat(child);
    if (stat) sum += stat.cpuSeconds + stat.childrenCpuSeconds;
  }
  return sum;
}

/**
 * CPU time of a process and everything below it, in seconds, exact to what runs at this moment. For processes whose threads and children
 * live as long as they do: what an ended one has used is not in it. Falls back to ticks on a kernel without schedstat (proc(5)).
 */
export function exactCpuSeconds(pid: number): number {
  let sum = 0;
  for (const process of [pid, ...descendants(pid)]) sum += threadSeconds(process) ?? cpuSecondsOf(process);
  return sum;
}

function threadSeconds(pid: number): number | undefined {
  try {
    let nanoseconds = 0;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    }
    return nanoseconds > 0 ? nanoseconds / 1e9 : undefined; // zero: the kernel does not count
  } catch {
    return undefined;
  }
}

/** Resident memory of a process in megabytes (2^20 bytes). */
export function residentMegabytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (line === null) throw new Error(`process ${pid} has ended`);
  return Number(line[1]) / 1024;
}

/** Of a process and everything below it. What they share counts in each: to be used for growth. */
export function residentMegabytesOfTree(pid: number): number {
  return [pid, ...descendants(pid)].reduce((sum, process) => sum + residentMegabytes(process), 0);
}

/** The processes below `pid`, at any depth. */
function descendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readStat(Number(name));
    if (stat) children.set(stat.parent, [...(children.get(stat.parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  const queue = [pid];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const below = children.get(next) ?? [];
    found.push(...below);
    queue.push(...below);
  }
  return found;
}

/** /proc/PID/stat (proc_pid_stat(5)); the second field is a name in parentheses that may itself hold spaces and parentheses. */
function readStat(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined; // ended between two reads
  }
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = (index: number): number => Number(fields[index] ?? Number.NaN);
  return {
    parent: ticks(1),
    cpuSeconds: (ticks(11) + ticks(12)) / TICKS_PER_SECOND,
    childrenCpuSeconds: (ticks(13) + ticks(14)) / TICKS_PER_SECOND,
  };
}
