import assert from "node:assert/strict";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { ActiveAuthority } from "../../../src/ca/authority/active-authority.ts";
import { AuthorityError } from "../../../src/ca/authority/index.ts";
import { IssuanceError, type IssuanceErrorCode } from "../../../src/ca/issuance/index.ts";
import { replayIssuance } from "../../../src/ca/issuance/replay.ts";
import { getIssuance, LedgerError, listIssuances } from "../../../src/ca/ledger/index.ts";
import { SpiffeId } from "../../../src/spiffe/index.ts";
import { encodePem, parseCertificate, X509Error } from "../../../src/x509/index.ts";
import { until } from "../../support/until.ts";
import { makeCsr } from "./materials.ts";
import { CART, createWorld, makeGrant, makeRequest, type World } from "./world.ts";

let world: World;
before(async () => {
  world = await createWorld();
});
after(() => world.close());

const withCode = (code: IssuanceErrorCode) => (error: unknown) => error instanceof IssuanceError && error.code === code;

function leafOf(chain: readonly Uint8Array[]) {
  const [der] = chain;
  assert.ok(der);
  return parseCertificate(der);
}

/** Waits until the outcomes that were reported are in the database (they join a batch within a second). */
function outcomesAreRecorded(logIndex: bigint): Promise<void> {
  const outcome = async () => (await getIssuance(world.database, { logIndex })).outcome.kind;
  return until(async () => (await outcome()) !== "none", "an outcome is recorded");
}

test("the entry tells what was issued, and the record rebuilds the very certificate", async () => {
  const issued = await world.issuer.issueX509Svid(makeRequest());
  await outcomesAreRecorded(issued.logIndex);
  const record = await getIssuance(world.database, { logIndex: issued.logIndex });
  const leaf = leafOf(issued.chain);
  assert.deepEqual(Buffer.from(record.tbs), Buffer.from(leaf.tbs));
  assert.ok(record.certificate);
  assert.deepEqual(Buffer.from(record.certificate), Buffer.from(leaf.der));
  assert.deepEqual(
    [record.row.serial, record.row.spiffeId, record.row.requester, record.row.rule, record.row.lineage],
    [issued.serial, CART.toString(), "token:test", "shop", issued.lineage],
  );
  assert.equal(record.row.notAfter, issued.notAfter);
  const entry = (await world.entries())[Number(issued.logIndex)];
  assert.equal(entry?.["kind"], "svid.x509");
});

test("the answer carries chain, times, rule, lineage and log index", async () => {
  const id = randomUUID();
  const issued = await world.issuer.issueX509Svid(makeRequest({ lineage: { kind: "open", id }, ttlSeconds: 7200 }));
  const now = world.clock.now();
  assert.equal(issued.chain.length, 1);
  assert.equal(issued.notAfter, now + 3_600_000);
  assert.ok(issued.renewAt >= now + 0.45 * 3_600_000 && issued.renewAt <= now + 0.55 * 3_600_000);
  assert.deepEqual([issued.rule, issued.lineage, issued.shortenedBy], ["shop", id, "rule shop: ttlSeconds 3600"]);
});

test("many at once: each has its own serial, entry and lineage", async () => {
  const all = await Promise.all(Array.from({ length: 200 }, () => world.issuer.issueX509Svid(makeRequest())));
  assert.equal(new Set(all.map(({ serial }) => serial)).size, 200);
  assert.equal(new Set(all.map(({ logIndex }) => logIndex)).size, 200);
});

test("a malformed, oversized or foreign-signed CSR is refused, and nothing is recorded", async () => {
  const size = await world.recorded();
  const good = makeCsr().der;
  const issue = (csrDer: Uint8Array) => world.issuer.issueX509Svid(makeRequest({ csrDer }));
  const refused = (code: string) => (error: unknown) => error instanceof X509Error && error.code === code;
  await assert.rejects(issue(new Uint8Array()), refused("MCA_CSR_MALFORMED"));
  await assert.rejects(issue(good.subarray(0, 100)), refused("MCA_CSR_MALFORMED"));
  await assert.rejects(issue(Buffer.concat([good, Buffer.alloc(1)])), refused("MCA_CSR_MALFORMED"));
  await assert.rejects(issue(Buffer.from(encodePem("CERTIFICATE REQUEST", good))), refused("MCA_CSR_MALFORMED"));
  await assert.rejects(issue(new Uint8Array(16_385)), refused("MCA_CSR_TOO_LARGE"));
  const other = Uint8Array.from(good);
  const { spki } = makeCsr().publicKey;
  const at = Buffer.from(good).indexOf(Buffer.from(spki.subarray(0, 27)));
  assert.ok(at > 0);
  other.set(spki, at);
  await assert.rejects(issue(other), refused("MCA_CSR_SIGNATURE_INVALID"));
  assert.equal(await world.recorded(), size);
});

