// What helps against a finding is told to people who run a CA and have never seen this program.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Finding, judgeUpstreamAnswer, remedyOf } from "../../../src/ca/upstream/index.ts";
import { TrustDomain } from "../../../src/spiffe/index.ts";
import { index } from "../../pki-samples/support.ts";
import { createIntermediate, createRoot } from "../../support/pki.ts";

const finding = (rule: string, found = "something", severity: Finding["severity"] = "error"): Finding => ({
  severity,
  certificate: "CN=Issuing",
  rule,
  found,
  expected: "something else",
});

test("every rule that a broken sample breaks has a remedy", () => {
  const rules = index.samples.flatMap(({ expected }) => (expected.kind === "refused" ? [expected.rule] : []));
  assert.ok(rules.length > 20);
  for (const rule of rules) assert.match(remedyOf(finding(rule)), /\.$/, rule);
});

test("a certificate without extensions is told how openssl came to make it; other unreadable files say themselves what to do", () => {
  assert.match(remedyOf(finding("readable", "it names no version; only X.509 v3 is supported")), /-extfile/);
  assert.equal(remedyOf(finding("readable", "a file that is empty")), "");
});

test("a warning about names above us asks for nothing, the one about a shared root says where to read on", () => {
  assert.equal(remedyOf(finding("name-constraints", "constraints on URIs", "warning")), "");
  const root = createRoot({ subject: "Root" });
  const authority = createIntermediate(root, { subject: "Ours", pathLength: 0 });
  const judgement = judgeUpstreamAnswer(
    { certificate: authority.der, intermediates: [], anchor: root.der },
    {
      spkiSha256: authority.certificate.publicKey.spkiSha256,
      trustDomain: TrustDomain.parse("example.test"),
      now: Date.now(),
      dnsGrants: [],
    },
  );
  assert.ok(judgement.kind === "accepted");
  assert.match(judgement.warnings.map(remedyOf).join(), /operations\.dedicatedRoot/);
});
