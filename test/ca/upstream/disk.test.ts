import assert from "node:assert/strict";
import type { KeyExportOptions } from "node:crypto";
import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  acceptUpstreamAnswer,
  DiskUpstream,
  type DiskUpstreamOptions,
  UpstreamError,
} from "../../../src/ca/upstream/index.ts";
import { type LogFields, type Logger, silentLogger } from "../../../src/runtime/index.ts";
import {
  bytesEqual,
  parseCertificate,
  sameName,
  signatureAlgorithmOfTbs,
  validatePath,
} from "../../../src/x509/index.ts";
import {
  type CertificateOptions,
  chainPem,
  createIntermediate,
  createLeaf,
  createRoot,
  freshKey,
  generalNameDer,
  nameConstraintsExtension,
  type TestCertificate,
  type TestKeyKind,
  testKey,
} from "../../support/pki.ts";
import { FakeClock, NOW, TRUST_DOMAIN } from "../issuance/materials.ts";
import { makeRequest } from "./request.ts";

const DAY_MS = 86_400_000;
const lasting = (days: number): CertificateOptions => ({ notBefore: NOW - DAY_MS, notAfter: NOW + days * DAY_MS });

interface Pki {
  readonly root: TestCertificate;
  readonly middle: TestCertificate;
  readonly issuing: TestCertificate;
}
function makePki(
  issuing: CertificateOptions = {},
  middle: CertificateOptions = {},
  root: CertificateOptions = {},
): Pki {
  const top = createRoot({ ...lasting(3650), subject: "Corp Root", ...root });
  const between = createIntermediate(top, { ...lasting(1825), ...middle });
  return { root: top, middle: between, issuing: createIntermediate(between, { ...lasting(365), ...issuing }) };
}

/** Files of an issuing CA in a folder of their own, and what was logged about them. */
class Files {
  readonly folder: string;
  readonly logged: LogFields[] = [];
  readonly clock = new FakeClock();

  constructor(folder: string) {
    this.folder = folder;
  }
  static async make(context: TestContext): Promise<Files> {
    const folder = await mkdtemp(join(tmpdir(), "mesh-ca-disk-"));
    context.after(() => rm(folder, { recursive: true }));
    return new Files(folder);
  }
  get certificateFile(): string {
    return join(this.folder, "ca.pem");
  }
  get keyFile(): string {
    return join(this.folder, "ca.key");
  }
  async certificates(...certificates: readonly TestCertificate[]): Promise<void> {
    await writeFile(this.certificateFile, chainPem(...certificates));
  }
  async key(pem: string): Promise<void> {
    await writeFile(this.keyFile, pem, { mode: 0o600 });
  }
  async write({ root, middle, issuing }: Pki): Promise<void> {
    await this.certificates(root, issuing, middle);
    await this.key(issuing.keyPem);
  }
  open(changes: Partial<DiskUpstreamOptions> = {}): Promise<DiskUpstream> {
    const { logged, certificateFile, keyFile, clock } = this;
    const note = (fields: LogFields): void => void logged.push(fields);
    const logger: Logger = { ...silentLogger, info: note, warn: note, error: note };
    return DiskUpstream.open({ certificateFile, keyFile, clock, logger, ...changes });
  }
  alarms(): number {
    return this.logged.filter(({ event, alarm }) => event === "upstream.disk_refused" && alarm === true).length;
  }
}

const unusable = (what: RegExp) => (error: unknown) =>
  error instanceof Error && "code" in error && what.test(error.message);
const problemOf = (upstream: DiskUpstream): string => {
  const health = upstream.health();
  return health.kind === "problem" ? health.sentence : "";
};

