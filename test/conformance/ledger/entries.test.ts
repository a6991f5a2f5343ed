// The bytes of the ledger's entries are final: golden vectors hold them, JSON Schemas describe them, and a second writer
// (canonicalize, RFC 8785) and a second hash agree.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import canonicalize from "canonicalize";
import fc from "fast-check";
import { Compile } from "typebox/schema";
import { MAX_ENTRY_BYTES } from "../../../src/ca/ledger/canonical.ts";
import { checkEntry } from "../../../src/ca/ledger/entry-schema.ts";
import type { IntentFields } from "../../../src/ca/ledger/index.ts";
import { encodeOutcomes } from "../../../src/ca/ledger/outcome-queue.ts";
import { encodeSvidEntry, svidEntryFields } from "../../../src/ca/ledger/svid-entry.ts";
import { encodeAll } from "./vectors.ts";

interface Vector {
  readonly name: string;
  /** The entry's bytes as text (UTF-8). */
  readonly entry: string;
  /** SHA-256(0x00 || entry), lower-case hex. */
  readonly leafHash: string;
}

const GOLDEN = new URL("./vectors.json", import.meta.url);
const SCHEMAS = new URL("../../../src/ca/ledger/schema/", import.meta.url);
const golden: readonly Vector[] = JSON.parse(readFileSync(GOLDEN, "utf8"));

function schemaOf(
  kind: string,
): { readonly $id: string; readonly required: readonly string[] } & Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(`${kind}.json`, SCHEMAS), "utf8"));
}

describe("golden vectors", () => {
  for (const { name, entry } of encodeAll()) {
    test(`${name}: the bytes and the leaf hash are those of the vector`, () => {
      const vector = golden.find((item) => item.name === name);
      assert.equal(entry.bytes.toString("utf8"), vector?.entry);
      assert.equal(entry.leafHash.toString("hex"), vector?.leafHash);
    });
  }

  test("every kind that has a schema has a vector, and the other way round", () => {
    const kinds = readdirSync(SCHEMAS).map((file) => file.replace(/\.json$/, ""));
    assert.deepEqual(golden.map(({ name }) => name).sort(), kinds.sort());
  });

  test("RFC 8785 and RFC 9162 2.1.1: canonicalize and another SHA-256 come to the same", () => {
    for (const { name, entry, leafHash } of golden) {
      assert.equal(canonicalize(JSON.parse(entry)), entry, name);
      assert.equal(createHash("sha256").update("\0").update(entry, "utf8").digest("hex"), leafHash, name);
    }
  });

  test("each vector is what its schema says, and is not without any one of its required members or with another", () => {
    for (const { name, entry } of golden) {
      const schema = schemaOf(name);
      const fields: Record<string, unknown> = JSON.parse(entry);
      const validator = Compile(schema);
      assert.ok(validator.Check(fields), `${name}: ${JSON.stringify(validator.Errors(fields)[1])}`);
      assert.equal(schema.$id, `urn:mesh-ca:ledger:v1:${name}`);
      for (const member of schema.required) {
        const { [member]: _left, ...others } = fields;
        assert.equal(validator.Check(others), false, `${name} without ${member}`);
      }
      assert.equal(validator.Check({ ...fields, unknown: 1 }), false, `${name} with a stranger`);
    }
  });

  test("indexes, revisions and sequences are decimal strings; times RFC 3339 in UTC with milliseconds", () => {
    for (const { name, entry } of golden) {
      const fields: Record<string, unknown> = JSON.parse(entry);
      assert.match(String(fields["time"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, name);
      for (const member of ["sequence", "revision"]) {
        if (member in fields) assert.equal(typeof fields[member], "string", `${name}.${member}`);
      }
      for (const [member, value] of Object.entries(fields)) {
        if (typeof value === "number")
          assert.ok(member === "v" || member === "replica", `${name}.${member} is a number`);
      }
    }
  });
});

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((b) => Buffer.from(b).toString("hex"));
const text = fc.string({ unit: "binary", maxLength: 40 }).map((value) => value.replaceAll("\0", " "));
const time = fc.integer({ min: 0, max: 4_102_444_800_000 });
const intent: fc.Arbitrary<IntentFields> = fc.record({
  kind: fc.constantFrom("svid.x509" as const, "svid.probe" as const),
  serial: fc.uint8Array({ minLength: 17, maxLength: 17 }),
  spiffeId: text,
  tbs: fc.uint8Array({ minLength: 1, maxLength: 700 }),
  spkiSha256: hex(32),
  authority: hex(32),
  notBefore: time,
  notAfter: time,
  issuedAt: time,
  requester: text,
  requesterAddress: text,
  requestId: text,
  attestor: fc.option(text, { nil: undefined }),
  attributes: fc.array(fc.tuple(text, text), { maxLength: 6 }).map((pairs) => new Map(pairs)),
  rule: fc.option(fc.record({ name: text, revision: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }) }), { nil: undefined }),
  lineage: fc.oneof(
    fc.constant({ kind: "none" as const }),
    fc.uuid().map((id) => ({ kind: "open" as const, id })),
    fc.uuid().map((id) => ({ kind: "renew" as const, id, presentedSerial: "01" })),
  ),
});

describe("the fast writers", () => {
  test("write every intent byte for byte as canonicalize does", () => {
    fc.assert(
      fc.property(intent, (fields) => {
        assert.equal(encodeSvidEntry(fields).bytes.toString("utf8"), canonicalize(svidEntryFields(fields)));
      }),
      { numRuns: 2_000 },
    );
  });

  test("write every batch of outcomes as canonicalize does", () => {
    const outcome = fc.record({
      logIndex: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
      signature: fc.uint8Array({ minLength: 1, maxLength: 520 }),
      signed: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(outcome, { minLength: 1, maxLength: 20 }), time, (outcomes, now) => {
        const entry = encodeOutcomes(
          outcomes.map(({ logIndex, signature, signed }) =>
            signed ? { logIndex, result: "signed", signature } : { logIndex, result: "failed" },
          ),
          now,
        );
        const fields: { kind: string } = JSON.parse(entry.bytes.toString("utf8"));
        assert.equal(canonicalize(fields), entry.bytes.toString("utf8"));
        checkEntry(fields);
      }),
    );
  });

  test("65,535 bytes fit, one more does not", () => {
    const fields = (length: number): IntentFields => ({
      kind: "svid.x509",
      serial: Uint8Array.of(1),
      spiffeId: "spiffe://e/a",
      tbs: Uint8Array.of(1),
      spkiSha256: "",
      authority: "",
      notBefore: 0,
      notAfter: 0,
      issuedAt: 0,
      requester: "",
      requesterAddress: "",
      requestId: "x".repeat(length),
      attestor: undefined,
      attributes: new Map(),
      lineage: { kind: "none" },
    });
    const overhead = encodeSvidEntry(fields(0)).bytes.length;
    assert.equal(encodeSvidEntry(fields(MAX_ENTRY_BYTES - overhead)).bytes.length, MAX_ENTRY_BYTES);
    assert.throws(() => encodeSvidEntry(fields(MAX_ENTRY_BYTES - overhead + 1)), { code: "MCA_ENTRY_TOO_LARGE" });
  });
});
