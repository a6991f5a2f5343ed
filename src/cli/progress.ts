// Says on a terminal that something is still going on. Nothing on a pipe, nothing on a terminal that cannot clear its line (TERM=dumb),
// nothing for work that is quick. test/foreign/terminal.test.ts looks at it on a real one.
const FIRST_MS = 400;
const STEP_MS = 120;
const FRAMES = ["|", "/", "-", "\\"];

/** Runs `work`, showing `what` and the seconds on standard error if that is a terminal and the work takes long. */
export async function withProgress<T>(what: string, work: () => Promise<T>): Promise<T> {
  if (!process.stderr.isTTY || process.env["TERM"] === "dumb") return work();
  const started = performance.now();
  let frame = 0;
  const timer = setInterval(() => {
    const elapsed = performance.now() - started;
    if (elapsed < FIRST_MS) return;
    process.stderr.write(`\r${FRAMES[frame % FRAMES.length]} ${what}, ${Math.floor(elapsed / 1000)} s\u001b[K`);
    frame += 1;
  }, STEP_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    if (frame > 0) process.stderr.write("\r\u001b[K");
  }
}
