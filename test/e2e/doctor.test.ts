// `mesh-ca doctor` as an operator runs it: beside a server with its embedded database, on a stopped one, and on ruins. It never fails
// to answer, and never changes anything.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, before, describe, test } from "node:test";
import { readProjectFile } from "../../scripts/lib/files.ts";
import { CHECK_IDS, type DoctorReport } from "../../src/identity-api/index.ts";
import { type CliResult, cli } from "../cli/run.ts";
import { temporaryFolder } from "../support/postgres.ts";
import { ServerProcess } from "../support/server-process.ts";

/** Every file below a folder: mode, owner, time of change, content. */
function fingerprint(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return new Map(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { mode, uid, mtimeMs, ctimeMs, size } = lstatSync(path);
      const content = entry.isFile() ? createHash("sha256").update(readFileSync(path)).digest("hex") : "";
      return [relative(folder, path), `${mode} ${uid} ${mtimeMs} ${ctimeMs} ${size} ${content}`];
    }),
  );
}

function reportOf({ stdout, stderr }: CliResult): DoctorReport {
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout);
}

const statusOf = ({ checks }: DoctorReport, id: string) => checks.find((check) => check.id === id)?.status;

describe("the doctor", () => {
  let folder: string;
  let config: string;
  let server: ServerProcess;
  const doctor = (...args: string[]): Promise<CliResult> => cli(["doctor", "--config", config, ...args]);

  before(async () => {
    folder = await temporaryFolder("mesh-ca-doctor-test-");
    config = join(folder, "mesh-ca.yaml");
    server = await ServerProcess.initialise(folder, {
      main: "src/cli/main.ts",
      trustDomain: "example.test",
      config: { attestors: { token: { kind: "join-token" } } },
    });
    server.spawn();
    await server.ready();
  });
  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("beside a server: all is well, exit code 0, every check answers, and the embedded database was asked", async () => {
    const result = await doctor("--json");
    assert.equal(result.code, 0, result.stdout + result.stderr);
    const report = reportOf(result);
    assert.equal(report.status, "ok");
    assert.equal(report.trustDomain, "example.test");
    assert.deepEqual([...new Set(report.checks.map(({ id }) => id))], CHECK_IDS);
    const skipped = report.checks.filter(({ status }) => status === "skipped").map(({ id }) => id);
    assert.deepEqual(
      // The HTTPS listener's port is any free one here, so that nobody can ask it by the configuration.
      skipped.filter((id) => !/^(roots\.dedicated|recovery\.|server\.watchers|upstream\.|bundle\.endpoint)/.test(id)),
      [],
    );
    assert.match(
      report.checks.find(({ id }) => id === "database.reachable")?.found ?? "",
      /the server's own PostgreSQL/,
    );
  });

  test("for people it is a table, what to mend below it, and a sum; a warning alone is exit code 5, accepted it is 0", async () => {
    const short = ["--set", "operations.recoveryTimeSeconds=86400"];
    const warned = await doctor(...short);
    assert.equal(warned.code, 5, warned.stdout);
    assert.match(warned.stdout, /^STATUS +CHECK +FOUND\nok +config +/);
    assert.match(warned.stdout, /\nWARNING recovery\.leaf-lifetime\nfound +.*\nexpected +.*\nwhat helps +.*\n/);
    assert.match(warned.stdout, /\n\d+ ok, 1 warning, 0 failed, \d+ skipped\n$/);
    const accepted = await doctor(...short, "--accept", "recovery.leaf-lifetime");
    assert.equal(accepted.code, 0, accepted.stdout);
    assert.match(accepted.stdout, /warning \(accepted\) +recovery\.leaf-lifetime/);
    const unknown = await doctor("--accept", "everything");
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /there is no such check/);
  });

  test("beside a stopped server a copy of the database is looked at; no byte of the data directory changes, no copy stays", async () => {
    await server.stop();
    const copies = (): string[] =>
      readdirSync(tmpdir()).filter(
        (name) => name.startsWith("mesh-ca-doctor-") && !name.startsWith("mesh-ca-doctor-test-"),
      );
    const [before, old] = [fingerprint(join(folder, "data")), copies()];
    const result = await doctor("--json");
    assert.equal(result.code, 0, result.stdout + result.stderr);
    const report = reportOf(result);
    assert.match(report.checks.find(({ id }) => id === "database.reachable")?.found ?? "", /temporary copy/);
    for (const id of ["ledger.head", "authority.active", "keys.match"]) assert.equal(statusOf(report, id), "ok", id);
    assert.equal(statusOf(report, "server.ready"), "skipped");
    assert.deepEqual(fingerprint(join(folder, "data")), before);
    assert.deepEqual(copies(), old);
  });

  test("after a kill -9 of everything the copy recovers, and the original is as the crash left it", async () => {
    server.spawn();
    await server.ready();
    await server.tokens(["before-the-crash"]);
    await server.kill();
    const before = fingerprint(join(folder, "data", "pg"));
    const result = await doctor("--json");
    assert.equal(statusOf(reportOf(result), "ledger.head"), "ok", result.stdout);
    assert.deepEqual(fingerprint(join(folder, "data", "pg")), before);
  });

  test("on ruins it answers: no data directory, no database, a damaged one, no keys, no configuration", async () => {
    const nowhere = await doctor("--json", "--data-dir", join(folder, "nowhere"));
    assert.equal(nowhere.code, 1, nowhere.stderr);
    assert.equal(statusOf(reportOf(nowhere), "files.data-dir"), "failed");
    assert.equal(statusOf(reportOf(nowhere), "database.reachable"), "failed");
    assert.throws(() => lstatSync(join(folder, "nowhere")), "it made nothing");

    const empty = join(folder, "empty");
    mkdirSync(empty, { mode: 0o711 });
    const without = await doctor("--json", "--data-dir", empty);
    assert.equal(without.code, 1);
    assert.equal(statusOf(reportOf(without), "database.reachable"), "failed");
    assert.deepEqual(readdirSync(empty), []);

    mkdirSync(join(empty, "pg"), { mode: 0o700 });
    writeFileSync(join(empty, "pg", "PG_VERSION"), "18\n");
    writeFileSync(join(empty, "keys"), "no folder");
    const damaged = await doctor("--json", "--data-dir", empty);
    assert.equal(damaged.code, 1, damaged.stderr);
    assert.match(damaged.stdout, /MCA_POSTGRES_FAILED/);

    const broken = join(folder, "broken.yaml");
    writeFileSync(broken, "trustDomain: [");
    const unreadable = await cli(["doctor", "--config", broken, "--json"]);
    assert.equal(unreadable.code, 2);
    assert.equal(statusOf(reportOf(unreadable), "config"), "failed");
    assert.equal((await cli(["doctor", "--config", join(folder, "none.yaml"), "--json"])).code, 2);
  });

  test("docs/doctor.md names every check, and no other", () => {
    const page = readProjectFile("docs/doctor.md");
    const table = page.slice(page.indexOf("## The checks"));
    const named = [...table.matchAll(/^\| `([a-z.-]+)` \|/gm)].map(([, id]) => id);
    assert.deepEqual(named, [...CHECK_IDS]);
  });
});
