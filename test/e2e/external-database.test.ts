// A whole server, by the command line, on somebody else's PostgreSQL over TLS that is verified in full. The database team runs
// exactly what docs/operations.md prints: its statements and its pg_hba.conf are read from there.
import assert from "node:assert/strict";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { projectRoot } from "../../scripts/lib/command.ts";
import { type CliRun, cli, startCli } from "../cli/run.ts";
import { type ExternalPostgres, startExternalPostgres } from "../support/external-postgres.ts";
import { createRoot } from "../support/pki.ts";
import { temporaryFolder } from "../support/postgres.ts";
import { until } from "./fixture.ts";

const docs = await readFile(join(projectRoot, "docs/operations.md"), "utf8");
const section = docs.slice(docs.indexOf("## A PostgreSQL of your own"));
const block = (language: string): string => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(section)?.[1] ?? "";
const statements = block("sql")
  .split(";")
  .map((text) => text.trim())
  .filter((text) => text !== "");

let postgres: ExternalPostgres;
let folder: string;
const running: CliRun[] = [];

before(async () => {
  assert.ok(statements.length >= 8, "the statements were not found in docs/operations.md");
  folder = await temporaryFolder();
  postgres = await startExternalPostgres(block("text"));
  await postgres.asSuperuser(statements);
});

after(async () => {
  for (const { child, result } of running) {
    child.kill("SIGTERM");
    await result;
  }
  await postgres?.close();
  await rm(folder, { recursive: true, force: true });
});

interface Server {
  /** Path of its configuration file. */
  readonly config: string;
  readonly urlFile: string;
  readonly dataDir: string;
}