for (const kind of [
  "ec-p256",
  "ec-p384",
  "rsa-2048",
  "rsa-3072",
  "rsa-4096",
] as const satisfies readonly TestKeyKind[]) {
  test(`an issuing CA of ${kind} under an RSA root signs an authority that is accepted and issues`, async (context) => {
    const files = await Files.make(context);
    const pki = makePki({ key: testKey(kind, "issuing") }, {}, { key: testKey("rsa-2048", "root") });
    await files.write(pki);
    const upstream = await files.open();
    const { request, signer, recorded } = makeRequest();
    const answer = await upstream.certify(request);
    const terms = {
      spkiSha256: signer.spkiSha256,
      trustDomain: TRUST_DOMAIN,
      now: NOW,
      dnsGrants: [{ kind: "any" }],
    } as const;
    const { certificate, intermediates, anchor } = acceptUpstreamAnswer(answer, terms);
    assert.deepEqual(
      [...intermediates, anchor].map(({ sha256 }) => sha256),
      [pki.issuing, pki.middle, pki.root].map((each) => each.certificate.sha256),
    );
    assert.ok(bytesEqual(certificate.issuer, pki.issuing.certificate.subject));
    assert.equal(certificate.basicConstraints?.pathLength, 0);
    assert.equal(certificate.serial[0], 1);
    const [only, ...others] = recorded;
    assert.ok(only !== undefined && only !== "signed" && only.kind === "certificate" && others.length === 0);
    assert.deepEqual(new Uint8Array(only.bytes), new Uint8Array(certificate.tbs));
    assert.ok(signatureAlgorithmOfTbs(only.bytes).length > 0);
  });
}

test("two authorities have two subjects", async (context) => {
  const files = await Files.make(context);
  await files.write(makePki());
  const upstream = await files.open();
  const [a, b] = [await upstream.certify(makeRequest().request), await upstream.certify(makeRequest().request)];
  assert.ok(!sameName(parseCertificate(a.certificate).subject, parseCertificate(b.certificate).subject));
});

test("an authority never outlives its chain, and never begins before it", async (context) => {
  const files = await Files.make(context);
  await files.write(makePki({ notBefore: NOW - 5000 }, { notAfter: NOW + 2 * DAY_MS }));
  const upstream = await files.open();
  const { certificate } = await upstream.certify(makeRequest().request);
  const parsed = parseCertificate(certificate);
  assert.equal(parsed.notBefore, NOW - 5000);
  assert.equal(parsed.notAfter, NOW + 2 * DAY_MS);
  const health = upstream.health();
  assert.ok(health.kind === "good" && health.endsAt === NOW + 2 * DAY_MS);
});

test("an issuing CA that is itself the root needs no other certificate", async (context) => {
  const files = await Files.make(context);
  const root = createRoot(lasting(100));
  await files.certificates(root);
  await files.key(root.keyPem);
  const { request, signer } = makeRequest();
  const answer = await (await files.open()).certify(request);
  assert.equal(answer.intermediates.length, 0);
  acceptUpstreamAnswer(answer, { spkiSha256: signer.spkiSha256, trustDomain: TRUST_DOMAIN, now: NOW, dnsGrants: [] });
});

test("nothing is signed where nothing can be recorded", async (context) => {
  const files = await Files.make(context);
  await files.write(makePki());
  const upstream = await files.open();
  const { request } = makeRequest({ record: () => Promise.reject(new Error("the ledger is away")) });
  await assert.rejects(upstream.certify(request), /the ledger is away/);
});

test("replaced files are noticed and used next", async (context) => {
  const files = await Files.make(context);
  await files.write(makePki());
  const upstream = await files.open();
  const next = makePki();
  await files.write(next);
  const { certificate } = await upstream.certify(makeRequest().request);
  assert.ok(bytesEqual(parseCertificate(certificate).issuer, next.issuing.certificate.subject));
  assert.equal(files.alarms(), 0);
});

test("half of a replacement keeps the last good files, shouts once, and is used when it is whole", async (context) => {
  const files = await Files.make(context);
  const first = makePki();
  await files.write(first);
  const upstream = await files.open();
  const next = makePki();
  await files.certificates(next.root, next.middle, next.issuing);
  await upstream.refresh();
  await upstream.refresh();
  assert.equal(files.alarms(), 1);
  const health = upstream.health();
  assert.ok(health.kind === "problem" && health.usingLastGood);
  assert.match(health.sentence, /belongs to no certificate/);
  const { certificate } = await upstream.certify(makeRequest().request);
  assert.ok(bytesEqual(parseCertificate(certificate).issuer, first.issuing.certificate.subject));
  await files.key(next.issuing.keyPem);
  await upstream.refresh();
  assert.equal(upstream.health().kind, "good");
});

