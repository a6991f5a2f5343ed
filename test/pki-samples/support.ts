// Reads pki-samples/index.json and the files that it names.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Expectation, OpenSslExpectation } from "../../pki-samples/sample.ts";
import { projectRoot } from "../../scripts/lib/command.ts";
import type { DnsGrant, ImportFile } from "../../src/ca/upstream/index.ts";
import { type Certificate, decodePem, parseCertificate } from "../../src/x509/index.ts";

interface IndexedSample {
  readonly name: string;
  readonly purpose: string;
  readonly files: readonly string[];
  readonly knownAnchors: readonly string[];
  readonly expected: Expectation;
  readonly openssl: OpenSslExpectation | null;
}

interface Index {
  /** ISO 8601. */
  readonly now: string;
  readonly trustDomain: string;
  readonly dnsGrants: readonly DnsGrant[];
  /** SHA-256 of the SubjectPublicKeyInfo of the key that a certificate was asked for. */
  readonly requestKey: string;
  readonly samples: readonly IndexedSample[];
}

export const samplesFolder = join(projectRoot, "pki-samples");
export const index: Index = JSON.parse(readFileSync(join(samplesFolder, "index.json"), "utf8"));

export function filesOf(sample: IndexedSample): readonly ImportFile[] {
  return sample.files.map((name) => ({ name, bytes: readFileSync(join(samplesFolder, name)) }));
}

/** The certificates of a PEM file of the samples. */
export function certificatesOf(path: string): readonly Certificate[] {
  return decodePem(readFileSync(join(samplesFolder, path), "utf8")).map(({ der }) => parseCertificate(der));
}

export const knownAnchorsOf = (sample: IndexedSample): readonly Certificate[] =>
  sample.knownAnchors.flatMap((path) => certificatesOf(path));
