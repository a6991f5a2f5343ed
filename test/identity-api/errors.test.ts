import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { glob } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { status } from "@grpc/grpc-js";
import { StoreError } from "../../src/ca/index.ts";
import { describeError, errorTable, toServiceError } from "../../src/identity-api/errors.ts";
import { RegistryError } from "../../src/identity-api/registry/index.ts";
import { MeshCaError } from "../../src/runtime/index.ts";

const SRC = join(import.meta.dirname, "../../src");

/** Length-delimited fields of a message by number; varints as numbers. */
function fields(bytes: Uint8Array): ReadonlyMap<number, readonly (Uint8Array | number)[]> {
  const reader = new BinaryReader(bytes);
  const found = new Map<number, (Uint8Array | number)[]>();
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const value = wireType === 0 ? reader.int32() : reader.bytes();
    found.set(number, [...(found.get(number) ?? []), value]);
  }
  return found;
}

function text(value: Uint8Array | number | undefined): string {
  assert(value instanceof Uint8Array);
  return Buffer.from(value).toString("utf8");
}

/** google.rpc.Status and its ErrorInfo, read by hand from what went into the trailer. */
function readStatus(error: unknown) {
  const [bytes] = toServiceError(error).metadata.get("grpc-status-details-bin");
  assert(bytes instanceof Uint8Array);
  const outer = fields(bytes);
  const any = outer.get(3)?.[0];
  assert(any instanceof Uint8Array);
  const [url, info] = [fields(any).get(1)?.[0], fields(any).get(2)?.[0]];
  assert(info instanceof Uint8Array);
  const inner = fields(info);
  const metadata = (inner.get(3) ?? []).map((entry) => {
    assert(entry instanceof Uint8Array);
    return [text(fields(entry).get(1)?.[0]), text(fields(entry).get(2)?.[0])];
  });
  return {
    code: outer.get(1)?.[0],
    message: text(outer.get(2)?.[0]),
    url: text(url),
    reason: text(inner.get(1)?.[0]),
    domain: text(inner.get(2)?.[0]),
    metadata: Object.fromEntries(metadata),
  };
}

const gone = new RegistryError("MCA_RULE_GONE", "The rule was deleted.", { details: { rule: "cart" } });

test("an error becomes its status, its sentence, and the trailer mca-code", () => {
  const error = toServiceError(gone);
  assert.equal(error.code, status.PERMISSION_DENIED);
  assert.equal(error.details, "The rule was deleted.");
  assert.deepEqual(error.metadata.get("mca-code"), ["MCA_RULE_GONE"]);
});

test("grpc-status-details-bin holds a google.rpc.Status with an ErrorInfo", () => {
  assert.deepEqual(readStatus(gone), {
    code: status.PERMISSION_DENIED,
    message: "The rule was deleted.",
    url: "type.googleapis.com/google.rpc.ErrorInfo",
    reason: "MCA_RULE_GONE",
    domain: "mesh-ca",
    metadata: { rule: "cart" },
  });
});

test("an error that is not ours becomes MCA_INTERNAL and tells nothing of what went wrong inside", () => {
  class Foreign extends MeshCaError {}
  for (const error of [
    new TypeError("secret /var/lib/keys"),
    new Foreign("MCA_NOT_IN_THE_TABLE", "secret"),
    new Foreign("MCA_constructor" as `MCA_${string}`, "secret"),
    "secret",
    undefined,
    { code: "MCA_RULE_GONE", message: "secret" },
  ]) {
    const { code, details, metadata } = toServiceError(error);
    assert.equal(code, status.INTERNAL);
    assert.deepEqual(metadata.get("mca-code"), ["MCA_INTERNAL"]);
    assert.doesNotMatch(details + JSON.stringify(readStatus(error)), /secret/);
  }
});

test("an error about the server's inside keeps its code and hides its sentence and details", () => {
  const error = new StoreError("MCA_DATABASE_UNAVAILABLE", "db-7.internal refuses", {
    details: { host: "db-7.internal" },
  });
  const described = describeError(error);
  assert.equal(described.code, "MCA_DATABASE_UNAVAILABLE");
  assert.equal(described.grpc, status.UNAVAILABLE);
  assert.doesNotMatch(JSON.stringify([described, readStatus(error)]), /db-7/);
});

test("trailers stay small whatever the error holds", () => {
  const details = Object.fromEntries(
    Array.from({ length: 200 }, (_, index) => [`name${index}`.repeat(50), "\ud800ä".repeat(5000)]),
  );
  const error = new RegistryError("MCA_RULE_INVALID", "ä".repeat(100_000), { details });
  const { metadata, details: sentence } = toServiceError(error);
  const [bytes] = metadata.get("grpc-status-details-bin");
  assert(bytes instanceof Uint8Array && bytes.length < 3072, `${bytes?.length} bytes`);
  assert(Buffer.byteLength(sentence) <= 1024 && sentence.isWellFormed());
  assert(sentence.endsWith("…"));
});

test("every code that the source names has a row, but for those of the client, the proxy and the command line", async () => {
  const apart = ["identity-client/", "proxy-tls/", "cli/", "proto/"];
  const missing: string[] = [];
  let files = 0;
  for await (const file of glob("**/*.ts", { cwd: SRC })) {
    if (apart.some((folder) => file.startsWith(folder))) continue;
    files++;
    const source = readFileSync(join(SRC, file), "utf8");
    for (const [, code = ""] of source.matchAll(/"(MCA_[A-Z0-9_]+)"/g)) {
      if (!Object.hasOwn(errorTable, code)) missing.push(`${code} in ${file}`);
    }
  }
  assert(files > 50);
  assert.deepEqual(missing, []);
});

test("statuses fit each other: what gRPC calls the caller's fault is 4xx, the server's 5xx", () => {
  const ours: readonly number[] = [status.UNAVAILABLE, status.INTERNAL, status.DEADLINE_EXCEEDED];
  for (const [code, { grpc, http, forCallers }] of Object.entries(errorTable)) {
    if (grpc === status.FAILED_PRECONDITION) continue;
    assert.equal(http >= 500, ours.includes(grpc), code);
    // A sentence may be hidden only where the caller can do nothing about it.
    if (!forCallers) assert(http >= 500, code);
  }
});
