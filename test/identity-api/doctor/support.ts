// A trust domain for the doctor: data directory and database as `init` makes them, without a server unless a test starts one.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type Config, examine, initialise } from "../../../src/identity-api/index.ts";
import { type Clock, silentLogger, systemClock } from "../../../src/runtime/index.ts";
import { testConfig } from "../../e2e/fixture.ts";
import { createTestDatabase, type TestDatabase, temporaryFolder } from "../../support/postgres.ts";

export type CheckResult = Awaited<ReturnType<typeof examine>>["checks"][number];

export interface Patient {
  readonly config: Config;
  readonly dataDir: string;
  readonly database: TestDatabase;
  /** As owner of the database: the damage that a test does. */
  damage(sql: string, values?: readonly Uint8Array[]): Promise<void>;
  close(): Promise<void>;
}

/** Initialised and stopped, on a database of its own. */
export async function createPatient(options: { readonly development?: boolean } = {}): Promise<Patient> {
  const folder = await temporaryFolder();
  const database = await createTestDatabase();
  const plain = testConfig(join(folder, "data"));
  const config: Config = { ...plain, database: { ...plain.database, url: database.connectionString } };
  await initialise({ config, development: options.development ?? false, logger: silentLogger });
  return {
    config,
    dataDir: join(folder, "data"),
    database,
    async damage(text, values = []) {
      await database.owner.query({ name: "", text }, values);
    },
    async close() {
      await database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a check says; `aheadMs`: the clock of this machine is that far ahead of the real time. */
export async function resultsOf(
  config: Config,
  id: string,
  options: { readonly aheadMs?: number; readonly configFile?: string } = {},
): Promise<readonly CheckResult[]> {
  const clock: Clock = { now: () => systemClock.now() + (options.aheadMs ?? 0) };
  const { checks } = await examine({
    config: { kind: "loaded", value: config },
    configFile: options.configFile,
    clock,
  });
  const found = checks.filter((check) => check.id === id);
  if (found.length === 0) throw new Error(`the report has no check ${id}`);
  return found;
}

/** The status of a check and all that it says, as one text. */
export async function verdict(...args: Parameters<typeof resultsOf>): Promise<string> {
  return (await resultsOf(...args))
    .map(({ status, found, expected, command }) => [status, found, expected, command].filter(Boolean).join(" | "))
    .join("\n");
}
