// Starting, stopping, crashing: nothing that was promised is lost, and nothing stays behind.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { initialise, startServer } from "../../src/identity-api/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { createCsr } from "../../src/x509/index.ts";
import { temporaryFolder } from "../support/postgres.ts";
import {
  closeClients,
  connect,
  enrol,
  type Identity,
  identityOf,
  issue,
  listed,
  newKey,
  readyz,
  refusal,
  renew,
  startTestServer,
  type TestServer,
  testConfig,
  until,
} from "./fixture.ts";

after(closeClients);

test("stopping with calls in flight: every call is answered or refused cleanly, and what was answered is recorded and works after the restart", {
  timeout: 90_000,
}, async () => {
  const on = await startTestServer();
  const identities: Identity[] = [];
  for (let n = 0; n < 16; n++) identities.push(await enrol(on, `busy-${n}`));
  const clients = identities.map((identity) => connect(on.address, identity));
  const answered: Identity[] = [];
  const refused: number[] = [];
  let stopping = false;
  const load = clients.map(async (client) => {
    for (;;) {
      try {
        answered.push(await renew(client));
      } catch (error) {
        refused.push((error as { code: number }).code);
        if (stopping) return;
        throw error;
      }
    }
  });
  await until(() => answered.length > 50, "load is flowing");
  stopping = true;
  await on.stop();
  await Promise.all(load);
  assert.ok(
    refused.every((code) => code === status.UNAVAILABLE || code === status.CANCELLED),
    `refused with ${refused.join(", ")}`,
  );
  const again = await startTestServer({ again: on });
  try {
    const recorded = new Map<string, boolean>();
    for (let n = 0; n < 16; n++) {
      for (const row of await listed(again, { spiffeId: `spiffe://example.test/busy-${n}` }))
        recorded.set(row.serial, row.hasOutcome);
    }
    for (const { response } of answered)
      assert.equal(recorded.get(response.serial), true, "answered, recorded and with its outcome");
    const without = [...recorded.values()].filter((hasOutcome) => !hasOutcome);
    assert.equal(without.length, 0, "an orderly stop leaves no intent without an outcome");
    const newest = identities.map(({ response }) =>
      answered.filter((each) => each.response.lineage === response.lineage).at(-1),
    );
    for (const identity of newest) if (identity !== undefined) await renew(connect(again.address, identity));
  } finally {
    await again.close();
  }
});

test("a second server on one data directory is refused, and the first one goes on", async () => {
  const on = await startTestServer();
  try {
    await assert.rejects(startServer(on.config, { logger: silentLogger }), { code: "MCA_DATA_DIR_IN_USE" });
    await enrol(on, "undisturbed");
  } finally {
    await on.close();
  }
});

test("close is safe to call twice and at once", async () => {
  const on = await startTestServer();
  await Promise.all([on.server.close(), on.server.close()]);
  await on.close();
});

/** A server in a process of its own with embedded PostgreSQL, by the same function that the CLI calls. */
class ChildServer {
  readonly configFile: string;
  readonly folder: string;
  child: ChildProcess | undefined;
  started: { grpc: { port: number }; operations: { port: number }; adminSocket: string; pid: number } | undefined;

  constructor(folder: string) {
    this.folder = folder;
    this.configFile = join(folder, "config.json");
  }

  async start(): Promise<void> {
    const program = `
      import { readFileSync } from "node:fs";
      import { parseConfig, startServer } from ${JSON.stringify(new URL("../../src/identity-api/index.ts", import.meta.url).href)};
      import { closeOnSignal, createLogger } from ${JSON.stringify(new URL("../../src/runtime/index.ts", import.meta.url).href)};
      const logger = createLogger({ level: "info" });
      const server = await startServer(parseConfig(JSON.parse(readFileSync(${JSON.stringify(this.configFile)}, "utf8"))), { logger });
      console.log(JSON.stringify({ ...server.addresses, adminSocket: server.adminSocket, pid: process.pid }));
      await closeOnSignal(server, { logger, deadlineMs: 20000 });`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    let errors = "";
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    const line = await Promise.race([
      once(child.stdout, "data"),
      once(child, "exit").then(() => {
        throw new Error(errors);
      }),
    ]);
    this.started = JSON.parse(String(line[0]));
  }

  /** What tests of this file need of a TestServer. */
  get on(): TestServer {
    const { started } = this;
    assert.ok(started !== undefined);
    return {
      server: { addresses: started, adminSocket: started.adminSocket },
      address: `127.0.0.1:${started.grpc.port}`,
    } as unknown as TestServer;
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const { child } = this;
    assert.ok(child !== undefined);
    const exit = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    child.kill(signal);
    await exit;
    return child.exitCode;
  }
}

/** Processes whose command line names the folder. */
function processesOf(folder: string): number[] {
  const { readdirSync } = process.getBuiltinModule("node:fs");
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(folder) && Number(name) !== process.pid;
      } catch {
        return false;
      }
    })
    .map(Number);
}

