// What work costs, for bounds that a busy machine keeps as well as an idle one.

/** Milliseconds of processor time of all threads of this process. */
export function processCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Milliseconds of processor time that this thread has used so far. Whatever else the machine does meanwhile does not count. */
export function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
