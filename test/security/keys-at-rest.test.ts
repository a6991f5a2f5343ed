// How would I get an authority's key without reading its file? From the database, which many can read, or from what is left of a key
// that was destroyed. Both are looked at after weeks of rotations, with sealed keys and with plain ones.
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { link, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Rotator } from "../../src/ca/authority/index.ts";
import type { Sealing } from "../../src/ca/keys/index.ts";
import { silentLogger, systemRandom } from "../../src/runtime/index.ts";
import { createWorld, makeRequest, type World } from "../ca/issuance/world.ts";

const PASSPHRASE = "correct horse battery staple";
const HOUR = 3600;

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "mesh-ca-at-rest-"));
  await writeFile(join(folder, "passphrase"), `${PASSPHRASE}\n`, { mode: 0o600 });
});
after(() => rm(folder, { recursive: true, force: true }));

const sealing = (): Sealing => ({
  passphrase: { kind: "file", path: join(folder, "passphrase") },
  random: systemRandom,
});

for (const sealed of [false, true]) {
  const kind = sealed ? "sealed" : "unsealed";

  test(`no column of any table ever holds a part of an ${kind} key, or the passphrase`, async () => {
    const world = await createWorld(sealed ? { sealing: sealing() } : {});
    try {
      const files = new Map<string, string>();
      await live(world, async () => {
        for (const name of await readdir(world.keyDirectory)) {
          if (!files.has(name)) files.set(name, await readFile(join(world.keyDirectory, name), "utf8"));
        }
      });
      assert.ok(files.size >= 4, `${files.size} keys`);
      const values = await everyValue(world);
      const secrets = [...files.values()].flatMap(secretsOf);
      secrets.push(...encodings(Buffer.from(PASSPHRASE)));
      for (const { where, bytes } of values) {
        for (const secret of secrets) assert.ok(!bytes.includes(secret), `${where} holds a part of a key`);
      }
      // The search finds what is there: the public halves.
      for (const text of files.values()) {
        const point = encodings(publicPointOf(text));
        assert.ok(
          values.some(({ bytes }) => point.some((each) => bytes.includes(each))),
          "the search is blind",
        );
      }
    } finally {
      await world.close();
    }
  });

  test(`the ${kind} key of each removed authority is overwritten and gone, and the ledger has it`, async () => {
    const world = await createWorld(sealed ? { sealing: sealing() } : {});
    const links = await mkdtemp(join(folder, "links-"));
    try {
      // A second name for the same blocks: it outlives the removal of the first.
      await live(world, async () => {
        for (const name of await readdir(world.keyDirectory)) {
          await link(join(world.keyDirectory, name), join(links, name)).catch((error: NodeJS.ErrnoException) => {
            if (error.code !== "EEXIST") throw error;
          });
        }
      });
      const entries = await world.entries();
      const of = (wanted: string) =>
        entries.filter(({ kind: found }) => found === wanted).map(({ authority }) => String(authority));
      const removed = of("authority.removed");
      assert.ok(removed.length >= 2);
      assert.deepEqual(of("authority.key-destroyed").sort(), removed.toSorted());
      const left = await readdir(world.keyDirectory);
      for (const name of await readdir(links)) {
        const bytes = await readFile(join(links, name));
        const spki = name.slice(0, 64);
        assert.equal(left.includes(name), !removed.includes(spki), name);
        assert.equal(
          bytes.every((octet) => octet === 0),
          removed.includes(spki),
          name,
        );
      }
    } finally {
      await world.close();
    }
  });
}

/** Three weeks of the rotator, a certificate each day; `look` is called after each step. */
async function live(world: World, look: () => Promise<void>): Promise<void> {
  const { authorities, clock, settings } = world;
  const rotator = new Rotator({ authorities, clock, settings, logger: silentLogger });
  for (let hour = 0; hour < 24 * 21; hour += 4) {
    await rotator.tick();
    await look();
    if (hour % 24 === 0) await world.issuer.issueX509Svid(makeRequest());
    clock.advance(4 * HOUR);
  }
}

/** Every value of every column of every table, and each once more with the base64 and hex that it is made of decoded. */
async function everyValue(world: World): Promise<readonly { readonly where: string; readonly bytes: Buffer }[]> {
  const columns = await world.owner.query<{ table: string; column: string }>({
    name: "",
    text: `SELECT format('%I.%I', table_schema, table_name) AS table, format('%I', column_name) AS column
      FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema')`,
  });
  assert.ok(columns.length > 50, `${columns.length} columns`);
  const values: { where: string; bytes: Buffer }[] = [];
  for (const { table, column } of columns) {
    const rows = await world.owner.query<{ text: string | null }>({
      name: "",
      text: `SELECT ${column}::text AS text FROM ${table}`,
    });
    for (const { text } of rows) {
      if (text === null) continue;
      const raw = text.startsWith("\\x") ? Buffer.from(text.slice(2), "hex") : Buffer.from(text);
      const inner = raw.toString("latin1").match(/[A-Za-z0-9+/_-]{24,}={0,2}/g) ?? [];
      const decoded = inner.flatMap((word) => [Buffer.from(word, "base64"), Buffer.from(word, "hex")]);
      values.push({ where: `${table}.${column}`, bytes: Buffer.concat([raw, ...decoded]) });
    }
  }
  return values;
}

/** What of a key file must be nowhere: the private number, and for a sealed file its ciphertext too. */
function secretsOf(text: string): readonly Buffer[] {
  const { d = "" } = keyOf(text).export({ format: "jwk" });
  const body = Buffer.from(text.replace(/-----.*-----/g, ""), "base64");
  const halves = [Buffer.from(d, "base64url"), ...(text.includes("ENCRYPTED") ? [body.subarray(-64, -32)] : [])];
  return halves.flatMap((bytes) => encodings(bytes));
}

function publicPointOf(text: string): Buffer {
  return Buffer.from(keyOf(text).export({ format: "jwk" }).x ?? "", "base64url");
}

function keyOf(text: string) {
  return createPrivateKey(text.includes("ENCRYPTED") ? { key: text, passphrase: PASSPHRASE } : text);
}

function encodings(bytes: Buffer): readonly Buffer[] {
  return [bytes, ...[bytes.toString("hex"), bytes.toString("base64url")].map((each) => Buffer.from(each))];
}