test("whatever the files are replaced by, the last good ones stay in use and the fault is told", async (context) => {
  const bad: readonly (readonly [RegExp, (files: Files) => Promise<void>])[] = [
    [/cannot be read/, (files) => rm(files.certificateFile)],
    [/is not there/, (files) => rm(files.keyFile)],
    [/empty/, (files) => writeFile(files.certificateFile, "")],
    [
      /not a plain file/,
      async (files) => {
        await rm(files.certificateFile);
        await mkdir(files.certificateFile);
      },
    ],
    [/PEM|END/, (files) => writeFile(files.certificateFile, chainPem(makePki().issuing).slice(0, 300))],
    [
      /cannot be opened/,
      (files) =>
        writeFile(
          files.keyFile,
          freshKey()
            .export({ format: "pem", type: "pkcs8" })
            .toString()
            .replace(/^M.{20}/m, "MAAAAAAAAAAAAAAAAAAAA"),
        ),
    ],
    [/no private key/, (files) => writeFile(files.keyFile, "nothing")],
    [
      /chain/,
      async (files) => {
        const pki = makePki();
        await files.key(pki.issuing.keyPem);
        await files.certificates(pki.issuing, pki.root);
      },
    ],
    [/expired/, (files) => files.write(makePki({ notAfter: NOW - 1 }))],
    [/not-yet-valid/, (files) => files.write(makePki({}, { notBefore: NOW + 1000 }))],
    [/path-length/, (files) => files.write(makePki({ pathLength: 0 }))],
    [/path-length/, (files) => files.write(makePki({}, { pathLength: 1 }))],
    [/path-length/, (files) => files.write(makePki({}, {}, { pathLength: 2 }))],
    [/keyCertSign/, (files) => files.write(makePki({ keyUsage: ["digitalSignature"] }))],
    [/basic-constraints/, (files) => files.write(makePki({ ca: false }))],
    [/extended-key-usage/, (files) => files.write(makePki({}, { extendedKeyUsage: ["1.3.6.1.5.5.7.3.1"] }))],
    [/RSA of 1024 bits/, (files) => files.write(makePki({}, {}, { key: testKey("rsa-1024", "weak") }))],
    [
      /private key/,
      async (files) => {
        const pki = makePki();
        await files.key(pki.issuing.keyPem);
        await writeFile(files.certificateFile, chainPem(pki.issuing, pki.middle, pki.root) + pki.issuing.keyPem);
      },
    ],
  ];
  for (const [what, replace] of bad) {
    const files = await Files.make(context);
    const good = makePki();
    await files.write(good);
    const upstream = await files.open();
    await replace(files);
    await upstream.refresh();
    const health = upstream.health();
    assert.ok(health.kind === "problem" && health.usingLastGood, String(what));
    assert.match(health.sentence, what);
    const { certificate } = await upstream.certify(makeRequest().request);
    assert.ok(bytesEqual(parseCertificate(certificate).issuer, good.issuing.certificate.subject));
  }
});

test("files that were never good give no authority, and say why", async (context) => {
  const files = await Files.make(context);
  await files.write(makePki({ pathLength: 0 }));
  const upstream = await files.open();
  const health = upstream.health();
  assert.ok(health.kind === "problem" && !health.usingLastGood);
  await assert.rejects(
    upstream.certify(makeRequest().request),
    (error) =>
      error instanceof UpstreamError && error.code === "MCA_UPSTREAM_FILES_UNUSABLE" && error.findings.length > 0,
  );
});

test("room beneath path lengths: one level is enough, at every height", async (context) => {
  const files = await Files.make(context);
  await files.write(makePki({ pathLength: 1 }, { pathLength: 2 }, { pathLength: 3 }));
  const { request, signer } = makeRequest();
  const answer = await (await files.open()).certify(request);
  acceptUpstreamAnswer(answer, { spkiSha256: signer.spkiSha256, trustDomain: TRUST_DOMAIN, now: NOW, dnsGrants: [] });
});

