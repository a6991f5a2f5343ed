import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { compareReadings, type RecordedLeaf } from "../../../src/ca/issuance/cert-checker/compare.ts";
import { CertificateChecker, CHECK_EVENTS } from "../../../src/ca/issuance/cert-checker/index.ts";
import {
  type PeculiarReading,
  readWithOpenSsl,
  readWithPeculiar,
  verifyWithPeculiar,
} from "../../../src/ca/issuance/cert-checker/readers.ts";
import { getIssuance } from "../../../src/ca/ledger/index.ts";
import { type LogFields, type Logger, silentLogger, silentMetrics } from "../../../src/runtime/index.ts";
import { until } from "../../support/until.ts";
import { intentOf } from "../ledger/support.ts";
import { makeCsr } from "./materials.ts";
import { createWorld, makeGrant, makeRequest, type World } from "./world.ts";

let world: World;
before(async () => {
  world = await createWorld();
});
after(() => world.close());

function makeChecker(options: { readonly authority?: Uint8Array; readonly samplesPerRound?: number } = {}) {
  const alarms: LogFields[] = [];
  const logger: Logger = { ...silentLogger, error: (fields) => alarms.push(fields) };
  const der = options.authority ?? world.authorities.active().certificate.der;
  const checker = new CertificateChecker({
    database: world.database,
    authorityCertificate: () => der,
    clock: world.clock,
    logger,
    metrics: silentMetrics,
    samplesPerRound: options.samplesPerRound ?? 100,
  });
  return { checker, alarms };
}

async function issueAndRecord(): Promise<bigint> {
  const { logIndex } = await world.issuer.issueX509Svid(
    makeRequest({ grant: makeGrant({ dnsNames: ["a.test", "b.test"] }) }),
  );
  const outcome = async () => (await getIssuance(world.database, { logIndex })).outcome.kind;
  await until(async () => (await outcome()) === "signed", "the outcome is recorded");
  return logIndex;
}

test("foreign readers agree with the record of what was issued, and each certificate is looked at once", async () => {
  const { checker, alarms } = makeChecker();
  await issueAndRecord();
  await issueAndRecord();
  const first = await checker.checkNewest();
  assert.ok(first.checked >= 2);
  assert.deepEqual(first.disagreements, []);
  assert.equal((await checker.checkNewest()).checked, 0);
  await issueAndRecord();
  assert.equal((await checker.checkNewest()).checked, 1);
  assert.deepEqual(alarms, []);
});

test("a certificate that the authority's key did not sign raises an alarm", async () => {
  const other = await createWorld();
  const { checker, alarms } = makeChecker({
    authority: other.authorities.active().certificate.der,
    samplesPerRound: 1,
  });
  await other.close();
  const logIndex = await issueAndRecord();
  const report = await checker.checkNewest();
  assert.deepEqual(
    report.disagreements.map((each) => each.logIndex),
    [logIndex],
  );
  assert.equal(alarms[0]?.event, CHECK_EVENTS.disagreement);
  assert.equal(alarms[0]?.["alarm"], true);
});

test("under load, where the newest certificates are still on their way to their outcome, those before them are looked at", async () => {
  const { checker } = makeChecker({ samplesPerRound: 1 });
  await issueAndRecord();
  const issuedAt = world.clock.now();
  const { spkiSha256: authority } = world.authorities.active();
  for (let i = 0; i < 20; i++) {
    await world.ledger.commit(intentOf({ authority, issuedAt, notBefore: issuedAt, notAfter: issuedAt + 3_600_000 }));
  }
  assert.equal((await checker.checkNewest()).checked, 1);
});

test("@peculiar/x509 verifies the signature by itself, and refuses another authority's", async () => {
  const { chain } = await world.issuer.issueX509Svid(makeRequest({ csrDer: makeCsr().der }));
  const [der] = chain;
  assert.ok(der);
  await verifyWithPeculiar(der, world.authorities.active().certificate.der);
  const other = await createWorld();
  await assert.rejects(verifyWithPeculiar(der, other.authorities.active().certificate.der), /does not verify/);
  await other.close();
});

test("each difference between record and readers, and each broken rule, is a finding", async () => {
  const { chain, serial } = await world.issuer.issueX509Svid(makeRequest({ csrDer: makeCsr().der }));
  const [der] = chain;
  assert.ok(der);
  const openSsl = readWithOpenSsl(der, world.authorities.active().certificate.der);
  const peculiar = readWithPeculiar(der);
  const record: RecordedLeaf = {
    serial,
    spiffeId: "spiffe://example.test/ns/shop/sa/cart",
    notBefore: peculiar.notBefore,
    notAfter: peculiar.notAfter,
  };
  assert.deepEqual(compareReadings(record, openSsl, peculiar), []);
  for (const change of [
    { serial: `${serial.slice(0, -1)}${serial.endsWith("0") ? "1" : "0"}` },
    { spiffeId: "spiffe://example.test/other" },
    { notBefore: 0 },
    { notAfter: 0 },
  ]) {
    assert.equal(compareReadings({ ...record, ...change }, openSsl, peculiar).length, 2, JSON.stringify(change));
  }
  const broken: readonly Partial<PeculiarReading>[] = [
    { isCa: true },
    { spki: "00" },
    { dnsNames: ["x.test"] },
    { subjectEmpty: false },
    { sanCritical: false },
    { basicConstraintsCritical: false },
    { keyUsage: undefined },
    { keyUsage: { critical: false, flags: 1 } },
    { keyUsage: { critical: true, flags: 5 } },
    { purposes: ["1.3.6.1.5.5.7.3.1"] },
    { subjectKeyId: undefined },
    { authorityKeyId: undefined },
  ];
  for (const change of broken) {
    assert.ok(compareReadings(record, openSsl, { ...peculiar, ...change }).length > 0, JSON.stringify(change));
  }
});