/** A configuration file and a data directory of its own; nothing runs yet. */
async function configured(name: string, url: string, changes: Readonly<Record<string, unknown>> = {}): Promise<Server> {
  const dataDir = join(folder, name);
  const urlFile = join(folder, `${name}.url`);
  const config = join(folder, `${name}.json`);
  await writeFile(urlFile, `${url}\n`, { mode: 0o600 });
  const settings = {
    trustDomain: "example.test",
    dataDir,
    listen: {
      grpc: { host: "127.0.0.1", port: 0 },
      https: { host: "127.0.0.1", port: 0 },
      operations: { port: 0 },
    },
    database: { caFile: postgres.caFile },
    issuance: { minTtlSeconds: 5 },
    attestors: { token: { kind: "join-token" } },
    rules: [{ name: "services", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" }],
    ...changes,
  };
  await writeFile(config, JSON.stringify(settings));
  return { config, urlFile, dataDir };
}

const serverUrl = (host?: string): string => postgres.url("mesh_ca_server", "SERVER-PASSWORD", "mesh_ca", host);
const args = (server: Server): string[] => ["--config", server.config, "--database-url-file", server.urlFile];
const socketOf = (server: Server): string[] => ["--socket", join(server.dataDir, "run/admin.sock")];

interface Started {
  readonly run: CliRun;
  /** /readyz of it. */
  ready(): Promise<{ readonly status: number; readonly text: string }>;
  stop(): Promise<void>;
}

/** `mesh-ca server`, once it says that it is up. */
async function start(server: Server): Promise<Started> {
  const run = startCli(["server", ...args(server)]);
  running.push(run);
  const line = (): string | undefined =>
    run
      .stderr()
      .split("\n")
      .find((text) => text.includes('"server.started"'));
  await until(() => line() !== undefined || run.child.exitCode !== null, "the server is up");
  assert.equal(run.child.exitCode, null, run.stderr());
  const { operations } = JSON.parse(line() ?? "{}") as { operations: { host: string; port: number } };
  return {
    run,
    async ready() {
      const answer = await fetch(`http://${operations.host}:${operations.port}/readyz`);
      return { status: answer.status, text: await answer.text() };
    },
    async stop() {
      run.child.kill("SIGTERM");
      await run.result;
    },
  };
}

/** One certificate, by a fresh token: the whole way through the database. */
async function fetchSvid(server: Server, service: string): Promise<void> {
  const reason = ["--reason", "test"];
  const token = await cli(["token", "create", "--attribute", `service=${service}`, ...socketOf(server), ...reason]);
  assert.equal(token.code, 0, token.stderr);
  const out = join(folder, `svid-${service}`);
  const fetched = await cli(["svid", "fetch", "--out", out], { env: { MESH_CA_JOIN_TOKEN: token.stdout.trim() } });
  assert.equal(fetched.code, 0, fetched.stderr);
  assert.match(await readFile(join(out, "current/svid.pem"), "utf8"), /BEGIN CERTIFICATE/);
  const listed = await cli([
    "audit",
    "list",
    "--id",
    `spiffe://example.test/${service}`,
    ...socketOf(server),
    ...reason,
  ]);
  assert.equal(listed.code, 0, listed.stderr);
  assert.match(listed.stdout, new RegExp(`spiffe://example.test/${service}`));
}

let first: Server;

test("what is missing is said step by step: an owner who has not migrated, then an init that has not run", async () => {
  first = await configured("first", serverUrl());
  const early = await cli(["init", ...args(first)]);
  assert.equal(early.code, 1, early.stderr);
  assert.match(early.stderr, /db migrate/);
  const owner = join(folder, "owner.url");
  await writeFile(owner, postgres.url("mesh_ca_owner", "OWNER-PASSWORD", "mesh_ca"), { mode: 0o600 });
  const migrated = await cli(["db", "migrate", "--config", first.config, "--database-url-file", owner]);
  assert.equal(migrated.code, 0, migrated.stderr);
  await mkdir(first.dataDir, { recursive: true, mode: 0o711 });
  const uninitialised = await cli(["server", ...args(first)]);
  assert.notEqual(uninitialised.code, 0);
  assert.match(uninitialised.stderr, /mesh-ca init/);
});

test("init and server over verify-full TLS as a login without the owner's rights; certificates are issued and recorded", async () => {
  const made = await cli(["init", ...args(first)]);
  assert.equal(made.code, 0, made.stderr);
  const server = await start(first);
  assert.deepEqual(await server.ready().then(({ status }) => status), 200);
  await fetchSvid(first, "cart");
  const again = await cli(["init", ...args(first)]);
  assert.match(again.stderr, /MCA_DATA_DIR_IN_USE|MCA_ALREADY_INITIALISED/);
  await server.stop();
});

test("the sessions of a server are encrypted, and what it is logged in as cannot change the ledger", async () => {
  const server = await start(first);
  await postgres.asSuperuser(
    [
      `DO $$ BEGIN ASSERT (SELECT count(*) > 3 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
       WHERE usename = 'mesh_ca_server'); END $$`,
      `DO $$ BEGIN ASSERT NOT has_table_privilege('mesh_ca_server', 'ledger_entry', 'UPDATE, DELETE, TRUNCATE'); END $$`,
    ],
    "mesh_ca",
  );
  await server.stop();
});

test("PostgreSQL is restarted: calls are refused by name meanwhile, and the same server issues again afterwards", async () => {
  const server = await start(first);
  await fetchSvid(first, "before");
  await postgres.stop();
  const token = await cli(["token", "create", "--attribute", "service=x", ...socketOf(first), "--reason", "test"]);
  assert.notEqual(token.code, 0);
  assert.match(token.stderr, /MCA_(LEDGER|DATABASE)_UNAVAILABLE/);
  await postgres.start();
  await until(async () => (await server.ready()).status === 200, "it is ready again", 30_000);
  await fetchSvid(first, "after");
  assert.equal(server.run.child.exitCode, null);
  await server.stop();
});

/** A start that must be refused: what it says. */
async function refused(server: Server): Promise<string> {
  await mkdir(server.dataDir, { recursive: true, mode: 0o711 });
  const { code, stderr } = await cli(["server", ...args(server)]);
  assert.ok(code !== 0 && code !== null, stderr);
  assert.doesNotMatch(stderr, /SERVER-PASSWORD|wrong-password/, "a password in the answer");
  return stderr;
}

test("a database whose certificate is of another CA is refused, and the answer names the setting", async () => {
  const caFile = join(folder, "other-ca.pem");
  await writeFile(caFile, createRoot().pem);
  const answer = await refused(await configured("other-ca", serverUrl(), { database: { caFile } }));
  assert.match(answer, /MCA_DATABASE_UNVERIFIED/);
  assert.match(answer, /database\.caFile/);
});

test("a CA file that is missing is named", async () => {
  const caFile = join(folder, "nowhere.pem");
  const answer = await refused(await configured("no-ca", serverUrl(), { database: { caFile } }));
  assert.match(answer, /database\.caFile \S*nowhere\.pem.*MCA_CONFIG_UNREADABLE/s);
});

test("a CA file without a certificate is named", async () => {
  const caFile = join(folder, "no-certificate.pem");
  await writeFile(caFile, "this is no PEM\n");
  const answer = await refused(await configured("empty-ca", serverUrl(), { database: { caFile } }));
  assert.match(answer, /database\.caFile \S*no-certificate\.pem.*MCA_CONFIG_UNREADABLE/s);
});

test("a database under another name than its certificate's is refused, and the answer names both", async () => {
  const answer = await refused(await configured("other-name", serverUrl("127.0.0.1")));
  assert.match(answer, /MCA_DATABASE_UNVERIFIED/);
  assert.match(answer, /127\.0\.0\.1/);
  assert.match(answer, /localhost/);
});

test("a URL that asks for less than verify-full is refused", async () => {
  const answer = await refused(await configured("no-verify", `${serverUrl()}?sslmode=require`));
  assert.match(answer, /MCA_DATABASE_INSECURE/);
});

test("a wrong password, a login that is not let in and one without the right say what to do", async () => {
  const wrong = await configured("wrong-password", postgres.url("mesh_ca_server", "wrong-password", "mesh_ca"));
  assert.match(await refused(wrong), /password authentication failed.*Check user, password.*MCA_DATABASE_FORBIDDEN/s);
  const elsewhere = await configured("elsewhere", postgres.url("mesh_ca_server", "SERVER-PASSWORD", "postgres"));
  assert.match(await refused(elsewhere), /pg_hba\.conf.*MCA_DATABASE_FORBIDDEN/s);
  await postgres.asSuperuser(["REVOKE mesh_ca_app FROM mesh_ca_server"]);
  try {
    const without = await configured("without", serverUrl());
    assert.match(await refused(without), /GRANT mesh_ca_app TO.*MCA_DATABASE_FORBIDDEN/s);
    const init = await cli(["init", ...args(without)]);
    assert.match(init.stderr, /GRANT mesh_ca_app TO.*MCA_DATABASE_FORBIDDEN/s);
  } finally {
    await postgres.asSuperuser(["GRANT mesh_ca_app TO mesh_ca_server"]);
  }
});

test("a second replica: init is refused, its server answers audit queries, issues nothing and says why", async () => {
  const one = await start(first);
  const second = await configured("second", serverUrl(), { replica: 2 });
  const init = await cli(["init", ...args(second)]);
  assert.equal(init.code, 1, init.stderr);
  assert.match(init.stderr, /MCA_ALREADY_INITIALISED/);
  const two = await start(second);
  const { status, text } = await two.ready();
  assert.equal(status, 503);
  assert.match(text, /MCA_AUTHORITY_MISSING/);
  const listed = await cli(["audit", "list", ...socketOf(second), "--reason", "test"]);
  assert.equal(listed.code, 0, listed.stderr);
  assert.match(listed.stdout, /spiffe:\/\/example\.test\/cart/);
  await fetchSvid(first, "with-two");
  await two.stop();
  const same = await configured("same-number", serverUrl());
  assert.match(await refused(same), /MCA_REPLICA_IN_USE/);
  assert.equal((await one.ready()).status, 200);
  await one.stop();
});
