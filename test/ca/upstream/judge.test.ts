import assert from "node:assert/strict";
import { createSign } from "node:crypto";
import { test } from "node:test";
import { LeafProfile } from "../../../src/ca/issuance/profile.ts";
import { createSerial } from "../../../src/ca/issuance/serial.ts";
import {
  type AcceptanceTerms,
  acceptUpstreamAnswer,
  type DnsGrant,
  type Judgement,
  judgeUpstreamAnswer,
  UpstreamError,
} from "../../../src/ca/upstream/index.ts";
import { systemRandom } from "../../../src/runtime/index.ts";
import { TrustDomain } from "../../../src/spiffe/index.ts";
import {
  algorithmIdentifier,
  bytesEqual,
  derContext,
  derNull,
  derOid,
  derPrintableString,
  derSequence,
  derSet,
  encodeCertificate,
  encodeExtension,
  encodeName,
  keyUsageExtension,
  oid,
  parseCertificate,
} from "../../../src/x509/index.ts";
import {
  type CertificateOptions,
  createIntermediate,
  createLeaf,
  createRoot,
  type ForeignAlgorithm,
  freshKey,
  generalNameDer,
  nameConstraintsExtension,
  type TestCertificate,
  testKey,
} from "../../support/pki.ts";

const trustDomain = TrustDomain.parse("mesh.example.test");
const now = Date.now();
const DAY_MS = 86_400_000;

interface Chain {
  readonly authority: TestCertificate;
  readonly above: readonly TestCertificate[];
  readonly root: TestCertificate;
}
interface Changes {
  readonly root?: CertificateOptions;
  readonly policy?: CertificateOptions;
  readonly issuing?: CertificateOptions;
  readonly authority?: CertificateOptions;
}

/** Root, policy CA, issuing CA, authority; good but for the changes. */
function makeChain(changes: Changes = {}): Chain {
  const root = createRoot({ subject: "Root", ...changes.root });
  const policy = createIntermediate(root, { subject: "Policy", ...changes.policy });
  const issuing = createIntermediate(policy, { subject: "Issuing", ...changes.issuing });
  const authority = createIntermediate(issuing, { subject: "Ours", pathLength: 0, ...changes.authority });
  return { authority, above: [issuing, policy], root };
}

function judge({ authority, above, root }: Chain, terms: Partial<AcceptanceTerms> = {}): Judgement {
  return judgeUpstreamAnswer(
    { certificate: authority.der, intermediates: above.map(({ der }) => der), anchor: root.der },
    { spkiSha256: authority.certificate.publicKey.spkiSha256, trustDomain, now, dnsGrants: [], ...terms },
  );
}
const lines = (judgement: Judgement, severity: "error" | "warning" = "error"): readonly string[] =>
  (judgement.kind === "accepted" ? judgement.warnings : judgement.findings)
    .filter((finding) => finding.severity === severity)
    .map(({ certificate, rule, found, expected }) => [certificate, rule, found, expected].join(" | "));
function assertRefused(judgement: Judgement, ...patterns: readonly RegExp[]): void {
  assert.equal(judgement.kind, "refused");
  const found = lines(judgement);
  for (const pattern of patterns)
    assert.ok(
      found.some((line) => pattern.test(line)),
      `${pattern} in\n${found.join("\n")}`,
    );
  assert.equal(found.length, patterns.length, found.join("\n"));
}
function assertAccepted(judgement: Judgement): void {
  assert.equal(judgement.kind, "accepted", lines(judgement).join("\n"));
}

const sha1: ForeignAlgorithm = {
  der: derSequence(derOid("1.2.840.113549.1.1.5"), derNull()),
  sign: (key, tbs) => createSign("sha1").update(tbs).sign(key),
};
const extension = (id: string, value: Uint8Array): Uint8Array => encodeExtension(id, false, value);
const requireExplicitPolicy = (skip: number): Uint8Array =>
  encodeExtension(oid.policyConstraints, true, derSequence(derContext(0, Uint8Array.of(skip), false)));