test("a key file that others may read is refused; a link to a private file is followed", async (context) => {
  const files = await Files.make(context);
  await files.write(makePki());
  await chmod(files.keyFile, 0o644);
  const upstream = await files.open();
  assert.match(problemOf(upstream), /mode 0644/);
  await assert.rejects(upstream.certify(makeRequest().request), unusable(/mode 0644/));
  await chmod(files.keyFile, 0o600);
  await rename(files.keyFile, join(files.folder, "..data.key"));
  await symlink("..data.key", files.keyFile);
  await upstream.refresh();
  assert.equal(upstream.health().kind, "good");
});

test("an issuing CA that ends while it is in use signs no more", async (context) => {
  const files = await Files.make(context);
  await files.write(makePki({ notAfter: NOW + DAY_MS }));
  const upstream = await files.open();
  files.clock.advance(86_401);
  const health = upstream.health();
  assert.ok(health.kind === "problem" && !health.usingLastGood);
  await assert.rejects(upstream.certify(makeRequest({ now: files.clock.now() }).request), unusable(/expired|ended/));
});

test("EC, RSA and sealed keys are read, and a wrong passphrase is told without a word of the key", async (context) => {
  const files = await Files.make(context);
  const passphraseFile = join(files.folder, "passphrase");
  await writeFile(passphraseFile, "correct horse\n", { mode: 0o600 });
  const sealed = { format: "pem", cipher: "aes-256-cbc", passphrase: "correct horse" } as const;
  const forms: readonly (readonly [TestKeyKind, KeyExportOptions<"pem">])[] = [
    ["ec-p256", { format: "pem", type: "sec1" }],
    ["rsa-2048", { format: "pem", type: "pkcs1" }],
    ["ec-p384", { type: "pkcs8", ...sealed }],
    ["rsa-2048", { type: "pkcs8", ...sealed }],
    ["ec-p256", { type: "sec1", ...sealed }],
  ];
  for (const [kind, form] of forms) {
    const key = testKey(kind, "form");
    const pki = makePki({ key });
    await files.write(pki);
    await files.key(key.export(form).toString());
    const upstream = await files.open({ passphraseFile });
    assert.equal(problemOf(upstream), "", kind);
    if (form.passphrase === undefined) continue;
    const wrong = join(files.folder, "wrong");
    await writeFile(wrong, "battery staple", { mode: 0o600 });
    const sentence = problemOf(await files.open({ passphraseFile: wrong }));
    assert.match(sentence, /passphrase/);
    assert.doesNotMatch(sentence, /battery|horse|BEGIN|MI[A-I]/);
    assert.match(problemOf(await files.open()), /encrypted/);
  }
  assert.doesNotMatch(JSON.stringify(files.logged), /battery|horse|BEGIN/);
});

test("name constraints above the issuing CA are judged when the files are read", async (context) => {
  const files = await Files.make(context);
  const nameConstraints = nameConstraintsExtension({ permitted: [generalNameDer.uri("other.test")] });
  await files.write(makePki({}, { nameConstraints }));
  assert.equal(problemOf(await files.open()), "");
  assert.match(problemOf(await files.open({ trustDomain: TRUST_DOMAIN })), /name-constraints/);
});

test("a leaf under the authority verifies up to the root", async (context) => {
  const files = await Files.make(context);
  const pki = makePki();
  await files.write(pki);
  const key = freshKey();
  const authority = createIntermediate(pki.issuing, { key });
  const { request } = makeRequest({ publicKey: authority.certificate.publicKey });
  const answer = await (await files.open()).certify(request);
  const certificate = parseCertificate(answer.certificate);
  const leaf = createLeaf(authority, {
    issuerName: certificate.subject,
    notBefore: NOW - 1000,
    notAfter: NOW + 3_600_000,
  });
  const chain = [leaf.certificate, certificate, ...answer.intermediates.map((der) => parseCertificate(der))];
  const anchors = [parseCertificate(answer.anchor)];
  const { path } = validatePath({
    chain,
    anchors,
    time: NOW,
    target: "end-entity",
    purposes: ["serverAuth", "clientAuth"],
  });
  assert.equal(path.length, 5);
});
