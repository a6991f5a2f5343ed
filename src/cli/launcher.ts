// bin/mesh-ca.mjs starts the program as a child with a channel: when the launcher dies (kill -9 too), the
// channel closes, and the program ends as after SIGTERM instead of living on without anybody who knows of it.

/** Ends this process with its launcher. Does nothing where there is none. */
export function followLauncher(): void {
  if (process.channel === undefined || process.channel === null) return;
  process.channel.unref();
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
}

/** Tells the launcher of a program that it is to end when this process is killed. Does nothing where there is no launcher. */
export function tellLauncher(application: number): void {
  if (process.channel === undefined || process.channel === null) return;
  process.send?.({ application });
  process.channel.unref();
}