test("kill -9: no PostgreSQL stays behind, what was answered is there after the restart, and lineages go on", {
  timeout: 110_000,
}, async () => {
  const folder = await temporaryFolder();
  const running = new ChildServer(folder);
  const config = testConfig(join(folder, "data"));
  writeFileSync(running.configFile, JSON.stringify(config));
  await initialise({ config, development: true, logger: silentLogger });
  try {
    await running.start();
    const identities: Identity[] = [];
    for (let n = 0; n < 8; n++) identities.push(await enrol(running.on, `crash-${n}`));
    const answered: Identity[] = [];
    const load = identities.map(async (identity) => {
      const client = connect(running.on.address, identity);
      try {
        for (;;) answered.push(await renew(client));
      } catch {
        // The crash.
      }
    });
    await until(() => answered.length > 40, "load is flowing");
    await running.end("SIGKILL");
    await Promise.all(load);
    closeClients();
    await until(() => processesOf(join(folder, "data")).length === 0, "PostgreSQL has ended too");
    await running.start();
    const serials = new Set<string>();
    for (let n = 0; n < 8; n++) {
      for (const row of await listed(running.on, { spiffeId: `spiffe://example.test/crash-${n}` }))
        serials.add(row.serial);
    }
    for (const { response } of answered) assert.ok(serials.has(response.serial), "recorded before it was signed");
    const again = await enrol(running.on, "after-crash");
    await renew(connect(running.on.address, again));
    for (const identity of identities) {
      const last = answered.filter((each) => each.response.lineage === identity.response.lineage).at(-1) ?? identity;
      await renew(connect(running.on.address, last));
    }
    assert.equal(await running.end("SIGTERM"), 0);
    await until(() => processesOf(join(folder, "data")).length === 0, "nothing stays behind");
  } finally {
    running.child?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});

test("PostgreSQL killed below a running server: calls fail with UNAVAILABLE, and it comes back by itself", {
  timeout: 90_000,
}, async () => {
  const on = await startTestServer({ embedded: true });
  try {
    const identity = await enrol(on, "survivor");
    const pid = Number(readFileSync(join(on.dataDir, "pg", "postmaster.pid"), "utf8").split("\n")[0]);
    process.kill(pid, "SIGKILL");
    await until(
      () =>
        renew(connect(on.address, identity)).then(
          () => true,
          () => false,
        ),
      "renewal works again",
      30_000,
    );
    assert.equal((await readyz(on)).status, 200);
  } finally {
    await on.close();
  }
});

test("a connection ends with the certificate that opened it; the expired one may renew, and only that", {
  timeout: 60_000,
}, async () => {
  const on = await startTestServer();
  try {
    const first = await enrol(on, "sleeper", 5);
    const client = connect(on.address, first);
    const child = await renew(client, newKey(), 5);
    // Past the end of both leaves.
    await sleep(Math.max(0, child.notAfter - Date.now()) + 1_000);
    await until(
      () => client.getChannel().getConnectivityState(false) === 0,
      "the channel is idle: its connection was closed",
    );
    const revived = await renew(connect(on.address, child));
    assert.equal(revived.response.lineage, first.response.lineage);
    const { auditOver, call } = await import("./fixture.ts");
    const { ListIssuancesRequest } = await import("../../src/proto/gen/meshca/identity/v1/admin.ts");
    const audit = auditOver(on.address, child);
    const error = await refusal(call(audit, audit.listIssuances, ListIssuancesRequest.fromPartial({})));
    assert.ok(["MCA_UNAUTHENTICATED", "MCA_FORBIDDEN"].includes(error.mca), error.mca);
  } finally {
    await on.close();
  }
});

test("the server's own SVID is renewed and shown without a dropped connection", { timeout: 60_000 }, async () => {
  const on = await startTestServer({
    changes: { issuance: { minTtlSeconds: 5, defaultTtlSeconds: 8, clockSkewSeconds: 0 } },
  });
  try {
    const identity = await enrol(on, "steady");
    const client = connect(on.address, identity);
    await until(() => on.log.of("server.svid").length >= 3, "the server has renewed twice", 40_000);
    await enrol(on, "later");
    await issue(client, { csr: createCsr({ key: newKey() }) }).catch(() => {});
    assert.equal(on.log.of("server.port_closed").length, 0);
    assert.equal(on.log.of("server.port_open").length, 1);
  } finally {
    await on.close();
  }
});

test("a certificate from a retried enrolment survives a restart of the server", async () => {
  const on = await startTestServer();
  const identity = await enrol(on, "restart");
  await on.stop();
  const again = await startTestServer({ again: on });
  try {
    const renewed = await renew(connect(again.address, identity));
    assert.equal(renewed.response.lineage, identity.response.lineage);
    assert.ok(identityOf(renewed.response, renewed.key).notAfter > 0);
  } finally {
    await again.close();
  }
});
