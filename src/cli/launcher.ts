// bin/mesh-ca.mjs starts the program as a child with a channel that nothing is sent over: when the launcher dies (kill -9 too), the
// channel closes, and the program ends as after SIGTERM instead of living on without anybody who knows of it.

/** Ends this process with its launcher. Does nothing where there is none. */
export function followLauncher(): void {
  if (process.channel === undefined || process.channel === null) return;
  process.channel.unref();
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
}
