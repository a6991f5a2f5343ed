// `mesh-ca init`: once, safe to interrupt, private from the first moment on.
import assert from "node:assert/strict";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { initialise, startServer } from "../../src/identity-api/index.ts";
import { type Clock, MeshCaError, silentLogger, systemClock } from "../../src/runtime/index.ts";
import { createTestDatabase, type TestDatabase, temporaryFolder } from "../support/postgres.ts";
import { closeClients, enrol, startTestServer, testConfig } from "./fixture.ts";

after(closeClients);

async function place(changes: Record<string, unknown> = {}, shared?: TestDatabase) {
  const folder = await temporaryFolder();
  const database = shared ?? (await createTestDatabase());
  const config = testConfig(join(folder, "data"), changes);
  return {
    folder,
    database,
    config: { ...config, database: { ...config.database, url: database.connectionString } },
    async close() {
      if (shared === undefined) await database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const quiet = { development: true, logger: silentLogger };

function code(error: unknown): string {
  return error instanceof MeshCaError ? error.code : String(error);
}

test("a second init is refused and changes nothing", async () => {
  const at = await place();
  try {
    const first = await initialise({ config: at.config, ...quiet });
    const keys = readdirSync(join(at.folder, "data", "keys"));
    await assert.rejects(initialise({ config: at.config, ...quiet }), { code: "MCA_ALREADY_INITIALISED" });
    assert.deepEqual(readdirSync(join(at.folder, "data", "keys")), keys);
    const server = await startServer(at.config, { logger: silentLogger });
    await server.close();
    assert.match(first.authority, /^[0-9a-f]{64}$/);
  } finally {
    await at.close();
  }
});

test("init of another trust domain on the same database is refused, and so is one that is no development domain", async () => {
  const at = await place();
  const other = await place({ trustDomain: "other.test" }, at.database);
  const production = await place({}, at.database);
  try {
    await initialise({ config: at.config, ...quiet });
    await assert.rejects(initialise({ config: other.config, ...quiet }), (error: Error) => {
      assert.equal(code(error), "MCA_ALREADY_INITIALISED");
      assert.match(error.message, /example\.test/);
      return true;
    });
    await assert.rejects(initialise({ config: production.config, ...quiet, development: false }), {
      code: "MCA_ALREADY_INITIALISED",
    });
  } finally {
    await other.close();
    await production.close();
    await at.close();
  }
});

class Interrupted extends Error {}

/** A clock that fails at the nth look: a crash at that place. */
function failingClock(calls: number): Clock & { readonly used: number } {
  let used = 0;
  return {
    get used() {
      return used;
    },
    now() {
      if (++used === calls) throw new Interrupted();
      return systemClock.now();
    },
  };
}

test("an init that was interrupted anywhere is simply run again", { timeout: 110_000 }, async () => {
  const counting = failingClock(0);
  const probe = await place();
  await initialise({ config: probe.config, ...quiet, clock: counting });
  await probe.close();
  assert.ok(counting.used >= 4, `only ${counting.used} places to interrupt`);
  let interrupted = 0;
  for (let at = 1; at <= counting.used; at++) {
    const here = await place();
    try {
      try {
        await initialise({ config: here.config, ...quiet, clock: failingClock(at) });
        continue;
      } catch {
        interrupted++;
      }
      await initialise({ config: here.config, ...quiet });
      const server = await startServer(here.config, { logger: silentLogger });
      assert.ok(server.addresses.grpc !== undefined, `interrupted at ${at}: the server does not issue`);
      await server.close();
      const keys = readdirSync(join(here.folder, "data", "keys"));
      assert.equal(keys.length, 1, `interrupted at ${at}: keys left behind: ${keys.join(", ")}`);
    } finally {
      await here.close();
    }
  }
  assert.ok(interrupted >= 3, `${interrupted} interruptions took effect`);
});

test("the data directory, its keys and its socket are private", async () => {
  const on = await startTestServer({ embedded: true });
  try {
    const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
    assert.equal(mode(join(on.dataDir, "keys")), "700");
    assert.equal(mode(on.server.adminSocket), "600");
    assert.equal(mode(on.dataDir), process.getuid?.() === 0 ? "711" : "700");
    for (const key of readdirSync(join(on.dataDir, "keys"))) assert.equal(mode(join(on.dataDir, "keys", key)), "600");
    await enrol(on, "embedded");
  } finally {
    await on.close();
  }
});

test("a data directory that others may write is refused with the command that mends it", async () => {
  const at = await place();
  try {
    await initialise({ config: at.config, ...quiet });
    const { chmodSync } = await import("node:fs");
    chmodSync(join(at.folder, "data"), 0o777);
    await assert.rejects(startServer(at.config, { logger: silentLogger }), (error: Error) => {
      assert.equal(code(error), "MCA_DATA_DIR_UNUSABLE");
      assert.match(error.message, /chmod go-w/);
      return true;
    });
  } finally {
    await at.close();
  }
});

test("a server never initialises: without data directory or trust domain it says so and makes nothing", async () => {
  const at = await place();
  try {
    await assert.rejects(startServer(at.config, { logger: silentLogger }), { code: "MCA_NOT_INITIALISED" });
    assert.equal(existsSync(join(at.folder, "data")), false);
    const { mkdirSync } = await import("node:fs");
    mkdirSync(join(at.folder, "data"), { mode: 0o711 });
    await assert.rejects(startServer(at.config, { logger: silentLogger }), { code: "MCA_NOT_INITIALISED" });
    assert.equal(existsSync(join(at.folder, "data", "keys")), false);
  } finally {
    await at.close();
  }
});

test("lifetimes that the rotation overlap cannot guarantee are refused with the configuration", () => {
  assert.throws(() => testConfig("/nowhere", { authority: { lifetimeSeconds: 86_400 } }), {
    code: "MCA_ROTATION_IMPOSSIBLE",
  });
});
