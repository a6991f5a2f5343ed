// Somebody else's PostgreSQL, as a database team runs one: TCP with TLS, a certificate of a CA of theirs, passwords (scram), and
// nothing of mesh-ca in it. The programs are those of the embedded server; who runs them and how is not.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type Account, accountsFor } from "../../src/ca/store/embedded/account.ts";
import { preparePostgres } from "../../src/ca/store/embedded/binaries.ts";
import { openDatabase, StoreError } from "../../src/ca/store/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { webClientTlsOptions } from "../../src/tls/index.ts";
import { oid } from "../../src/x509/index.ts";
import { chainPem, createIntermediate, createLeaf, createRoot } from "./pki.ts";
import { freePort } from "./ports.ts";
import { temporaryFolder } from "./postgres.ts";

const SUPERUSER = "dba";
const SUPERUSER_PASSWORD = "the password of the database team";
const ENVIRONMENT = { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
const START_TIMEOUT_MS = 20_000;

export interface ExternalPostgres {
  readonly port: number;
  /** PEM file with the CA of its certificate, which names localhost and nothing else. */
  readonly caFile: string;
  url(user: string, password: string, database: string, host?: string): string;
  /** Runs statements as the database team, one after the other. */
  asSuperuser(statements: readonly string[], database?: string): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Starts one on a free port of the loopback interface. `hba` is its whole pg_hba.conf, but for the superuser's line. */
export async function startExternalPostgres(hba: string): Promise<ExternalPostgres> {
  const folder = await temporaryFolder("mesh-ca-external-");
  const cluster = join(folder, "cluster");
  const accounts = await accountsFor(folder);
  const account = accounts.initdb;
  const { bin } = await preparePostgres(folder, [account]);
  const root = createRoot({ subject: "Database CA" });
  const issuing = createIntermediate(root);
  const leaf = createLeaf(issuing, {
    names: [{ kind: "dns", value: "localhost" }],
    extendedKeyUsage: [oid.serverAuth],
  });
  const caFile = join(folder, "database-ca.pem");
  await writeFile(caFile, chainPem(root));
  await mkdir(cluster, { mode: 0o700 });
  await own(cluster, account);
  const put = async (name: string, text: string): Promise<string> => {
    const file = join(folder, name);
    await writeFile(file, text, { mode: 0o600 });
    await own(file, account);
    return file;
  };
  const password = await put("superuser-password", SUPERUSER_PASSWORD);
  const settings = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    ssl: "on",
    ssl_cert_file: await put("server.crt", chainPem(leaf, issuing)),
    ssl_key_file: await put("server.key", leaf.keyPem),
    password_encryption: "scram-sha-256",
    hba_file: await put("pg_hba.conf", `hostssl all ${SUPERUSER} 127.0.0.1/32 scram-sha-256\n${hba}\n`),
  };
  await promisify(execFile)(
    join(bin, "initdb"),
    [`--pgdata=${cluster}`, `--username=${SUPERUSER}`, `--pwfile=${password}`, "--auth=scram-sha-256", "--no-sync"],
    { cwd: folder, env: ENVIRONMENT, ...identity(account) },
  );
  const port = await freePort();
  let child: ChildProcess | undefined;
  const url = (user: string, secret: string, database: string, host = "localhost"): string =>
    `postgresql://${user}:${encodeURIComponent(secret)}@${host}:${port}/${database}`;
  const asSuperuser = async (statements: readonly string[], database = "postgres"): Promise<void> => {
    const tls = webClientTlsOptions({ caPem: chainPem(root) });
    const connectionString = url(SUPERUSER, SUPERUSER_PASSWORD, database);
    const open = await openDatabase({ connectionString, tls, poolSize: 1, logger: silentLogger });
    try {
      for (const text of statements) await open.query({ name: "", text });
    } finally {
      await open.close();
    }
  };
  const start = async (): Promise<void> => {
    const values = Object.entries({ ...settings, port: String(port) });
    child = spawn(
      join(bin, "postgres"),
      ["-D", cluster, ...values.flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      {
        cwd: folder,
        env: ENVIRONMENT,
        stdio: "ignore",
        ...identity(account),
      },
    );
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      try {
        await asSuperuser(["SELECT 1"]);
        return;
      } catch (error) {
        if (!(error instanceof StoreError) || performance.now() > deadline) throw error;
      }
      await sleep(50);
    }
  };
  const stop = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined) return;
    const ended = once(running, "exit");
    running.kill("SIGINT"); // fast: connections are cut
    await ended;
  };
  const close = async (): Promise<void> => {
    await stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return { port, caFile, url, asSuperuser, stop, start, close };
}

function identity({ change, uid, gid }: Account): { uid?: number; gid?: number } {
  return change ? { uid, gid } : {};
}

async function own(path: string, { change, uid, gid }: Account): Promise<void> {
  if (change) await chown(path, uid, gid);
}
