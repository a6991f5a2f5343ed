// A process that starts the embedded PostgreSQL on argv[2], says so, and then waits to be killed.
import { startEmbeddedPostgres } from "../../../src/ca/store/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";

const dataDir = process.argv[2] ?? "";
try {
  const postgres = await startEmbeddedPostgres({ dataDir, create: true, logger: silentLogger });
  process.stdout.write(`${JSON.stringify({ pid: postgres.pid, connectionString: postgres.connectionString })}\n`);
  process.once("SIGTERM", () => void postgres.stop().then(() => process.exit(0)));
  setInterval(() => {}, 60_000);
} catch (error) {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  process.stdout.write(`${JSON.stringify({ code, message: String(error) })}\n`);
  process.exit(1);
}