test("a CSR for a key that no certificate may have is refused", async () => {
  const key = generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey;
  await assert.rejects(
    world.issuer.issueX509Svid(makeRequest({ csrDer: makeCsr({ key }).der })),
    withCode("MCA_CSR_KEY_REFUSED"),
  );
});

test("a CSR that names another SPIFFE ID is refused", async () => {
  const csrDer = makeCsr({ uriSans: ["spiffe://example.test/ns/shop/sa/admin"] }).der;
  await assert.rejects(world.issuer.issueX509Svid(makeRequest({ csrDer })), withCode("MCA_CSR_SPIFFE_ID_MISMATCH"));
});

test("names of the CSR are never copied: neither DNS names nor the subject", async () => {
  const csrDer = makeCsr({ uriSans: [CART.toString()], dnsSans: ["admin.example.test"] }).der;
  const leaf = leafOf((await world.issuer.issueX509Svid(makeRequest({ csrDer }))).chain);
  assert.deepEqual(leaf.subjectAltName?.names, [{ kind: "uri", value: CART.toString() }]);
  assert.equal(leaf.subject.length, 2);
});

test("a DNS name that no certificate may carry fails the lint, and nothing is recorded or signed", async () => {
  const size = await world.recorded();
  const request = makeRequest({ grant: makeGrant({ dnsNames: ["*.example.test"] }) });
  await assert.rejects(world.issuer.issueX509Svid(request), withCode("MCA_LINT_FAILED"));
  assert.equal(await world.recorded(), size);
});

test("the same key again is answered with the same certificate, before and after its outcome is recorded", async () => {
  const { der: csrDer } = makeCsr();
  const first = await world.issuer.issueX509Svid(makeRequest({ csrDer }));
  const renew = { kind: "renew", id: first.lineage, presentedSerial: first.serial } as const;
  const second = makeCsr();
  const child = await world.issuer.issueX509Svid(makeRequest({ csrDer: second.der, lineage: renew }));
  const again = await world.issuer.issueX509Svid(makeRequest({ csrDer: second.der, lineage: renew }));
  assert.equal(again.logIndex, child.logIndex);
  assert.deepEqual(again.chain, child.chain);
  await outcomesAreRecorded(child.logIndex);
  const later = await world.issuer.issueX509Svid(makeRequest({ csrDer: second.der, lineage: renew }));
  assert.deepEqual(
    later.chain.map((der) => Buffer.from(der)),
    child.chain.map((der) => Buffer.from(der)),
  );
  assert.equal(later.notAfter, child.notAfter);
  assert.ok(Math.abs(later.renewAt - child.renewAt) <= 0.1 * 3_600_000);
});

test("what stands in the record is shown to the same key and for the same identity only", async () => {
  const first = await world.issuer.issueX509Svid(makeRequest());
  const lineage = { kind: "renew", id: first.lineage, presentedSerial: first.serial } as const;
  const { der: csrDer, publicKey } = makeCsr();
  const child = await world.issuer.issueX509Svid(makeRequest({ csrDer, lineage }));
  const dependencies = { ledger: world.ledger, database: world.database, authorities: world.authorities };
  const again = await replayIssuance(dependencies, child.logIndex, publicKey.spkiSha256);
  assert.equal(again.kind, "certificate");
  await assert.rejects(replayIssuance(dependencies, first.logIndex, publicKey.spkiSha256), TypeError);
  const other = SpiffeId.parse("spiffe://example.test/ns/shop/sa/other");
  await assert.rejects(
    world.issuer.issueX509Svid(makeRequest({ csrDer, lineage, grant: makeGrant({ spiffeId: other }) })),
    withCode("MCA_REPLAY_UNSIGNED"),
  );
});

