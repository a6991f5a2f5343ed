// An identity from PEM files: whole sets only, nothing valid is dropped for something that is not, a revocation waits for nobody.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { FileIdentity } from "../../../src/proxy-tls/identity/file-identity.ts";
import { encodeTrustFile, type TrustSet } from "../../../src/spiffe/index.ts";
import type { TlsIdentity } from "../../../src/tls/index.ts";
import { encodePem } from "../../../src/x509/index.ts";
import { ManualClock } from "../../identity-client/helpers.ts";
import { TestLog } from "../../support/test-log.ts";
import { TestDomain } from "../support/state.ts";
import { SvidFiles, type SvidSet } from "../support/svid-files.ts";

const domain = new TestDomain("example.test");
const other = new TestDomain("other.test");
const ID = "spiffe://example.test/cart";

const open: FileIdentity[] = [];
afterEach(async () => {
  for (const identity of open.splice(0)) await identity.close();
});

interface Given {
  readonly folder: SvidFiles;
  readonly identity: FileIdentity;
  readonly log: TestLog;
  readonly clock: ManualClock;
  changes: number;
}

function given(trust: "trustFile" | "bundleFile" = "trustFile"): Given {
  const folder = new SvidFiles(domain);
  const log = new TestLog();
  const clock = new ManualClock();
  const identity = new FileIdentity({
    certificateFile: folder.at("svid.pem"),
    keyFile: folder.at("svid_key.pem"),
    trustFile: trust === "trustFile" ? folder.at("trust.json") : null,
    bundleFile: trust === "bundleFile" ? folder.at("trust.json") : null,
    clock,
    logger: log.logger,
    lookMs: 10,
    settleMs: 2,
  });
  open.push(identity);
  const out: Given = { folder, identity, log, clock, changes: 0 };
  identity.onChange(() => {
    out.changes += 1;
  });
  return out;
}

const never = new AbortController().signal;
const svid = (changes: Parameters<TestDomain["identity"]>[1] = {}): TlsIdentity => domain.identity("/cart", changes);

test("the first good set is taken, however late it comes", async () => {
  const { folder, identity } = given();
  const started = identity.start(never);
  await identity.look();
  assert.match(identity.problems()[0]?.sentence ?? "", /cannot be read \(ENOENT\)/);
  assert.equal(identity.current().own, undefined);
  folder.swap({ identity: svid() });
  await started;
  assert.equal(identity.current().own?.id, ID);
  assert.equal(identity.current().trust?.trustDomain.name, "example.test");
  assert.deepEqual(identity.problems(), []);
});

test("a start that is called off ends", async () => {
  const { identity } = given();
  const stop = new AbortController();
  const started = identity.start(stop.signal);
  stop.abort(new Error("called off"));
  await assert.rejects(started, /called off/);
});

test("a swapped set is taken up, and is another object only when it says something else", async () => {
  const { folder, identity } = given();
  const first = svid();
  folder.swap({ identity: first });
  await identity.start(never);
  const before = identity.current().own;
  folder.swap({ identity: first });
  await identity.look();
  assert.equal(identity.current().own, before);
  const second = svid();
  folder.swap({ identity: second });
  await identity.look();
  assert.equal(identity.current().own?.tls.certificateChainPem, second.certificateChainPem);
});

test("a broken, mismatched, foreign, expired or early certificate keeps the old one and shouts", async () => {
  const { folder, identity, log } = given();
  const good = svid();
  folder.swap({ identity: good });
  await identity.start(never);
  const now = Date.now();
  const broken: readonly [string, SvidSet, RegExp][] = [
    ["cut off", { identity: { ...good, certificateChainPem: good.certificateChainPem.slice(0, 300) } }, /not PEM|END/],
    ["empty", { identity: { ...good, certificateChainPem: "" } }, /no PEM block/],
    ["another's key", { identity: svid(), key: svid().privateKeyPem }, /of none of the certificates/],
    ["no key", { identity: svid(), key: "" }, /no PEM block/],
    ["another trust domain", { identity: other.identity("/cart") }, /trust beside it/],
    ["an unknown authority", { identity: new TestDomain("example.test").identity("/cart") }, /trust beside it/],
    ["expired", { identity: svid({ notBefore: now - 9_000, notAfter: now - 5_000 }) }, /ended at/],
    ["too early", { identity: svid({ notBefore: now + 60_000 }) }, /valid only from/],
    ["no SPIFFE ID", { identity: domain.identity("", { spiffeId: "https://example.test/cart" }) }, /SPIFFE/],
  ];
  for (const [name, files, sentence] of broken) {
    const told = log.of("reload.failed").length;
    folder.swap(files);
    await identity.look();
    assert.equal(identity.current().own?.tls.certificateChainPem, good.certificateChainPem, name);
    assert.match(identity.reload().problem?.sentence ?? "", sentence, name);
    assert.equal(log.of("reload.failed").length, told + 1, name);
    assert.deepEqual(identity.problems(), [], "what is valid is still served");
  }
  const last = svid();
  folder.swap({ identity: last });
  await identity.look();
  assert.equal(identity.current().own?.tls.certificateChainPem, last.certificateChainPem);
  assert.equal(identity.reload().problem, undefined);
});

