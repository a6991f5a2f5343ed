// The mesh-ca trust file: what is written is read back whole, and nothing in it is guessed, skipped or repaired.
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeTrustFile, parseTrustFile, type TrustSet } from "../../src/spiffe/index.ts";
import { authority, root, sibling, trustOf } from "./support.ts";

const HEX = "0123456789abcdef".repeat(4);

const full: TrustSet = trustOf({
  intermediates: [sibling.certificate],
  distrustedSpkis: new Set([HEX]),
  revocations: [
    { kind: "serial", serial: "01ff" },
    { kind: "spki", spkiSha256: HEX },
    { kind: "id", spiffeId: "spiffe://example.test/cart", issuedBefore: Date.UTC(2026, 6, 1) },
  ],
  sequence: 2n ** 63n,
  refreshHintSeconds: 60,
});

/** Certificates by fingerprint, so that sets of them compare as values. */
function comparable(trust: TrustSet): unknown {
  const prints = (certificates: TrustSet["anchors"]): string[] => certificates.map(({ sha256 }) => sha256);
  return {
    ...trust,
    trustDomain: trust.trustDomain.name,
    anchors: prints(trust.anchors),
    intermediates: prints(trust.intermediates),
    authorities: trust.authorities && prints(trust.authorities),
  };
}

test("a trust file is read back as it was written", () => {
  for (const trust of [full, trustOf(), trustOf({ authorities: [] }), trustOf({ authorities: undefined })]) {
    assert.deepEqual(comparable(parseTrustFile(encodeTrustFile(trust))), comparable(trust));
  }
});

test("X-16: that only anchors are known is written as null and never guessed from a missing member", () => {
  assert.equal(JSON.parse(encodeTrustFile(trustOf({ authorities: undefined }))).authorities, null);
  const { authorities: _, ...without } = JSON.parse(encodeTrustFile(full));
  assert.throws(() => parseTrustFile(JSON.stringify(without)), { code: "MCA_TRUST_FILE_INVALID" });
});

test("the file names the trust domain, the server's exact ID, anchors, authorities and sequence", () => {
  const file = JSON.parse(encodeTrustFile(trustOf()));
  assert.equal(file.trustDomain, "example.test");
  assert.equal(file.serverId, "spiffe://example.test/mesh-ca/server");
  assert.deepEqual(file.anchors, [Buffer.from(root.der).toString("base64")]);
  assert.equal(file.authorities[0], Buffer.from(authority.der).toString("base64"));
  assert.equal(file.sequence, 1);
});

test("anything missing, unknown or malformed refuses the file", () => {
  // Small numbers only: JSON.parse would round the sequence.
  const good = encodeTrustFile({ ...full, sequence: 5n });
  assert.ok(parseTrustFile(good));
  for (const name of Object.keys(JSON.parse(good))) {
    if (name === "revision") continue; // files from before it was counted
    const file = JSON.parse(good);
    delete file[name];
    assert.throws(() => parseTrustFile(JSON.stringify(file)), { code: "MCA_TRUST_FILE_INVALID" }, `without ${name}`);
  }
  const wrong: Record<string, unknown>[] = [
    { extra: 1 },
    { version: 2 },
    { trustDomain: "Example.test" },
    { serverId: "spiffe://example.test/mesh-ca/server2" },
    { serverId: "spiffe://other.test/mesh-ca/server" },
    { anchors: "x" },
    { anchors: ["AAAA"] },
    { anchors: [1] },
    { authorities: "x" },
    { authorities: ["!"] },
    { sequence: -1 },
    { revision: -1 },
    { revision: "1" },
    { sequence: "1" },
    { sequence: 1.5 },
    { distrustedSpkis: ["AB"] },
    { distrustedSpkis: [HEX.toUpperCase()] },
    { trustDomain: 7, serverId: "spiffe://7/mesh-ca/server" },
    { revocations: [{ serial: 12 }] },
    { revocations: ["x"] },
    { revocations: [null] },
    { revocations: [{ spiffeId: "spiffe://example.test/cart", issuedBefore: "never" }] },
    { revocations: [{}] },
    { revocations: [{ serial: "1" }] },
    { revocations: [{ serial: "01", spkiSha256: HEX }] },
    { revocations: [{ spiffeId: "spiffe://example.test/cart" }] },
    { revocations: [{ spiffeId: "cart", issuedBefore: "2026-07-01T00:00:00.000Z" }] },
    { revocations: [{ spiffeId: "spiffe://example.test/cart", issuedBefore: "2026-07-01" }] },
    { revocations: [{ kind: "all" }] },
  ];
  for (const change of wrong) {
    const text = JSON.stringify({ ...JSON.parse(good), ...change });
    assert.throws(() => parseTrustFile(text), { code: "MCA_TRUST_FILE_INVALID" }, JSON.stringify(change));
  }
  for (const text of ["", "[]", "null", good.slice(0, -10), `${good}{}`]) {
    assert.throws(() => parseTrustFile(text), { code: "MCA_TRUST_FILE_INVALID" });
  }
});
