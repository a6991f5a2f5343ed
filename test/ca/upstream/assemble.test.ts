import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Assembly, assembleAnswer, readCertificates } from "../../../src/ca/upstream/index.ts";
import { sha256Hex } from "../../../src/x509/index.ts";
import { cpuMs } from "../../support/cpu.ts";
import {
  chainPem,
  createIntermediate,
  createLeaf,
  createRoot,
  freshKey,
  type TestCertificate,
} from "../../support/pki.ts";

const DAY_MS = 86_400_000;
const root = createRoot({ subject: "Root" });
const policy = createIntermediate(root, { subject: "Policy" });
const issuing = createIntermediate(policy, { subject: "Issuing" });
const key = freshKey();
const authority = createIntermediate(issuing, { subject: "Ours", key });
const ours = authority.certificate.publicKey.spkiSha256;

function assemble(
  given: readonly TestCertificate[],
  terms: { readonly requested?: readonly string[]; readonly known?: readonly TestCertificate[] } = {},
): Assembly {
  // More than 64 are one file: an import takes no more.
  const files =
    given.length > 64
      ? [{ name: "all.pem", bytes: Buffer.from(chainPem(...given)) }]
      : given.map(({ pem }, i) => ({ name: `${i}.pem`, bytes: Buffer.from(pem) }));
  const knownAnchors = (terms.known ?? []).map(({ certificate }) => certificate);
  return assembleAnswer(readCertificates(files), { requested: terms.requested ?? [ours], knownAnchors });
}
function pathOf(assembly: Assembly): readonly string[] {
  assert.ok(assembly.kind === "assembled", JSON.stringify(assembly));
  const { certificate, intermediates, anchor } = assembly.answer;
  return [certificate, ...intermediates, anchor].map(sha256Hex);
}
const hashes = (...certificates: readonly TestCertificate[]): readonly string[] =>
  certificates.map(({ certificate }) => certificate.sha256);
const findingsOf = (assembly: Assembly): string =>
  (assembly.kind === "assembled" ? assembly.notes : assembly.findings)
    .map(({ severity, certificate, rule, found, expected }) =>
      [severity, certificate, rule, found, expected].join(" | "),
    )
    .join("\n");

test("whatever the order, the doubles and the strangers, the path is the same and everything else is named", () => {
  const stranger = createRoot({ subject: "Stranger" });
  const leaf = createLeaf(issuing);
  const pool = [root, policy, issuing, authority, policy, stranger, leaf];
  fc.assert(
    fc.property(fc.shuffledSubarray(pool, { minLength: pool.length }), (given) => {
      const assembly = assemble(given);
      assert.deepEqual(pathOf(assembly), hashes(authority, issuing, policy, root));
      const notes = findingsOf(assembly);
      assert.equal(notes.split("\n").length, 3);
      assert.match(notes, /warning \| CN=Policy .* \| once/);
      assert.match(notes, /warning \| CN=Stranger .* \| chain \| a certificate that the path does not need/);
    }),
    { numRuns: 50 },
  );
});

test("the root comes from the files or from what is trusted already", () => {
  assert.deepEqual(
    pathOf(assemble([authority, policy, issuing], { known: [root] })),
    hashes(authority, issuing, policy, root),
  );
  assert.match(findingsOf(assemble([authority, policy, issuing], { known: [root] })), /no root among the files/);
  const refused = assemble([authority, policy, issuing]);
  assert.equal(refused.kind, "refused");
  assert.match(
    findingsOf(refused),
    /error \| CN=Policy .*no certificate of its issuer.*"CN=Root" with the key id [0-9a-f]{40}/,
  );
});

