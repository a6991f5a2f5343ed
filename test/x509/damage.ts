// Ways to damage octets, for property tests of readers.
import assert from "node:assert/strict";
import fc from "fast-check";
import { X509Error } from "../../src/x509/index.ts";

/** One way to damage octets. */
export const damage = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bit: fc.nat({ max: 7 }) }),
  fc.record({ kind: fc.constant("set" as const), at: fc.nat(), octet: fc.nat({ max: 255 }) }),
  fc.record({
    kind: fc.constant("insert" as const),
    at: fc.nat(),
    octets: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  }),
  fc.record({ kind: fc.constant("remove" as const), at: fc.nat(), count: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
  fc.record({
    kind: fc.constant("copy" as const),
    at: fc.nat(),
    from: fc.nat(),
    count: fc.integer({ min: 1, max: 64 }),
  }),
);
export type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

/** The octets after it. */
export function apply(input: Uint8Array, change: Damage): Uint8Array {
  const at = change.at % (input.length + 1);
  const bytes = Uint8Array.from(input);
  switch (change.kind) {
    case "flip":
      if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << change.bit);
      return bytes;
    case "set":
      if (at < bytes.length) bytes[at] = change.octet;
      return bytes;
    case "insert":
      return Buffer.concat([bytes.subarray(0, at), change.octets, bytes.subarray(at)]);
    case "remove":
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + change.count)]);
    case "cut":
      return bytes.subarray(0, at);
    case "copy": {
      const from = change.from % (input.length + 1);
      return Buffer.concat([bytes.subarray(0, at), input.subarray(from, from + change.count), bytes.subarray(at)]);
    }
  }
}

/** Runs a reader; only X509Error may come out of it. */
export function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof X509Error)) throw error;
    assert.match(error.code, /^MCA_/);
    assert.ok(error.message.length > 20 && error.message.length < 1000);
    return undefined;
  }
}
