// Run by `node --test --test-global-setup`: one embedded PostgreSQL for the whole test run.
import { SERVER_ENV, startTestServer, type TestServer } from "./postgres.ts";

let server: TestServer | undefined;

export async function globalSetup(): Promise<void> {
  server = await startTestServer();
  process.env[SERVER_ENV] = server.connectionString;
}

export async function globalTeardown(): Promise<void> {
  await server?.close();
}
