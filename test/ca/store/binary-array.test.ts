// Arrays in binary format, as PostgreSQL itself reads them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import {
  byteaArray,
  float8Array,
  hexArray,
  int8Array,
  textArray,
  timeArray,
  uuidArray,
} from "../../../src/ca/store/binary-array.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";

let database: TestDatabase;
before(async () => {
  database = await createTestDatabase();
});
after(() => database.close());

async function readBack(type: string, array: Buffer): Promise<readonly unknown[]> {
  const rows = await database.app.query<{ value: unknown }>(
    { name: "", text: `SELECT value FROM unnest($1::${type}[]) WITH ORDINALITY x (value, n) ORDER BY n` },
    [array],
  );
  return rows.map(({ value }) => value);
}

const itself = <T>(value: T): T => value;
const optional = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.array(fc.option(arbitrary, { nil: undefined }), { maxLength: 12 });
const nulls = (values: readonly unknown[]) => values.map((value) => value ?? null);
const runs = { numRuns: 60 };

test("int8, with NULL, to the last digit", async () => {
  const property = fc.asyncProperty(optional(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })), async (values) => {
    assert.deepEqual(await readBack("int8", int8Array(values, itself)), nulls(values));
  });
  await fc.assert(property, runs);
});

test("timestamptz, to the millisecond, before and after 2000", async () => {
  const time = fc.integer({ min: Date.UTC(1950, 0), max: Date.UTC(9999, 0) });
  const property = fc.asyncProperty(optional(time), async (values) => {
    assert.deepEqual(await readBack("timestamptz", timeArray(values, itself)), nulls(values));
  });
  await fc.assert(property, runs);
});

test("text of any well-formed characters but NUL", async () => {
  const text = fc.string({ unit: "binary", maxLength: 50 }).map((value) => value.replaceAll("\0", "").toWellFormed());
  const property = fc.asyncProperty(optional(text), async (values) => {
    assert.deepEqual(await readBack("text", textArray(values, itself)), nulls(values));
  });
  await fc.assert(property, runs);
});

test("bytea, from bytes and from hex", async () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  const property = fc.asyncProperty(optional(bytes), async (values) => {
    const hex = values.map((value) => (value === undefined ? undefined : Buffer.from(value).toString("hex")));
    for (const array of [byteaArray(values, itself), hexArray(hex, itself)]) {
      const read = await readBack("bytea", array);
      assert.deepEqual(
        read.map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : null)),
        nulls(hex),
      );
    }
  });
  await fc.assert(property, runs);
});

test("uuid and float8", async () => {
  const property = fc.asyncProperty(
    optional(fc.uuid()),
    fc.array(fc.double({ noNaN: true }), { maxLength: 8 }),
    async (uuids, numbers) => {
      assert.deepEqual(await readBack("uuid", uuidArray(uuids, itself)), nulls(uuids));
      assert.deepEqual(await readBack("float8", float8Array(numbers, itself)), numbers);
    },
  );
  await fc.assert(property, runs);
});