test("a missing intermediate is named by subject and key id, and one of its name with another key as such", () => {
  assert.match(
    findingsOf(assemble([authority, policy, root])),
    /error \| CN=Ours .*"CN=Issuing" with the key id [0-9a-f]{40}/,
  );
  const impostor = createIntermediate(policy, { subject: "Issuing" });
  assert.match(
    findingsOf(assemble([authority, impostor, policy, root])),
    /whose key did not sign it: CN=Issuing \(1\.pem/,
  );
});

test("a certificate for another key is told both keys; without a request, how to make one", () => {
  const other = createIntermediate(issuing, { subject: "Older" });
  const found = findingsOf(assemble([other, issuing, policy, root]));
  assert.match(found, new RegExp(`CN=Older .*${other.certificate.publicKey.spkiSha256}.*open request: ${ours}`));
  assert.equal(found.split("\n").length, 1);
  assert.match(findingsOf(assemble([authority], { requested: [] })), /npx mesh-ca authority csr/);
});

test("an older certificate of ours beside the new one is left out, and two open requests are imported one by one", () => {
  const older = createIntermediate(issuing, { subject: "Older" });
  assert.deepEqual(
    pathOf(assemble([older, authority, issuing, policy, root])),
    hashes(authority, issuing, policy, root),
  );
  const both = assemble([older, authority, issuing, policy, root], {
    requested: [ours, older.certificate.publicKey.spkiSha256],
  });
  assert.ok(both.kind === "refused" && both.findings.length === 2);
  assert.match(findingsOf(both), /one-authority/);
});

test("cross-signed roots: the root of the files wins, then the path that lasts longest; the other one is named", () => {
  const oldRoot = createRoot({ subject: "Old Root", notAfter: Date.now() + 10 * DAY_MS });
  const rootKey = freshKey();
  const newRoot = createRoot({ subject: "New Root", key: rootKey, notAfter: Date.now() + 90 * DAY_MS });
  const cross = createIntermediate(oldRoot, { subject: "New Root", key: rootKey });
  const mine = createIntermediate(newRoot, { subject: "Ours", key });
  assert.deepEqual(pathOf(assemble([mine, newRoot, cross, oldRoot])), hashes(mine, newRoot));
  assert.match(findingsOf(assemble([oldRoot, cross, mine, newRoot])), /CN=Old Root .*another path, to this root/);
  assert.deepEqual(pathOf(assemble([mine, cross, newRoot], { known: [oldRoot] })), hashes(mine, newRoot));
  assert.deepEqual(pathOf(assemble([mine, cross], { known: [oldRoot] })), hashes(mine, cross, oldRoot));
  assert.deepEqual(pathOf(assemble([mine, cross, oldRoot], { known: [newRoot] })), hashes(mine, cross, oldRoot));
});

test("a root that was issued again under its key, and a certificate issued twice: the one that lasts longer", () => {
  const rootKey = freshKey();
  const [short, long] = [20, 80].map((days) =>
    createRoot({ subject: "Root", key: rootKey, notAfter: Date.now() + days * DAY_MS }),
  );
  assert.ok(short !== undefined && long !== undefined);
  const [first, second] = [5, 15].map((days) =>
    createIntermediate(short, { subject: "Ours", key, notAfter: Date.now() + days * DAY_MS }),
  );
  assert.ok(first !== undefined && second !== undefined);
  for (const given of [
    [short, long, first, second],
    [second, first, long, short],
  ]) {
    const assembly = assemble(given);
    assert.deepEqual(pathOf(assembly).slice(0, 1), hashes(second));
    assert.match(findingsOf(assembly), /another (certificate for the same key|path, to this root)/);
  }
});

test("of two paths to roots of the files the one that lasts longest is taken, though it is the longer one", () => {
  const shortRoot = createRoot({ subject: "Short Root", notAfter: Date.now() + 2 * DAY_MS });
  const longRoot = createRoot({ subject: "Long Root", notAfter: Date.now() + 90 * DAY_MS });
  const caKey = freshKey();
  const until = { subject: "CA", key: caKey, notAfter: Date.now() + 80 * DAY_MS };
  const direct = createIntermediate(shortRoot, until);
  const between = createIntermediate(longRoot, { subject: "Between", notAfter: Date.now() + 80 * DAY_MS });
  const around = createIntermediate(between, until);
  const mine = createIntermediate(direct, { subject: "Ours", key });
  for (const given of [
    [mine, direct, around, between, shortRoot, longRoot],
    [longRoot, shortRoot, between, around, direct, mine],
  ]) {
    assert.deepEqual(pathOf(assemble(given)), hashes(mine, around, between, longRoot));
  }
});

test("certificates that issued each other end nowhere, and that is said", () => {
  const keys = [freshKey(), freshKey()];
  const top = createRoot({ subject: "A", key: keys[0] ?? key });
  const second = createRoot({ subject: "B", key: keys[1] ?? key });
  const a = createIntermediate(second, { subject: "A", key: keys[0] ?? key });
  const b = createIntermediate(top, { subject: "B", key: keys[1] ?? key });
  const mine = createIntermediate(top, { subject: "Ours", key });
  const assembly = assemble([mine, a, b]);
  assert.equal(assembly.kind, "refused");
  assert.match(findingsOf(assembly), /loop \| a chain that goes round in circles: CN=Ours <- CN=A <- CN=B <- CN=A/);
});

test("a web of cross-signed namesakes costs bounded work", () => {
  const keys = Array.from({ length: 14 }, () => freshKey());
  const tops = keys.map((each) => createRoot({ subject: "Same", key: each }));
  const web = tops.flatMap((issuer, i) =>
    keys.filter((_, j) => j !== i).map((each) => createIntermediate(issuer, { subject: "Same", key: each })),
  );
  const [top] = tops;
  assert.ok(top !== undefined);
  const mine = createIntermediate(top, { subject: "Ours", key });
  const started = cpuMs();
  const assembly = assemble([mine, ...web]);
  assert.equal(assembly.kind, "refused");
  assert.match(findingsOf(assembly), /bounded-work|loop/);
  assert.ok(cpuMs() - started < 2000);
});

test("a path of more than eight certificates is refused", () => {
  let issuer = root;
  const chain: TestCertificate[] = [];
  for (let i = 0; i < 8; i++) {
    issuer = createIntermediate(issuer, { subject: `CA ${i}` });
    chain.push(issuer);
  }
  const assembly = assemble([createIntermediate(issuer, { subject: "Ours", key }), ...chain, root]);
  assert.equal(assembly.kind, "refused");
  assert.match(findingsOf(assembly), /more than 8/);
});
