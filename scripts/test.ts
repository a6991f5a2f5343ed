// `npm test`: every test below test/ but the bench and the foreign tool chains, in node's own test runner.
//   npm test                          everything
//   npm test -- x509 lineage          the test files whose path contains one of these words
//   npm test -- --test-name-pattern=X-16    flags go to node --test
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot, run, stop, toolEnvironment } from "./lib/command.ts";
import { filesBelow } from "./lib/files.ts";

const GLOBAL_SETUP = "test/support/global-setup.ts";
const APART = ["test/bench/", "test/foreign/"];
const TEST_TIMEOUT_MS = 120_000;
const WHOLE_RUN_TIMEOUT_MS = 15 * 60_000;

const flags = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
const words = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const all = filesBelow("test", (path) => path.endsWith(".test.ts") && !APART.some((folder) => path.startsWith(folder)));
const files = words.length === 0 ? all : all.filter((path) => words.some((word) => path.includes(word)));
if (files.length === 0) {
  stop(
    words.length === 0 ? "No test file was found below test/." : `No test file's path contains: ${words.join(", ")}.`,
  );
}

const setup = existsSync(join(projectRoot, GLOBAL_SETUP)) ? [`--test-global-setup=${GLOBAL_SETUP}`] : [];
// Each of some hundred processes would compile the same sources anew, which is a tenth of the whole run.
const compiled = mkdtempSync(join(tmpdir(), "mesh-ca-test-compiled-"));
const abort = new AbortController();
const watchdog = setTimeout(() => abort.abort(), WHOLE_RUN_TIMEOUT_MS);
const code = await run(
  process.execPath,
  [
    "--test",
    "--test-reporter=spec",
    `--test-timeout=${TEST_TIMEOUT_MS}`,
    `--test-concurrency=${availableParallelism()}`,
    ...setup,
    ...flags,
    ...files,
  ],
  { signal: abort.signal, env: toolEnvironment({ NODE_COMPILE_CACHE: compiled }) },
);
clearTimeout(watchdog);
rmSync(compiled, { recursive: true, force: true });
if (abort.signal.aborted) {
  stop(`The tests were stopped: they had not ended after ${WHOLE_RUN_TIMEOUT_MS / 60_000} minutes.`);
}
if (code !== 0) stop(`Tests failed (node --test ended with ${code}); the failures are listed above.`, code);