const anyPolicy = extension(oid.certificatePolicies, derSequence(derSequence(derOid(oid.anyPolicy))));

test("a good enterprise chain is accepted with nothing but the word about its root", () => {
  const judgement = judge(makeChain());
  assertAccepted(judgement);
  const warnings = lines(judgement, "warning");
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /CN=Root \| dedicated-root/);
  assert.deepEqual(lines(judge(makeChain(), { dedicatedRoot: true }), "warning"), []);
});

test("a P-256 authority under RSA roots of 4096 bits, and under P-384, is accepted", () => {
  assertAccepted(
    judge(makeChain({ root: { key: testKey("rsa-4096", "root") }, policy: { key: testKey("rsa-3072", "policy") } })),
  );
  assertAccepted(judge(makeChain({ root: { key: testKey("ec-p384", "root") } })));
});

test("each rule of a single certificate names that certificate, wherever it stands in the chain", () => {
  const weak = testKey("rsa-1024", "weak");
  const rsa = testKey("rsa-2048", "old");
  const curve = freshKey("ec-secp256k1");
  const cases: readonly (readonly [RegExp, Changes])[] = [
    [/CN=Issuing .*expired/, { issuing: { notAfter: now - 1000 } }],
    [/CN=Root .*expired/, { root: { notAfter: now - 1000 } }],
    [/CN=Policy .*not-yet-valid/, { policy: { notBefore: now + 60_000 } }],
    [/CN=Ours .*expired/, { authority: { notAfter: now - 1000 } }],
    [/CN=Root .*key-strength.*RSA of 1024 bits/, { root: { key: weak } }],
    [/CN=Policy .*key-strength.*1024/, { policy: { key: weak } }],
    [/CN=Ours .*key-strength.*1024/, { authority: { key: weak } }],
    [/CN=Ours .*key-strength.*curve/, { authority: { key: curve } }],
    [/CN=Policy .*signature-algorithm.*SHA-1/, { root: { key: rsa }, policy: { signatureAlgorithm: sha1 } }],
    [/CN=Root .*signature-algorithm.*SHA-1/, { root: { key: rsa, signatureAlgorithm: sha1 } }],
    [/CN=Policy .*basic-constraints.*no basic constraints/, { policy: { basicConstraints: null } }],
    [/CN=Root .*basic-constraints.*cA FALSE/, { root: { ca: false } }],
    [/CN=Issuing .*key-usage.*cRLSign.*keyCertSign/, { issuing: { keyUsage: ["cRLSign"] } }],
    [
      /CN=Policy .*unknown-critical-extension.*1\.3\.6\.1\.4\.1\.99999/,
      { policy: { extraExtensions: [encodeExtension("1.3.6.1.4.1.99999", true, derNull())] } },
    ],
    [
      /CN=Ours .*unknown-critical-extension/,
      { authority: { extraExtensions: [encodeExtension("1.3.6.1.4.1.99999", true, derNull())] } },
    ],
    [/CN=Issuing .*key-identifier/, { issuing: { authorityKeyId: Uint8Array.of(1, 2, 3) } }],
    [/CN=Ours .*basic-constraints.*no CA/, { authority: { ca: false, pathLength: undefined } as never }],
    [/CN=Ours .*basic-constraints.*not critical/, { authority: { basicConstraints: "not-critical" } }],
    [/CN=Ours .*key-usage.*keyCertSign.*cRLSign/, { authority: { keyUsage: ["keyCertSign"] } }],
    [/CN=Ours .*key-usage.*cRLSign.*keyCertSign/, { authority: { keyUsage: ["cRLSign"] } }],
    [/CN=Ours .*subject-key-identifier/, { authority: { subjectKeyId: null } }],
    [/CN=Ours .*subject-key-identifier/, { authority: { subjectKeyId: new Uint8Array() } }],
    [
      /CN=Ours .*key-usage.*not critical/,
      { authority: { keyUsage: null, extraExtensions: [keyUsageExtension(["keyCertSign", "cRLSign"], false)] } },
    ],
    [
      /CN=Ours .*extended-key-usage.*serverAuth \(1\.3\.6\.1\.5\.5\.7\.3\.1\).*clientAuth/,
      { authority: { extendedKeyUsage: [oid.serverAuth] } },
    ],
    [/CN=Issuing .*extended-key-usage.*serverAuth/, { issuing: { extendedKeyUsage: [oid.clientAuth] } }],
    [/CN=Root .*extended-key-usage.*serverAuth/, { root: { extendedKeyUsage: [oid.clientAuth] } }],
    [
      /CN=Ours .*spiffe-id.*spiffe:\/\/mesh\.example\.test\/ca/,
      { authority: { spiffeId: "spiffe://mesh.example.test/ca" } },
    ],
    [/CN=Ours .*spiffe-id/, { authority: { spiffeId: "spiffe://example.test" } }],
    [/CN=Ours .*spiffe-id/, { authority: { spiffeId: "SPIFFE://mesh.example.test" } }],
  ];
  for (const [pattern, changes] of cases) assertRefused(judge(makeChain(changes)), pattern);
});

