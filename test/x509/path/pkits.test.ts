// A public corpus: NIST's PKITS. No chain that must fail is accepted; those that must pass and do not are listed with the
// reason. (Revocation is not the path validator's business: PKITS' CRL tests are left out.)
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import {
  type Certificate,
  decodePem,
  PathError,
  parseCertificate,
  sameName,
  validatePath,
  X509Error,
} from "../../../src/x509/index.ts";

const text = readFileSync(new URL("./pkits/pkits.pem", import.meta.url), "latin1");
const files = new Map<string, Uint8Array>();
for (const [, name, block] of text.matchAll(/^(\w+)\n(-----BEGIN[\s\S]*?-----END CERTIFICATE-----\n)/gm)) {
  const [pem] = decodePem(block ?? "");
  if (name !== undefined && pem !== undefined) files.set(name, pem.der);
}

const NOT_READ = "cannot be read";
const certificates = new Map<string, Certificate>();
for (const [name, der] of files) {
  try {
    certificates.set(name, parseCertificate(der));
  } catch (error) {
    if (!(error instanceof X509Error)) throw error;
  }
}
const anchor = certificates.get("TrustAnchorRootCertificate");
const authorities = [...certificates].filter(([name]) => !name.endsWith("EE")).map(([, certificate]) => certificate);

/** Every CA that could be above a certificate, in the order in which they are met. */
function withIssuers(leaf: Certificate): Certificate[] {
  const chain = [leaf];
  for (const certificate of chain) {
    for (const candidate of authorities) {
      if (!chain.includes(candidate) && sameName(candidate.subject, certificate.issuer)) chain.push(candidate);
    }
  }
  return chain;
}

/** "accepted", "cannot be read", or the broken rule. */
function verdict(name: string): string {
  const leaf = certificates.get(name);
  if (leaf === undefined) return NOT_READ;
  assert.ok(anchor !== undefined);
  try {
    validatePath({
      chain: withIssuers(leaf),
      anchors: [anchor],
      time: Date.UTC(2020, 0, 1),
      target: "end-entity",
      maxCertificates: 64,
    });
    return "accepted";
  } catch (error) {
    if (error instanceof PathError) return error.rule;
    throw error;
  }
}

/** Chains that PKITS calls valid, and that we refuse. */
const STRICTER: readonly (readonly [pattern: RegExp, rule: string, reason: string])[] = [
  [/DSA/, "signature-algorithm", "DSA with SHA-1"],
  [/PolicyMapping/, "certificate-policies", "policy mappings are not followed, and these paths need one"],
  [/pathLenConstraintTest(8|14)EE/, "basic-constraints", "the leaf is a CA, and we asked for an end entity"],
  [/RFC822nameConstraintsTest25/, "name-constraints", "excluded hosts cover those beneath, as Go reads it"],
  [/URInameConstraintsTest36/, "name-constraints", "excluded hosts cover those beneath, as Go reads it"],
];

describe("PKITS", () => {
  it("is there", () => {
    assert.equal(files.size, 293);
    assert.ok(anchor !== undefined);
  });

  for (const name of [...files.keys()].filter((one) => one.endsWith("EE"))) {
    if (name.startsWith("Invalid")) {
      it(`refuses ${name}`, () => {
        assert.notEqual(verdict(name), "accepted");
      });
    } else if (name.startsWith("Valid")) {
      const stricter = STRICTER.find(([pattern]) => pattern.test(name));
      it(`${stricter === undefined ? "accepts" : "is stricter with"} ${name}${stricter === undefined ? "" : `: ${stricter[2]}`}`, () => {
        assert.equal(verdict(name), stricter?.[1] ?? "accepted");
      });
    }
  }
});
