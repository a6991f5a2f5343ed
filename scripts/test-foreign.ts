// `npm run test:foreign`: other people's programs look at what we issue. Each test file below test/foreign needs programs
// that may not be on this machine; what is missing is said loudly, and only that is skipped.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { findProgram, projectRoot, run, stop, versionOf } from "./lib/command.ts";

interface ForeignTest {
  readonly file: string;
  readonly needs: readonly { readonly program: string; readonly versionArgs: readonly string[] }[];
}

const tests: readonly ForeignTest[] = [
  { file: "test/foreign/openssl.test.ts", needs: [{ program: "openssl", versionArgs: ["version"] }] },
  { file: "test/foreign/pki-samples.test.ts", needs: [{ program: "openssl", versionArgs: ["version"] }] },
  { file: "test/foreign/revocation.test.ts", needs: [{ program: "openssl", versionArgs: ["version"] }] },
  { file: "test/foreign/sealed-keys.test.ts", needs: [{ program: "openssl", versionArgs: ["version"] }] },
  { file: "test/foreign/enterprise-pki.test.ts", needs: [{ program: "openssl", versionArgs: ["version"] }] },
  { file: "test/foreign/disaster-recovery.test.ts", needs: [{ program: "openssl", versionArgs: ["version"] }] },
  { file: "test/foreign/terminal.test.ts", needs: [{ program: "script", versionArgs: ["--version"] }] },
  { file: "test/foreign/authority-year.test.ts", needs: [{ program: "openssl", versionArgs: ["version"] }] },
  { file: "test/foreign/go.test.ts", needs: [{ program: "go", versionArgs: ["version"] }] },
  { file: "test/foreign/proxy-http1.test.ts", needs: [{ program: "go", versionArgs: ["version"] }] },
  { file: "test/foreign/h2spec.test.ts", needs: [{ program: "go", versionArgs: ["version"] }] },
  {
    file: "test/foreign/path-verdict.test.ts",
    needs: [
      { program: "go", versionArgs: ["version"] },
      { program: "openssl", versionArgs: ["version"] },
    ],
  },
];
const GLOBAL_SETUP = "test/support/global-setup.ts";
const TEST_TIMEOUT_MS = 300_000;

const runnable: string[] = [];
const skipped: string[] = [];
const versions = new Set<string>();
for (const test of tests) {
  const missing = test.needs.filter((need) => findProgram(need.program) === undefined).map((need) => need.program);
  if (missing.length > 0) {
    skipped.push(`${test.file}: ${missing.join(" and ")} not found in PATH`);
    continue;
  }
  for (const { program, versionArgs } of test.needs) {
    if (versions.has(program)) continue;
    versions.add(program);
    console.log(`${program}: ${versionOf(program, versionArgs) ?? "version unknown"}`);
  }
  runnable.push(test.file);
}

let code = 0;
if (runnable.length > 0) {
  const setup = existsSync(join(projectRoot, GLOBAL_SETUP)) ? [`--test-global-setup=${GLOBAL_SETUP}`] : [];
  code = await run(process.execPath, [
    "--test",
    "--test-reporter=spec",
    `--test-timeout=${TEST_TIMEOUT_MS}`,
    ...setup,
    ...runnable,
  ]);
}
for (const reason of skipped) console.error(`\nSKIPPED  ${reason}. Nothing was proved about this tool chain.`);
if (code !== 0) stop(`Foreign tests failed (node --test ended with ${code}).`, code);
if (runnable.length === 0) console.error("\nSKIPPED  all of test:foreign: none of its tool chains is on this machine.");
