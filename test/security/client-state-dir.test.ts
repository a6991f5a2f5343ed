// Bug class: a state directory that somebody else wrote, can read, or that a crash left half-written.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openStateDir } from "../../src/identity-client/svid-store.ts";
import { WorkloadKey } from "../../src/identity-client/workload-key.ts";
import { createAuthority, createSvid, temporaryDirectory, trustOf } from "../identity-client/helpers.ts";

const insecure = { code: "MCA_CLIENT_STATE_INSECURE" };
const authority = createAuthority();

test("A state directory is made with mode 0700 and its files with 0600, whatever the umask", async (t) => {
  const directory = join(temporaryDirectory(), "state");
  const before = process.umask(0);
  t.after(() => process.umask(before));
  const store = await openStateDir(directory);
  await store.saveTrust(trustOf([authority]));
  await store.savePending({ purpose: "p", key: await WorkloadKey.create("ec-p256") });
  await store.saveSvid({ svid: createSvid(authority), server: "localhost:1", evidence: "e" });
  await store.savePending({ purpose: "p", key: await WorkloadKey.create("ec-p256") });
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  for (const name of ["svid.json", "pending.json", "trust.json"]) {
    assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
  }
  await store.close();
});

test("A directory that others may read is refused", async () => {
  const directory = temporaryDirectory();
  chmodSync(directory, 0o750);
  await assert.rejects(openStateDir(directory), insecure);
});

test("A directory that belongs to another user is refused", { skip: process.geteuid?.() !== 0 }, async () => {
  const directory = temporaryDirectory();
  chownSync(directory, 12_345, 12_345);
  await assert.rejects(openStateDir(directory), insecure);
});

test("A link in place of the directory is refused", async () => {
  const parent = temporaryDirectory();
  mkdirSync(join(parent, "real"), { mode: 0o700 });
  symlinkSync(join(parent, "real"), join(parent, "state"));
  await assert.rejects(openStateDir(join(parent, "state")), insecure);
});

test("A directory below one that everybody may write is refused", async () => {
  const parent = temporaryDirectory();
  chmodSync(parent, 0o777);
  await assert.rejects(openStateDir(join(parent, "state")), insecure);
  chmodSync(parent, 0o1777);
  await (await openStateDir(join(parent, "state"))).close();
});

for (const name of ["svid.json", "pending.json", "trust.json"]) {
  test(`${name} that others may read, that is a link, or that has a second name is refused`, async (t) => {
    const directory = temporaryDirectory();
    const elsewhere = join(temporaryDirectory(), "elsewhere");
    const path = join(directory, name);
    const store = await openStateDir(directory);
    t.after(() => store.close());

    writeFileSync(path, "{}", { mode: 0o640 });
    await assert.rejects(store.load(), insecure);

    chmodSync(path, 0o600);
    linkSync(path, elsewhere);
    await assert.rejects(store.load(), insecure);

    const other = temporaryDirectory();
    const second = await openStateDir(other);
    t.after(() => second.close());
    const target = join(temporaryDirectory(), "target");
    writeFileSync(target, "{}", { mode: 0o600 });
    symlinkSync(target, join(other, name));
    await assert.rejects(second.load(), insecure);
  });
}

test("A half-written file counts as missing, is reported and is left as it is", async (t) => {
  const directory = temporaryDirectory();
  const store = await openStateDir(directory);
  t.after(() => store.close());
  await store.saveTrust(trustOf([authority]));
  await store.saveSvid({ svid: createSvid(authority), server: "localhost:1", evidence: "e" });
  for (const name of ["svid.json", "trust.json"]) {
    const path = join(directory, name);
    const half = readFileSync(path, "utf8").slice(0, 400);
    writeFileSync(path, half);
    const { damage } = await store.load();
    assert.ok(damage.some((error) => "code" in error && error.code === "MCA_CLIENT_STATE_DAMAGED"));
    assert.equal(readFileSync(path, "utf8"), half);
  }
  const { svid, trust, damage } = await store.load();
  assert.equal(svid, undefined);
  assert.equal(trust, undefined);
  assert.equal(damage.length, 2);
});

