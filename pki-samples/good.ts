// Samples that are accepted: one good authority under each kind of enterprise, and one good chain in every form.

import type { TestCertificate } from "../test/support/pki.ts";
import type { Certifier } from "./certify.ts";
import { type Enterprise, MESH_SUBJECT } from "./enterprise.ts";
import { pem, pemWithText, pkcs7, pkcs7Pem } from "./packaging.ts";
import type { Expectation, Sample, SampleFile } from "./sample.ts";

/** Nobody who sees the root of an enterprise knows what else is beneath it: every chain here is accepted with that warning. */
const SHARED_ROOT = "dedicated-root";
const ACCEPTED: Expectation = { kind: "accepted", notes: [SHARED_ROOT] };
/** The root was not among the files; one that is known already was taken. */
const KNOWN_ROOT = "root";
const noted = (...notes: readonly string[]): Expectation => ({ kind: "accepted", notes: [SHARED_ROOT, ...notes] });
const file = (path: string, bytes: Uint8Array): SampleFile => ({ path: `good/${path}`, bytes });

export function goodSamples(certifier: Certifier, enterprise: Enterprise): readonly Sample[] {
  const { rootR1, rootR2, rootR2ByR1, policy, issuingRsa, issuingEc, issuingP384, issuingConstrained, stranger } =
    enterprise;
  const mesh = (issuer: TestCertificate): TestCertificate =>
    certifier.ca(issuer, { key: "mesh", subject: MESH_SUBJECT, pathLength: 0 });
  const authority = mesh(issuingRsa);
  const chain = [authority, issuingRsa, policy, rootR1];
  const ok = { verdict: "ok" as const, path: chain };
  const r1 = ["enterprise/root-r1.pem"];
  const underR2 = mesh(issuingP384);
  const underEc = mesh(issuingEc);
  const constrained = mesh(issuingConstrained);
  return [
    {
      name: "chain",
      purpose: "the whole chain of three tiers in PEM, from the authority up to the root",
      files: [file("chain.pem", pem(...chain))],
      expected: ACCEPTED,
      openssl: ok,
    },
    {
      name: "chain-without-root",
      purpose: "without the root, which is known already",
      files: [file("chain-without-root.pem", pem(...chain.slice(0, 3)))],
      knownAnchors: r1,
      expected: noted(KNOWN_ROOT),
    },
    {
      name: "chain-reversed",
      purpose: "the root first",
      files: [file("chain-reversed.pem", pem(...chain.toReversed()))],
      expected: ACCEPTED,
    },
    {
      name: "chain-shuffled",
      purpose: "in no order at all",
      files: [file("chain-shuffled.pem", pem(policy, authority, rootR1, issuingRsa))],
      expected: ACCEPTED,
    },
    {
      name: "chain-with-text",
      purpose: "out of a mail: text between the blocks, CR LF at the line ends",
      files: [file("chain-with-text.txt", pemWithText(...chain))],
      expected: ACCEPTED,
    },
    {
      name: "chain-der",
      purpose: "one DER file for each certificate",
      files: [
        file("authority.cer", authority.der),
        file("issuing.cer", issuingRsa.der),
        file("policy.cer", policy.der),
        file("root.cer", rootR1.der),
      ],
      expected: ACCEPTED,
    },
    {
      name: "chain-two-files",
      purpose: "the authority in one file, the CAs in another, as AD CS gives them",
      files: [file("authority.pem", pem(authority)), file("cas.pem", pem(rootR1, policy, issuingRsa))],
      expected: ACCEPTED,
    },
    {
      name: "chain-pkcs7",
      purpose: "PKCS#7 in DER, with the root",
      files: [file("chain.p7b", pkcs7(...chain))],
      expected: ACCEPTED,
    },
    {
      name: "chain-pkcs7-without-root",
      purpose: "PKCS#7 in DER, any order, without the root",
      files: [file("chain-without-root.p7b", pkcs7(policy, authority, issuingRsa))],
      knownAnchors: r1,
      expected: noted(KNOWN_ROOT),
    },
    {
      name: "chain-pkcs7-pem",
      purpose: "PKCS#7 in PEM",
      files: [file("chain.p7b.pem", pkcs7Pem(...chain))],
      expected: ACCEPTED,
    },
    {
      name: "ec-under-rsa",
      purpose: "a P-256 issuing CA under an RSA-4096 root",
      files: [file("ec-under-rsa.pem", pem(underEc, issuingEc, rootR1))],
      expected: ACCEPTED,
      openssl: { verdict: "ok", path: [underEc, issuingEc, rootR1] },
    },
    {
      name: "p384",
      purpose: "a P-384 root and a P-384 issuing CA",
      files: [file("p384.pem", pem(underR2, issuingP384, rootR2))],
      expected: ACCEPTED,
      openssl: { verdict: "ok", path: [underR2, issuingP384, rootR2] },
    },
    {
      name: "name-constrained",
      purpose:
        "an issuing CA that may sign for example.test alone: accepted, with a warning, because some proxies reject constraints on URIs",
      files: [file("name-constrained.pem", pem(constrained, issuingConstrained, rootR1))],
      expected: noted("name-constraints"),
      openssl: { verdict: "ok", path: [constrained, issuingConstrained, rootR1] },
    },
    {
      name: "root-change-new",
      purpose: "after the root change: under the new root R2, with R2 itself",
      files: [file("root-change-new.pem", pem(underR2, issuingP384, rootR2))],
      knownAnchors: r1,
      expected: ACCEPTED,
    },
    {
      name: "root-change-cross",
      purpose: "during the root change: under R2, which R1 has signed; only R1 is known",
      files: [file("root-change-cross.pem", pem(underR2, issuingP384, rootR2ByR1))],
      knownAnchors: r1,
      expected: noted(KNOWN_ROOT),
      openssl: { verdict: "ok", path: [underR2, issuingP384, rootR2ByR1, rootR1] },
    },
    {
      name: "duplicate",
      purpose: "a certificate that is there twice",
      files: [file("duplicate.pem", pem(underEc, issuingEc, issuingEc, rootR1))],
      expected: noted("once"),
    },
    {
      name: "extra",
      purpose: "certificates that have nothing to do with it: named, and left out",
      files: [file("extra.pem", pem(stranger, underEc, enterprise.sibling, issuingEc, rootR1))],
      expected: noted("chain", "chain"),
    },
  ];
}
