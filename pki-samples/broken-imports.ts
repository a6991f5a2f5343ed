// Samples that cannot be put together to a path, that are no certificates, or that are no authority's at all.
import { createCsr, encodePem, oid } from "../src/x509/index.ts";
import type { Certifier } from "./certify.ts";
import { type Enterprise, issuingName, MESH_NAME, MESH_SUBJECT, named } from "./enterprise.ts";
import { sampleKey } from "./keys.ts";
import { pem, pemWithKey, pkcs12, sampleText } from "./packaging.ts";
import type { Sample, SampleFile } from "./sample.ts";

const file = (path: string, bytes: Uint8Array): SampleFile => ({ path: `broken/${path}`, bytes });

export function brokenImports(certifier: Certifier, enterprise: Enterprise): readonly Sample[] {
  const { rootR1, issuingEc, issuingRsa, stranger, sibling } = enterprise;
  const good = certifier.ca(issuingEc, { key: "mesh", subject: MESH_SUBJECT, pathLength: 0 });
  const deep = certifier.ca(issuingRsa, { key: "mesh", subject: MESH_SUBJECT, pathLength: 0 });
  const siblingLeaf = certifier.make(sibling, {
    key: "workload",
    subject: "",
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: [oid.serverAuth, oid.clientAuth],
    spiffeId: "spiffe://example.test/payroll",
  });
  return [
    {
      name: "loop",
      purpose: "two CAs that have signed each other, and no root",
      files: [file("loop.pem", pem(...loop(certifier)))],
      expected: { kind: "refused", rule: "loop", certificate: MESH_NAME },
    },
    {
      name: "unknown-root",
      purpose: "the root that is there is another one",
      files: [file("unknown-root.pem", pem(good, issuingEc, stranger))],
      expected: { kind: "refused", rule: "chain", certificate: "Example Corp Issuing CA 2" },
    },
    {
      name: "missing-intermediate",
      purpose: "the certificate of the policy CA, in the middle, is missing",
      files: [file("missing-intermediate.pem", pem(deep, issuingRsa, rootR1))],
      expected: { kind: "refused", rule: "chain", certificate: "Example Corp Issuing CA 1" },
    },
    {
      name: "private-key-inside",
      purpose: "the private key of the authority lies in the bundle: refused loudly, unread",
      files: [file("private-key-inside.pem", pemWithKey(good, issuingEc, rootR1))],
      expected: { kind: "unreadable", code: "MCA_IMPORT_PRIVATE_KEY" },
    },
    {
      name: "request",
      purpose: "the request (PKCS#10) instead of the answer to it",
      // An RSA request: its signature is the same each time.
      files: [
        file(
          "request.csr.pem",
          sampleText(encodePem("CERTIFICATE REQUEST", createCsr({ key: sampleKey("policy"), subject: "A request" }))),
        ),
      ],
      expected: { kind: "unreadable", code: "MCA_IMPORT_UNREADABLE" },
    },
    {
      name: "pkcs12",
      purpose: "a PKCS#12 file, with the private key in it",
      files: [file("authority.p12", pkcs12(good))],
      expected: { kind: "unreadable", code: "MCA_IMPORT_UNREADABLE" },
    },
    {
      name: "sibling-leaf",
      purpose:
        "rule X-16: a workload's certificate for our trust domain, by another CA under the same root. OpenSSL accepts it; our verifiers do not",
      files: [file("sibling-leaf.pem", pem(siblingLeaf, sibling))],
      knownAnchors: ["enterprise/root-r1.pem"],
      expected: { kind: "peer-refused", code: "MCA_SVID_UNTRUSTED", authority: "good/ec-under-rsa.pem" },
      openssl: { verdict: "ok", path: [siblingLeaf, sibling, rootR1], firstIsLeaf: true },
    },
  ];

  function loop(from: Certifier): readonly ReturnType<Certifier["ca"]>[] {
    const a = from.ca(undefined, { key: "issuing-a", subject: named(issuingName("loop A")) });
    const b = from.ca(a, { key: "issuing-b", subject: named(issuingName("loop B")) });
    const aByB = from.ca(b, { key: "issuing-a", subject: a.subject });
    return [from.ca(aByB, { key: "mesh", subject: MESH_SUBJECT }), aByB, b];
  }
}