test("A key that does not belong to the certificate beside it counts as damage", async (t) => {
  const directory = temporaryDirectory();
  const store = await openStateDir(directory);
  t.after(() => store.close());
  await store.saveSvid({ svid: createSvid(authority), server: "localhost:1", evidence: "e" });
  const path = join(directory, "svid.json");
  const fields = JSON.parse(readFileSync(path, "utf8"));
  fields.keyPem = (await WorkloadKey.create("ec-p256")).pem;
  writeFileSync(path, JSON.stringify(fields));
  const { svid, damage } = await store.load();
  assert.equal(svid, undefined);
  assert.equal(damage.length, 1);
});

test("What a crash left of a write is removed at the next start, and the file itself is whole", async (t) => {
  const directory = temporaryDirectory();
  const store = await openStateDir(directory);
  await store.saveTrust(trustOf([authority]));
  await store.close();
  writeFileSync(join(directory, ".svid.json.6f0c.tmp"), '{"version": 1, "keyPem": "-----BEG', { mode: 0o600 });
  const again = await openStateDir(directory);
  t.after(() => again.close());
  const { trust, damage } = await again.load();
  assert.equal(trust?.sequence, 1n);
  assert.deepEqual(damage, []);
  assert.deepEqual(readdirSync(directory).sort(), ["lock", "trust.json"]);
});

test("A second process on one state directory is refused, also while the first is stopped", async (t) => {
  const directory = temporaryDirectory();
  const holder = spawn(process.execPath, ["--input-type=module", "-e", holderProgram(directory)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  await assert.rejects(openStateDir(directory), { code: "MCA_CLIENT_STATE_BUSY" });
  holder.kill("SIGSTOP");
  await assert.rejects(openStateDir(directory), { code: "MCA_CLIENT_STATE_BUSY" });
  holder.kill("SIGKILL");
  await once(holder, "exit");
  assert.ok(existsSync(join(directory, "lock")), "the killed process left its lock");
  await (await openStateDir(directory)).close();
});

test("Of many that take over from a dead process at once, one gets the directory", async () => {
  const directory = temporaryDirectory();
  const dead = spawn(process.execPath, ["--input-type=module", "-e", holderProgram(directory)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(dead.stdout, "data");
  dead.kill("SIGKILL");
  await once(dead, "exit");
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => openStateDir(directory)));
  const taken = results.filter((result) => result.status === "fulfilled");
  assert.equal(taken.length, 1);
  for (const { value } of taken) await value.close();
});

test("A directory whose path is too long for a socket is locked all the same", {
  skip: process.platform !== "linux",
}, async () => {
  const directory = join(temporaryDirectory(), "d".repeat(120));
  const store = await openStateDir(directory);
  await assert.rejects(openStateDir(directory), { code: "MCA_CLIENT_STATE_BUSY" });
  await store.close();
  await (await openStateDir(directory)).close();
});

test("An SVID, its key and its evidence come back as they were saved", async (t) => {
  const directory = temporaryDirectory();
  const store = await openStateDir(directory);
  t.after(() => store.close());
  const svid = createSvid(authority);
  await store.saveSvid({ svid, server: "localhost:8443", evidence: "join-token:00" });
  const { svid: loaded } = await store.load();
  assert.equal(loaded?.svid.keyPem, svid.keyPem);
  assert.equal(loaded?.svid.chainPem, svid.chainPem);
  assert.equal(loaded?.svid.renewAt, svid.renewAt);
  assert.equal(loaded?.svid.logIndex, 7n);
  assert.equal(loaded?.evidence, "join-token:00");
});

test("A pending key survives a restart, and is forgotten once its certificate is kept", async (t) => {
  const directory = temporaryDirectory();
  const store = await openStateDir(directory);
  t.after(() => store.close());
  const key = await WorkloadKey.create("ec-p256");
  await store.savePending({ purpose: "renew:01", key });
  assert.equal((await store.load()).pending?.key.spkiSha256, key.spkiSha256);
  await store.saveSvid({ svid: createSvid(authority), server: "localhost:1", evidence: "e" });
  assert.equal((await store.load()).pending, undefined);
});

function holderProgram(directory: string): string {
  const store = new URL("../../src/identity-client/svid-store.ts", import.meta.url).href;
  return `
    import { openStateDir } from ${JSON.stringify(store)};
    await openStateDir(${JSON.stringify(directory)});
    process.stdout.write("held");
    setInterval(() => {}, 1000);
  `;
}