test("anyExtendedKeyUsage allows neither purpose, and both purposes are asked at once", () => {
  const changes: Changes = { policy: { extendedKeyUsage: [oid.anyExtendedKeyUsage] } };
  assertRefused(judge(makeChain(changes)), /CN=Policy .*serverAuth \(/, /CN=Policy .*clientAuth \(/);
  const both = [oid.serverAuth, oid.clientAuth];
  assertAccepted(judge(makeChain({ policy: { extendedKeyUsage: both }, authority: { extendedKeyUsage: both } })));
});

test("our own SPIFFE ID without a path, other URIs, and none are accepted; two URIs are not", () => {
  assertAccepted(judge(makeChain({ authority: { spiffeId: trustDomain.id } })));
  assertAccepted(judge(makeChain({ authority: { names: [{ kind: "uri", value: "https://pki.example.test" }] } })));
  const names = [trustDomain.id, "https://pki.example.test"].map((value) => ({ kind: "uri", value }) as const);
  assertRefused(judge(makeChain({ authority: { names } })), /spiffe-id \| 2 URI names/);
});

test("every fault of the whole chain is told in one go", () => {
  const chain = makeChain({
    root: { key: testKey("rsa-1024", "weak"), extendedKeyUsage: [oid.clientAuth] },
    policy: { pathLength: 0, notAfter: now - 1000 },
    issuing: { keyUsage: ["digitalSignature"] },
    authority: { subjectKeyId: null, keyUsage: ["keyCertSign"], spiffeId: "spiffe://other.test" },
  });
  assertRefused(
    judge(chain, { spkiSha256: "ab".repeat(32) }),
    /\| key \|/,
    /key-usage/,
    /subject-key-identifier/,
    /spiffe-id/,
    /CN=Root .*key-strength/,
    /CN=Root .*extended-key-usage/,
    /CN=Policy .*expired/,
    /CN=Issuing .*key-usage/,
    /CN=Issuing .*path-length.*"CN=Policy".*path length of 0/,
    /CN=Ours .*path-length/,
  );
});

test("path length must leave room on every level, self-issued levels apart", () => {
  assertAccepted(judge(makeChain({ root: { pathLength: 3 }, policy: { pathLength: 2 }, issuing: { pathLength: 1 } })));
  assertRefused(judge(makeChain({ root: { pathLength: 2 } })), /CN=Ours .*path-length.*"CN=Root"/);
  assertRefused(judge(makeChain({ issuing: { pathLength: 0 } })), /CN=Ours .*path-length.*"CN=Issuing"/);
});

test("a missing link is named with the faults of what is there, in the answer's own words for files", () => {
  const { authority, above, root } = makeChain({ authority: { subjectKeyId: null } });
  const sources = new Map([[authority.certificate.sha256, "answer.pem, 1st certificate"]]);
  const answer = {
    certificate: authority.der,
    intermediates: above.slice(1).map(({ der }) => der),
    anchor: root.der,
    sources,
  };
  const terms = { spkiSha256: authority.certificate.publicKey.spkiSha256, trustDomain, now, dnsGrants: [] };
  assertRefused(
    judgeUpstreamAnswer(answer, terms),
    /subject-key-identifier/,
    /^CN=Ours \(answer\.pem, 1st certificate\) \| chain .*"CN=Issuing" with the key id/,
  );
});

test("a forged signature anywhere ends the chain there", () => {
  const { authority, above, root } = makeChain();
  const forge = (certificate: TestCertificate): Uint8Array => {
    const der = Uint8Array.from(certificate.der);
    der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1;
    return der;
  };
  const terms = { spkiSha256: authority.certificate.publicKey.spkiSha256, trustDomain, now, dnsGrants: [] };
  const intermediates = above.map(({ der }) => der);
  for (const answer of [
    { certificate: forge(authority), intermediates, anchor: root.der },
    { certificate: authority.der, intermediates: above.map(forge), anchor: root.der },
    { certificate: authority.der, intermediates, anchor: createRoot({ subject: "Root" }).der },
  ]) {
    assertRefused(judgeUpstreamAnswer(answer, terms), /chain .*whose key did not sign it/);
  }
});

test("the root's own signature is verified, and a root that another CA issued is none", () => {
  const { authority, above, root } = makeChain();
  const der = Uint8Array.from(root.der);
  der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1;
  const terms = { spkiSha256: authority.certificate.publicKey.spkiSha256, trustDomain, now, dnsGrants: [] };
  const intermediates = above.map((each) => each.der);
  assertRefused(
    judgeUpstreamAnswer({ certificate: authority.der, intermediates, anchor: der }, terms),
    /CN=Root .*signature/,
  );
  const [issuing, policy] = above;
  assert.ok(issuing !== undefined && policy !== undefined);
  const answer = { certificate: authority.der, intermediates: [issuing.der], anchor: policy.der };
  const found = lines(judgeUpstreamAnswer(answer, terms));
  assert.ok(
    found.some((line) => /CN=Policy \| root \|.*self-signed root/.test(line)),
    found.join("\n"),
  );
});

test("a chain that goes round in circles, or has our own key above us, is refused", () => {
  const key = freshKey();
  const { root } = makeChain();
  const other = createRoot({ subject: "Other" });
  const around = createIntermediate(other, { subject: "Ours", key });
  const mine = createIntermediate(around, { subject: "Ours", key });
  assert.equal(judge({ authority: mine, above: [around], root }).kind, "refused");
  assert.equal(judge({ authority: mine, above: [around], root: other }).kind, "refused");
});

test("X.509 v1, nonsense and truncated certificates are findings, not exceptions", () => {
  const { authority, above, root } = makeChain();
  const terms = { spkiSha256: authority.certificate.publicKey.spkiSha256, trustDomain, now, dnsGrants: [] };
  const bare = {
    version: 1,
    basicConstraints: null,
    keyUsage: null,
    subjectKeyId: null,
    authorityKeyId: null,
  } as const;
  const old = createRoot({ subject: "Old", ...bare });
  const intermediates = above.map(({ der }) => der);
  for (const answer of [
    { certificate: old.der, intermediates, anchor: root.der },
    { certificate: authority.der, intermediates: [old.der, ...intermediates], anchor: old.der },
    { certificate: Uint8Array.of(1, 2, 3), intermediates: [], anchor: Uint8Array.of() },
    { certificate: authority.der.subarray(1), intermediates, anchor: root.der },
  ]) {
    const found = lines(judgeUpstreamAnswer(answer, terms));
    assert.ok(
      found.some((line) => /X\.509 v3/.test(line)),
      found.join("\n"),
    );
  }
});

const uris = (...hosts: readonly string[]): Uint8Array[] => hosts.map(generalNameDer.uri);
const dns = (...hosts: readonly string[]): Uint8Array[] => hosts.map(generalNameDer.dns);

test("URI constraints must permit our trust domain by every verifier's reading, at every level", () => {
  const cases: readonly (readonly [boolean, Parameters<typeof nameConstraintsExtension>[0]])[] = [
    [true, { permitted: uris("mesh.example.test") }],
    [true, { permitted: uris("other.test", "MESH.example.TEST") }],
    [true, { permitted: uris(".example.test") }],
    // Go takes the hosts beneath it too, OpenSSL that host alone.
    [false, { permitted: uris("example.test") }],
    [false, { permitted: uris("other.test") }],
    [false, { permitted: uris(".mesh.example.test") }],
    [false, { excluded: uris("mesh.example.test") }],
    [false, { excluded: uris(".example.test") }],
    // Go excludes the hosts beneath it too.
    [false, { excluded: uris("example.test") }],
    [true, { excluded: uris("other.test", "sub.mesh.example.test") }],
    [false, { permitted: uris("mesh.example.test"), excluded: uris("mesh.example.test") }],
    [true, { permitted: dns("example.test") }],
  ];
  for (const [permitted, constraints] of cases) {
    const nameConstraints = nameConstraintsExtension(constraints);
    for (const level of ["root", "policy", "issuing", "authority"] as const) {
      const judgement = judge(makeChain({ [level]: { nameConstraints } }));
      if (permitted) assertAccepted(judgement);
      else assertRefused(judgement, /name-constraints.*mesh\.example\.test/);
      const warned = lines(judgement, "warning").some((line) => /rustls-webpki or pyca/.test(line));
      assert.equal(warned, (constraints.permitted ?? constraints.excluded)?.some((base) => base[0] === 0x86) ?? false);
    }
  }
});

test("DNS constraints must permit every name that rules may grant", () => {
  const exact = (name: string): DnsGrant => ({ kind: "exact", name });
  const below = (suffix: string): DnsGrant => ({ kind: "below", suffix });
  const any: DnsGrant = { kind: "any" };
  const cases: readonly (readonly [boolean, DnsGrant, Parameters<typeof nameConstraintsExtension>[0]])[] = [
    [true, exact("a.svc.test"), { permitted: dns("svc.test") }],
    [false, exact("a.other.test"), { permitted: dns("svc.test") }],
    [false, exact("svc.test"), { permitted: dns(".svc.test") }],
    [false, exact("a.svc.test"), { excluded: dns("svc.test") }],
    [true, exact("a.svc.test"), { permitted: uris("mesh.example.test") }],
    [true, below("svc.test"), { permitted: dns("svc.test") }],
    [true, below("svc.test"), { permitted: dns(".svc.test") }],
    [true, below("Svc.Test"), { permitted: dns("other.test", "TEST") }],
    [true, below("svc.test"), { permitted: dns("") }],
    [false, below("svc.test"), { permitted: dns("a.svc.test") }],
    [false, below("svc.test"), { permitted: dns("xsvc.test") }],
    [false, below("svc.test"), { excluded: dns("a.svc.test") }],
    [false, below("svc.test"), { excluded: dns("test") }],
    [true, below("svc.test"), { excluded: dns("other.test") }],
    [false, any, { permitted: dns("test") }],
    [false, any, { excluded: dns("secret.test") }],
    [true, any, { permitted: dns("") }],
    [true, any, { permitted: uris("mesh.example.test") }],
  ];
  for (const [permitted, grant, constraints] of cases) {
    const chain = makeChain({ policy: { nameConstraints: nameConstraintsExtension(constraints) } });
    const judgement = judge(chain, { dnsGrants: [grant] });
    if (permitted) assertAccepted(judgement);
    else assertRefused(judgement, /CN=Policy .*name-constraints.*do not permit/);
  }
  const chain = makeChain({ policy: { nameConstraints: nameConstraintsExtension({ permitted: dns("svc.test") }) } });
  assertRefused(
    judge(chain, { dnsGrants: [exact("a.svc.test"), any, exact("b.test")] }),
    /every DNS name/,
    /permit b\.test/,
  );
});

test("constraints of a kind that nobody can compare are refused where they are critical", () => {
  const registered = derContext(8, Uint8Array.of(0x2a, 0x03), false);
  const nameConstraints = nameConstraintsExtension({ permitted: [registered] });
  assert.equal(judge(makeChain({ policy: { nameConstraints } })).kind, "refused");
});

test("a root that may speak for our trust domain alone is not warned of", () => {
  const nameConstraints = nameConstraintsExtension({ permitted: uris("mesh.example.test") });
  const warned = (chain: Chain): boolean => lines(judge(chain), "warning").some((line) => /dedicated-root/.test(line));
  assert.ok(!warned(makeChain({ root: { nameConstraints } })));
  assert.ok(warned(makeChain({ issuing: { nameConstraints } })));
  assert.ok(
    warned(makeChain({ root: { nameConstraints: nameConstraintsExtension({ permitted: uris(".example.test") }) } })),
  );
});

test("a policy that leaves would need is refused, one that ends before them is not", () => {
  const level = (skip: number): Changes => ({
    policy: { extraExtensions: [anyPolicy, requireExplicitPolicy(skip)] },
    issuing: { extraExtensions: [anyPolicy] },
    authority: { extraExtensions: [anyPolicy] },
  });
  // Issuing, authority, leaf: the third is the leaf.
  for (const skip of [0, 1, 2, 3]) assertRefused(judge(makeChain(level(skip))), /certificate-policies/);
  assertAccepted(judge(makeChain(level(4))));
  const own: Changes = { authority: { extraExtensions: [requireExplicitPolicy(0)] } };
  assertRefused(judge(makeChain(own)), /CN=Ours .*certificate-policies.*explicit policy/);
});

test("the lifetime is asked of the end of the whole chain, and its arithmetic is told", () => {
  const chain = makeChain({ policy: { notAfter: now + 3 * DAY_MS } });
  const asked: number[] = [];
  const judgement = judge(chain, {
    checkLifetime(endsAt) {
      asked.push(endsAt);
      throw new Error("a sixth of 3 d is less than 24 h");
    },
  });
  assertRefused(judgement, /CN=Policy .*lifetime.*a sixth of 3 d is less than 24 h/);
  assert.deepEqual(asked, [Math.floor((now + 3 * DAY_MS) / 1000) * 1000]);
  const warned = lines(judge(chain), "warning");
  assert.ok(warned.some((line) => /CN=Ours \| validity .*"CN=Policy"/.test(line)));
  const bug = (): never => {
    throw new TypeError("a bug");
  };
  assert.throws(() => judge(chain, { checkLifetime: bug }), /a bug/);
  // One fault, one finding.
  assertRefused(judge(makeChain({ policy: { notAfter: now - 1000 } }), { checkLifetime: bug }), /expired/);
});

test("what strict verifiers refuse is a warning, certificate by certificate", () => {
  const changes: Changes = {
    policy: { basicConstraints: "not-critical", subjectKeyId: null },
    issuing: { authorityKeyId: null, keyUsage: null },
    authority: { authorityKeyId: null },
  };
  const judgement = judge(makeChain(changes), { dedicatedRoot: true });
  assertAccepted(judgement);
  const warned = lines(judgement, "warning");
  for (const pattern of [
    /CN=Policy .*not critical/,
    /CN=Policy .*subject key id/,
    /CN=Issuing .*authority key id/,
    /CN=Issuing .*key usage/,
    /CN=Ours .*authority key id/,
  ]) {
    assert.ok(
      warned.some((line) => pattern.test(line)),
      `${pattern} in\n${warned.join("\n")}`,
    );
  }
  assert.equal(warned.length, 5);
});

test("a certificate that the path does not need is named and left out", () => {
  const { authority, above, root } = makeChain();
  const judgement = judge({ authority, above: [createIntermediate(root, { subject: "Extra" }), ...above], root });
  assert.ok(judgement.kind === "accepted");
  assert.ok(lines(judgement, "warning").some((line) => /CN=Extra .*no part of the path/.test(line)));
  assert.deepEqual(
    judgement.authority.intermediates.map(({ sha256 }) => sha256),
    above.map(({ certificate }) => certificate.sha256),
  );
});

test("a subject that the enterprise CA rewrote is copied into leaves byte for byte, and so is a foreign key id", () => {
  const rewritten = derSequence(
    derSet(derSequence(derOid(oid.country), derPrintableString("DE"))),
    derSet(derSequence(derOid(oid.commonName), derPrintableString("MESH Sub-CA 7"))),
  );
  const subjectKeyId = Uint8Array.from({ length: 33 }, (_, i) => i);
  const { authority, above, root } = makeChain({ authority: { subject: rewritten, subjectKeyId } });
  const judgement = judge({ authority, above, root });
  assert.ok(judgement.kind === "accepted");
  const { certificate } = judgement.authority;
  const tbs = new LeafProfile(certificate, "ecdsa-sha256").build({
    serial: createSerial(1, systemRandom),
    notBefore: now,
    notAfter: now + 3_600_000,
    publicKey: createLeaf(authority).certificate.publicKey,
    spiffeId: `${trustDomain.id}/a`,
    dnsNames: [],
  });
  const leaf = parseCertificate(encodeCertificate(tbs, algorithmIdentifier("ecdsa-sha256"), new Uint8Array(70)));
  assert.ok(bytesEqual(leaf.issuer, rewritten));
  assert.ok(leaf.authorityKeyId !== undefined && bytesEqual(leaf.authorityKeyId, subjectKeyId));
});

test("the error of a refusal has every finding, the first ones in its sentence", () => {
  const { authority, above, root } = makeChain({
    root: { key: testKey("rsa-1024", "weak") },
    authority: { subjectKeyId: null },
  });
  const answer = { certificate: authority.der, intermediates: above.map(({ der }) => der), anchor: root.der };
  const terms = { spkiSha256: "00".repeat(32), trustDomain, now, dnsGrants: [] };
  assert.throws(
    () => acceptUpstreamAnswer(answer, terms),
    (error) => {
      assert.ok(error instanceof UpstreamError && error.code === "MCA_UPSTREAM_CERTIFICATE_REFUSED");
      assert.equal(error.findings.filter(({ severity }) => severity === "error").length, 3);
      assert.match(error.message, /\(key\).*subject-key-identifier.*key-strength/);
      assert.deepEqual([error.details["rule"], error.details["findings"]], ["key", "3"]);
      return true;
    },
  );
});

test("hostile names reach the reader escaped and at a bounded length", () => {
  const subject = encodeName({ commonName: `\u001b[2J\u202e${"x".repeat(5000)}` });
  const judgement = judge(makeChain({ authority: { subject, subjectKeyId: null } }));
  for (const line of lines(judgement)) {
    assert.ok(line.length < 400);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    assert.doesNotMatch(line, /[\u0000-\u001f\u202e]/);
  }
});

test("a CA whose own name is not permitted is told beside the other faults", () => {
  const permitted = [generalNameDer.directory(encodeName({ organization: "Corp" }))];
  const changes: Changes = {
    policy: { nameConstraints: nameConstraintsExtension({ permitted }) },
    authority: { subjectKeyId: null },
  };
  assertRefused(judge(makeChain(changes)), /subject-key-identifier/, /name-constraints.*directory/);
});