test("the same key twice at the same moment gets one certificate", async () => {
  const first = await world.issuer.issueX509Svid(makeRequest());
  const lineage = { kind: "renew", id: first.lineage, presentedSerial: first.serial } as const;
  const { der: csrDer } = makeCsr();
  const [a, b] = await Promise.all([
    world.issuer.issueX509Svid(makeRequest({ csrDer, lineage })),
    world.issuer.issueX509Svid(makeRequest({ csrDer, lineage })),
  ]);
  assert.equal(a.logIndex, b.logIndex);
  assert.deepEqual(
    a.chain.map((der) => Buffer.from(der)),
    b.chain.map((der) => Buffer.from(der)),
  );
});

test("a record whose signature never came is replaced by a new certificate for the same key", async () => {
  const first = await world.issuer.issueX509Svid(makeRequest());
  const lineage = { kind: "renew", id: first.lineage, presentedSerial: first.serial } as const;
  const { der: csrDer } = makeCsr();
  const { sign } = ActiveAuthority.prototype;
  ActiveAuthority.prototype.sign = async () => {
    throw new AuthorityError("MCA_AUTHORITY_NOT_ACTIVE", "the power went off");
  };
  try {
    await assert.rejects(world.issuer.issueX509Svid(makeRequest({ csrDer, lineage })), /power/);
  } finally {
    ActiveAuthority.prototype.sign = sign;
  }
  const issued = await world.issuer.issueX509Svid(makeRequest({ csrDer, lineage }));
  assert.equal(leafOf(issued.chain).serialHex, issued.serial);
  // The failure is on record too.
  await outcomesAreRecorded(issued.logIndex);
  const { rows } = await listIssuances(world.database, { lineage: first.lineage, pageSize: 10 });
  const outcomes = await Promise.all(rows.map(({ logIndex }) => getIssuance(world.database, { logIndex })));
  assert.deepEqual(
    outcomes.map(({ outcome }) => outcome.kind),
    ["signed", "failed", "signed"],
  );
});

test("a rule that changed since it was evaluated stops the certificate inside the transaction", async () => {
  const request = makeRequest({ grant: makeGrant({ ruleRevision: 7n }) });
  await assert.rejects(
    world.issuer.issueX509Svid(request),
    (error) => error instanceof LedgerError && error.code === "MCA_RULE_CHANGED",
  );
});

test("clocks that differ by more than ten seconds stop issuing; when they agree, it resumes", async () => {
  const own = await createWorld();
  try {
    await own.issuer.issueX509Svid(makeRequest());
    own.skew.ms = 10_500;
    // The last comparison counts for half a minute; a jump of our clock makes the guard ask again at once.
    own.clock.advance(31);
    await assert.rejects(own.issuer.issueX509Svid(makeRequest()), withCode("MCA_CLOCK_SKEW"));
    own.skew.ms = 0;
    own.clock.advance(31);
    await own.issuer.issueX509Svid(makeRequest());
  } finally {
    await own.close();
  }
});

test("the server's own certificate is recorded like any other, by itself, in no lineage", async () => {
  const issued = await world.issuer.issueServerSvid({ csrDer: makeCsr().der, dnsNames: ["ca.example.test"] });
  const { row } = await getIssuance(world.database, { logIndex: issued.logIndex });
  assert.deepEqual([row.requester, row.rule, row.lineage], ["self", undefined, undefined]);
  assert.equal(row.spiffeId, "spiffe://example.test/mesh-ca/server");
});

test("nothing outlives the authority: near its end leaves shorten, under the floor nothing is issued", async () => {
  const own = await createWorld();
  try {
    const { certificate } = own.authorities.active();
    own.clock.advance((certificate.notAfter - own.clock.now()) / 1000 - 1800);
    const short = await own.issuer.issueX509Svid(makeRequest());
    assert.equal(short.notAfter, certificate.notAfter);
    assert.match(short.shortenedBy, /authority's certificate ends at/);
    const half = own.settings.minLeafTtlSeconds * 500;
    assert.ok(short.renewAt >= own.clock.now() + half);
    own.clock.advance(1800 - 599);
    await assert.rejects(
      own.issuer.issueX509Svid(makeRequest()),
      (error) => error instanceof AuthorityError && error.code === "MCA_ISSUER_EXPIRING",
    );
    own.clock.advance(600);
    await assert.rejects(
      own.issuer.issueX509Svid(makeRequest()),
      (error) => error instanceof AuthorityError && error.code === "MCA_AUTHORITY_EXPIRED",
    );
  } finally {
    await own.close();
  }
});
