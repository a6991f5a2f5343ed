// Properties of the SPIFFE ID parser: it accepts exactly the grammar, and gives back exactly what it read.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { idRole, probeId, SpiffeError, SpiffeId, serverId, TrustDomain } from "../../src/spiffe/index.ts";
import { cpuMs } from "../support/cpu.ts";

const characters = (text: string): fc.Arbitrary<string> => fc.constantFrom(...text);
const LOWER = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
const trustDomain = fc.string({ unit: characters(LOWER), minLength: 1, maxLength: 255 });
const segment = fc
  .string({ unit: characters(`${LOWER}ABCDEFGHIJKLMNOPQRSTUVWXYZ`), minLength: 1, maxLength: 40 })
  .filter((text) => text !== "." && text !== "..");
const path = fc.array(segment, { maxLength: 12 }).map((segments) => segments.map((text) => `/${text}`).join(""));

test("every ID in the grammar is read and printed back unchanged", () => {
  fc.assert(
    fc.property(trustDomain, path, (name, suffix) => {
      const id = SpiffeId.parse(`spiffe://${name}${suffix}`);
      assert.equal(id.toString(), `spiffe://${name}${suffix}`);
      assert.equal(id.trustDomain.name, name);
      assert.equal(id.path, suffix);
      assert.ok(id.equals(SpiffeId.of(TrustDomain.parse(name), suffix)));
      assert.equal(JSON.stringify(id), JSON.stringify(id.toString()));
    }),
  );
});

/** The grammar of SPIFFE-ID 2.1 and 2.2, written another way than in the parser. */
function isInGrammar(text: string): boolean {
  const match = /^spiffe:\/\/([^/]+)((?:\/[^/]+)*)$/s.exec(text);
  if (match === null || Buffer.byteLength(text) > 2048) return false;
  const [, name = "", suffix = ""] = match;
  return (
    name.length <= 255 &&
    [...name].every((character) => LOWER.includes(character)) &&
    suffix
      .split("/")
      .slice(1)
      .every(
        (part) =>
          part !== "." &&
          part !== ".." &&
          [...part].every((character) => LOWER.includes(character.toLowerCase()) && character.charCodeAt(0) < 128),
      )
  );
}

test("anything else is refused with a SpiffeError, and nothing in the grammar is", () => {
  const nearly = fc
    .tuple(trustDomain, path, fc.nat(), fc.string({ unit: "binary", maxLength: 3 }), fc.nat({ max: 2 }))
    .map(([name, suffix, at, inserted, removed]) => {
      const text = `spiffe://${name}${suffix}`;
      const index = at % (text.length + 1);
      return text.slice(0, index) + inserted + text.slice(index + removed);
    });
  fc.assert(
    fc.property(
      fc.oneof(
        nearly,
        fc.string({ unit: "binary" }),
        fc.string().map((text) => `spiffe://${text}`),
      ),
      (text) => {
        if (isInGrammar(text)) {
          assert.equal(SpiffeId.parse(text).toString(), text);
        } else {
          assert.throws(() => SpiffeId.parse(text), SpiffeError);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test("refusing a hostile text of any length takes no time", () => {
  for (const text of [
    `spiffe://example.test${"/a".repeat(1_000)}!`,
    `spiffe://${"a".repeat(1e6)}`,
    `spiffe://a/${"/".repeat(1e6)}`,
  ]) {
    const start = cpuMs();
    assert.throws(() => SpiffeId.parse(text), SpiffeError);
    assert.ok(cpuMs() - start < 50);
  }
});

test("the reserved part is /mesh-ca and everything below, and nothing that only looks like it", () => {
  const of = (suffix: string): SpiffeId => SpiffeId.parse(`spiffe://example.test${suffix}`);
  for (const suffix of ["/mesh-ca", "/mesh-ca/server", "/mesh-ca/agent/a", "/mesh-ca/x/y/z"]) {
    assert.equal(of(suffix).isReserved, true, suffix);
  }
  for (const suffix of ["", "/mesh-ca2", "/mesh-cart/server", "/Mesh-CA/server", "/a/mesh-ca/server"]) {
    assert.equal(of(suffix).isReserved, false, suffix);
  }
});

test("X-17: what an ID stands for is said by its path alone", () => {
  const roleOf = (suffix: string): string => idRole(SpiffeId.parse(`spiffe://example.test${suffix}`)).kind;
  assert.equal(roleOf("/cart"), "workload");
  assert.equal(roleOf("/mesh-ca/server"), "server");
  assert.deepEqual(idRole(SpiffeId.parse("spiffe://example.test/mesh-ca/agent/node-7")), {
    kind: "agent",
    name: "node-7",
  });
  for (const suffix of [
    "",
    "/mesh-ca",
    "/mesh-ca/probe",
    "/mesh-ca/agent",
    "/mesh-ca/agent/a/b",
    "/mesh-ca/server/a",
    "/mesh-ca/servers",
  ]) {
    assert.equal(roleOf(suffix), "nothing", suffix);
  }
  const td = TrustDomain.parse("example.test");
  assert.equal(serverId(td).toString(), "spiffe://example.test/mesh-ca/server");
  assert.equal(probeId(td).toString(), "spiffe://example.test/mesh-ca/probe");
});