test("no log line and no sentence holds a key", async () => {
  const { folder, identity, log } = given();
  const good = svid();
  folder.swap({ identity: good, key: `${good.privateKeyPem}x` });
  const started = identity.start(never);
  await identity.look();
  folder.swap({ identity: good, key: good.certificateChainPem });
  await identity.look();
  folder.swap({ identity: good });
  await started;
  const secret = good.privateKeyPem.split("\n")[1] ?? "";
  assert.ok(secret.length > 40);
  assert.ok(!JSON.stringify([log.lines, identity.problems()]).includes(secret));
});

test("a certificate that was too early is taken as soon as its time has come, although no file changes", async () => {
  const { folder, identity, clock } = given();
  const good = svid();
  folder.swap({ identity: good });
  await identity.start(never);
  const next = svid({ notBefore: clock.now() + 60_000, notAfter: clock.now() + 7_200_000 });
  folder.swap({ identity: next });
  await identity.look();
  assert.equal(identity.current().own?.tls.certificateChainPem, good.certificateChainPem);
  clock.jump(clock.now() + 61_000);
  await identity.look();
  assert.equal(identity.current().own?.tls.certificateChainPem, next.certificateChainPem);
  assert.equal(identity.reload().problem, undefined);
});

test("an expired certificate is shown no more, and its end is told", async () => {
  const given_ = given();
  const { folder, identity, clock } = given_;
  const notAfter = Math.floor(clock.now() / 1000) * 1000 + 2_000;
  folder.swap({ identity: svid({ notAfter }) });
  await identity.start(never);
  clock.jump(notAfter);
  assert.equal(identity.current().own?.id, ID, "valid to its last moment");
  const changes = given_.changes;
  clock.jump(notAfter + 1);
  assert.equal(identity.current().own, undefined);
  assert.match(identity.problems()[0]?.sentence ?? "", /expired/);
  assert.equal(given_.changes, changes + 1);
  folder.swap({ identity: svid() });
  await identity.look();
  assert.equal(identity.current().own?.id, ID);
});

test("new trust counts at once, also beside a broken certificate and also where it no longer trusts our own", async () => {
  const given_ = given();
  const { folder, identity } = given_;
  const good = svid();
  folder.swap({ identity: good });
  await identity.start(never);
  const changed = (trust: Partial<TrustSet>): string => encodeTrustFile(domain.trust(trust));
  const revocations = [{ kind: "id", spiffeId: ID, issuedBefore: Date.now() + 1 }] as const;
  const before = given_.changes;
  folder.swap({ identity: { ...good, certificateChainPem: "broken" }, trust: changed({ revocations, revision: 2n }) });
  await identity.look();
  assert.deepEqual(identity.current().trust?.revocations, revocations);
  assert.equal(given_.changes, before + 1);
  assert.equal(identity.current().own?.id, ID);
  folder.swap({ identity: good, trust: changed({ revocations, revision: 3n }) });
  await identity.look();
  assert.equal(identity.current().trust?.revision, 3n);
  assert.match(identity.reload().problem?.sentence ?? "", /revoked/);
  assert.equal(identity.current().own?.id, ID, "whom peers refuse is for them to say");
  // Back to the set that was in use: what was taken of the refused ones in between does not stay.
  folder.swap({ identity: good });
  await identity.look();
  assert.deepEqual(identity.current().trust?.revocations, []);
  assert.equal(identity.reload().problem, undefined);
});

test("broken trust keeps the old trust, and does not keep a fresh certificate away", async () => {
  const { folder, identity } = given();
  folder.swap({ identity: svid() });
  await identity.start(never);
  const trust = identity.current().trust;
  const next = svid();
  folder.swap({ identity: next, trust: encodeTrustFile(domain.trust()).slice(0, 100) });
  await identity.look();
  assert.equal(identity.current().trust, trust);
  assert.equal(identity.current().own?.tls.certificateChainPem, next.certificateChainPem);
  assert.equal(identity.reload().problem?.code, "MCA_TRUST_FILE_INVALID");
  folder.swap({ identity: next, trust: encodeTrustFile(other.trust()) });
  await identity.look();
  assert.equal(identity.current().trust, trust);
  assert.match(identity.reload().problem?.sentence ?? "", /trust domain other\.test now/);
});

test("anchors in PEM are those of the certificate's trust domain", async () => {
  const { folder, identity } = given("bundleFile");
  const pem = domain
    .trust()
    .anchors.map(({ der }) => encodePem("CERTIFICATE", der))
    .join("");
  folder.swap({ identity: svid(), trust: pem });
  await identity.start(never);
  assert.equal(identity.current().trust?.trustDomain.name, "example.test");
  assert.equal(identity.current().trust?.authorities, undefined);
  const good = identity.current().own;
  folder.swap({ identity: svid(), trust: svid().certificateChainPem });
  await identity.look();
  assert.match(identity.reload().problem?.sentence ?? "", /not a CA/);
  assert.notEqual(identity.current().own, good, "the fresh certificate is taken all the same");
});
