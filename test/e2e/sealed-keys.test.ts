// A server whose keys are sealed: it starts with a passphrase that is wrong or missing, answers, issues nothing, says what to do, and goes
// on when that is done, without a restart. The passphrase is in no answer and no log line.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { initialise } from "../../src/identity-api/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { closeClients, enrol, readyz, startTestServer, type TestServer, testConfig, until } from "./fixture.ts";

const SECRET = "correct horse battery staple";
const WRONG = "incorrect zebra";

const folder = mkdtempSync(join(tmpdir(), "mesh-ca-passphrase-"));
after(() => {
  closeClients();
  rmSync(folder, { recursive: true, force: true });
});

let count = 0;
function passphraseFile(text: string): string {
  const path = join(folder, `passphrase-${++count}`);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const keysOf = (on: TestServer): readonly string[] =>
  readdirSync(join(on.dataDir, "keys")).map((name) => readFileSync(join(on.dataDir, "keys", name), "utf8"));

/** Waits until it issues, or not, and gives the first reason. */
async function reasonOf(on: TestServer): Promise<{ code: string; sentence: string } | undefined> {
  const { status, body } = await readyz(on);
  assert.equal(status === 200, body.reasons.length === 0);
  assert.ok(!JSON.stringify(body).includes(SECRET) && !JSON.stringify(body).includes(WRONG));
  return body.reasons[0];
}

function assertSilent(on: TestServer): void {
  const text = JSON.stringify(on.log.lines, (_key, value) =>
    value instanceof Error ? { ...value, message: value.message, stack: value.stack } : value,
  );
  assert.ok(!text.includes(SECRET) && !text.includes(WRONG), "the passphrase is in the log");
}

test("sealed at init, refused with a wrong or missing passphrase, and taken up when it is mended", async () => {
  const path = passphraseFile(`${SECRET}\n`);
  const on = await startTestServer({ changes: { keys: { passphraseFile: path } } });
  await enrol(on, "before");
  assert.ok(keysOf(on).every((text) => text.startsWith("-----BEGIN ENCRYPTED PRIVATE KEY-----")));
  await on.stop();

  writeFileSync(path, `${WRONG}\n`);
  const wrong = await startTestServer({ again: on });
  const refused = await reasonOf(wrong);
  assert.equal(refused?.code, "MCA_KEY_PASSPHRASE_WRONG");
  assert.match(refused.sentence, /\.pkcs8\.pem/);
  writeFileSync(path, `${SECRET}\n`);
  await until(async () => (await reasonOf(wrong)) === undefined, "the mended passphrase is taken up");
  await until(() => wrong.server.addresses.grpc !== undefined, "the port is open");
  await enrol(wrong, "mended");
  assertSilent(wrong);
  await wrong.stop();

  rmSync(path);
  const missing = await startTestServer({ again: on });
  const told = await reasonOf(missing);
  assert.equal(told?.code, "MCA_KEY_PASSPHRASE_MISSING");
  assert.ok(told.sentence.includes(path), told.sentence);
  await missing.stop();

  // The setting itself is gone: no unsealed key is made, the file and the setting are named.
  const without = await startTestServer({ again: { ...on, config: { ...on.config, keys: { passphraseFile: null } } } });
  const unset = await reasonOf(without);
  assert.equal(unset?.code, "MCA_KEY_PASSPHRASE_MISSING");
  assert.match(unset.sentence, /keys\.passphraseFile/);
  assertSilent(without);
  await without.stop();
  await on.close();
});

test("a credential of systemd serves as well, and init uses it", async () => {
  const credentials = mkdtempSync(join(folder, "credentials-"));
  writeFileSync(join(credentials, "mesh-ca-key-passphrase"), SECRET, { mode: 0o400 });
  process.env["CREDENTIALS_DIRECTORY"] = credentials;
  let on: TestServer | undefined;
  try {
    on = await startTestServer();
    assert.ok(keysOf(on).every((text) => text.includes("ENCRYPTED")));
    await enrol(on, "credential");
    await on.stop();
    delete process.env["CREDENTIALS_DIRECTORY"];
    const without = await startTestServer({ again: on });
    assert.equal((await reasonOf(without))?.code, "MCA_KEY_PASSPHRASE_MISSING");
    await without.stop();
  } finally {
    delete process.env["CREDENTIALS_DIRECTORY"];
    await on?.close();
  }
});

test("a trust domain that was made without a passphrase goes on with one, and the log says what to do", async () => {
  const on = await startTestServer();
  await on.stop();
  const config = { ...on.config, keys: { passphraseFile: passphraseFile(SECRET) } };
  const sealed = await startTestServer({ again: { ...on, config } });
  try {
    await enrol(sealed, "plain");
    const [line, ...more] = sealed.log.of("key.unsealed");
    assert.equal(line?.["level"], "warn");
    assert.equal(more.length, 0);
    assertSilent(sealed);
  } finally {
    await sealed.stop();
    await on.close();
  }
});

test("init without the passphrase that is configured makes no key and no trust domain's authority; mended, it goes on", async () => {
  const database = await createTestDatabase();
  const path = join(folder, "not-there-yet");
  const dataDir = join(mkdtempSync(join(folder, "init-")), "data");
  const base = testConfig(dataDir, { keys: { passphraseFile: path } });
  const config = { ...base, database: { ...base.database, url: database.connectionString } };
  const options = { config, development: true, logger: silentLogger };
  try {
    await assert.rejects(initialise(options), { code: "MCA_KEY_PASSPHRASE_MISSING" });
    assert.deepEqual(readdirSync(join(dataDir, "keys")), []);
    writeFileSync(path, SECRET, { mode: 0o600 });
    await initialise(options);
    assert.equal(readdirSync(join(dataDir, "keys")).length, 1);
  } finally {
    await database.close();
  }
});
