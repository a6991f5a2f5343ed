// `mesh-ca demo`: shows the main job on a real server in a temporary folder, and leaves nothing behind, also after Ctrl-C.
import { Command } from "commander";
import { closeOnSignal, silentLogger } from "../../runtime/index.ts";
import { runDemo } from "../demo/scenario.ts";
import { CliError } from "../errors.ts";
import { hint, print, printJson } from "../output.ts";

export function demoCommand(): Command {
  return new Command("demo")
    .description("set up a trust domain in a temporary folder and show enrolment, mTLS, rotation, refusal and audit")
    .option("--json", "print only the result, as JSON")
    .action(run);
}

async function run(options: { readonly json?: boolean }): Promise<void> {
  const abort = new AbortController();
  const stop = async (): Promise<void> => {
    hint("\nStopping and removing the temporary folder.");
    abort.abort();
  };
  // Where the whole group is signalled the same one comes twice; a second Ctrl-C, two seconds later, ends at once.
  void closeOnSignal({ close: stop }, { logger: silentLogger, deadlineMs: 10_000 });
  const started = performance.now();
  try {
    const result = await runDemo(options.json ? () => {} : print, abort.signal);
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    if (options.json) printJson({ ...result, seconds: Number(seconds) });
    else print(`Done in ${seconds} s. The temporary folder is gone.`);
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    throw new CliError("MCA_DEMO_INTERRUPTED", "The demo was interrupted. The temporary folder is gone.");
  }
}
