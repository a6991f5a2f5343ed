// Every sample is judged as an import would be, and comes out exactly as pki-samples/index.json says: no rule more, none less.
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRotationSettings, DEFAULT_AUTHORITY_SETTINGS } from "../../src/ca/authority/index.ts";
import {
  assembleAnswer,
  type Finding,
  judgeUpstreamAnswer,
  readCertificates,
  UpstreamError,
} from "../../src/ca/upstream/index.ts";
import { SpiffeError, TrustDomain, X509SvidVerifier } from "../../src/spiffe/index.ts";
import { certificatesOf, filesOf, index, knownAnchorsOf } from "./support.ts";

const now = Date.parse(index.now);
const trustDomain = TrustDomain.parse(index.trustDomain);
type Sample = (typeof index.samples)[number];

/** What `authority import` does with files, up to the probe. */
function verdictOn(sample: Sample): { readonly kind: "accepted" | "refused"; readonly findings: readonly Finding[] } {
  const certificates = readCertificates(filesOf(sample));
  const assembly = assembleAnswer(certificates, {
    requested: [index.requestKey],
    knownAnchors: knownAnchorsOf(sample),
  });
  if (assembly.kind === "refused") return assembly;
  const judgement = judgeUpstreamAnswer(assembly.answer, {
    spkiSha256: assembly.spkiSha256,
    trustDomain,
    now,
    dnsGrants: index.dnsGrants,
    checkLifetime: (endsAt) =>
      checkRotationSettings({ ...DEFAULT_AUTHORITY_SETTINGS, lifetimeSeconds: Math.floor((endsAt - now) / 1000) }),
  });
  return judgement.kind === "accepted"
    ? { kind: "accepted", findings: [...assembly.notes, ...judgement.warnings] }
    : { kind: "refused", findings: judgement.findings };
}

const errorsOf = (findings: readonly Finding[]): readonly Finding[] =>
  findings.filter(({ severity }) => severity === "error");

for (const sample of index.samples) {
  const { expected, name, purpose } = sample;
  switch (expected.kind) {
    case "accepted":
      test(`${name} is accepted: ${purpose}`, () => {
        const verdict = verdictOn(sample);
        assert.equal(verdict.kind, "accepted", JSON.stringify(verdict.findings));
        assert.deepEqual(errorsOf(verdict.findings), []);
        assert.deepEqual(verdict.findings.map(({ rule }) => rule).sort(), [...expected.notes].sort());
      });
      break;
    case "refused":
      test(`${name} breaks "${expected.rule}" and nothing else: ${purpose}`, () => {
        const verdict = verdictOn(sample);
        assert.equal(verdict.kind, "refused");
        const broken = errorsOf(verdict.findings).map(({ rule, certificate }) => [
          rule,
          /CN=([^,]*)/.exec(certificate)?.[1],
        ]);
        const distinct = [...new Set(broken.map((each) => JSON.stringify(each)))].map((text) => JSON.parse(text));
        assert.deepEqual(distinct, [[expected.rule, expected.certificate]], JSON.stringify(verdict.findings, null, 2));
        for (const finding of errorsOf(verdict.findings)) {
          assert.ok(finding.found !== "" && finding.expected !== "" && finding.found !== finding.expected);
        }
      });
      break;
    case "unreadable":
      test(`${name} is not read (${expected.code}): ${purpose}`, () => {
        assert.throws(
          () => verdictOn(sample),
          (error) => {
            assert.ok(error instanceof UpstreamError);
            assert.equal(error.code, expected.code);
            // Nothing of a private key is repeated.
            const [file] = filesOf(sample);
            const text = Buffer.from(file?.bytes ?? []).toString("latin1");
            for (const line of text.split("\n").filter((each) => each.length === 64 && !each.includes(" "))) {
              assert.ok(!`${error.message}${JSON.stringify(error.details)}`.includes(line));
            }
            return true;
          },
        );
      });
      break;
    case "peer-refused":
      test(`X-16 ${name} is refused as a peer (${expected.code}): ${purpose}`, () => {
        const chain = readCertificates(filesOf(sample)).map(({ certificate }) => certificate);
        const anchors = knownAnchorsOf(sample);
        const [authority] = certificatesOf(expected.authority);
        assert.ok(authority);
        const verifier = (authorities: readonly (typeof authority)[] | undefined): X509SvidVerifier =>
          new X509SvidVerifier({
            trustDomain,
            anchors,
            authorities,
            intermediates: [],
            revocations: [],
            distrustedSpkis: new Set(),
            sequence: 1n,
            revision: 1n,
            refreshHintSeconds: 300,
          });
        assert.throws(
          () => verifier([authority]).verify(chain, now),
          (error) => error instanceof SpiffeError && error.code === expected.code,
        );
        // Where only the anchors are known the rule cannot be kept: the leaf is otherwise good, and nothing else refuses it.
        assert.equal(verifier(undefined).verify(chain, now).id.toString(), "spiffe://example.test/payroll");
      });
      break;
  }
}

test("there is a sample for each rule of acceptance", () => {
  const rules = new Set(index.samples.flatMap(({ expected }) => (expected.kind === "refused" ? [expected.rule] : [])));
  const wanted = [
    "key",
    "basic-constraints",
    "basic-constraints",
    "key-usage",
    "subject-key-identifier",
    "path-length",
    "name-constraints",
    "certificate-policies",
    "signature-algorithm",
    "key-strength",
    "loop",
    "lifetime",
    "expired",
    "not-yet-valid",
    "chain",
    "extended-key-usage",
    "extended-key-usage",
    "unknown-critical-extension",
    "spiffe-id",
  ];
  assert.deepEqual(
    wanted.filter((rule) => !rules.has(rule)),
    [],
  );
});
