// Everything that lies in pki-samples beside these programs and the keys, as bytes: the test compares it with what is checked in.

import { publicKeyOf } from "../src/x509/index.ts";
import type { TestCertificate } from "../test/support/pki.ts";
import { brokenImports } from "./broken-imports.ts";
import { brokenPaths } from "./broken-paths.ts";
import { Certifier, SAMPLES_NOW } from "./certify.ts";
import { makeEnterprise } from "./enterprise.ts";
import { goodSamples } from "./good.ts";
import { sampleKey } from "./keys.ts";
import { pem } from "./packaging.ts";
import { renderReadme } from "./readme.ts";
import type { Sample, SampleFile } from "./sample.ts";

/** What every sample is judged by. */
export const TERMS = {
  now: new Date(SAMPLES_NOW).toISOString(),
  trustDomain: "example.test",
  /** DNS names that rules grant: one, and all below another. */
  dnsGrants: [
    { kind: "exact", name: "ca.example.test" },
    { kind: "below", suffix: "svc.example.test" },
  ],
} as const;

export interface BuiltSamples {
  readonly samples: readonly Sample[];
  readonly files: readonly SampleFile[];
}

/** @param known certificates that are not signed again (certificatesOnDisk) */
export function buildSamples(known?: ReadonlyMap<string, Uint8Array>): BuiltSamples {
  const certifier = new Certifier(known);
  const enterprise = makeEnterprise(certifier);
  const samples = [
    ...goodSamples(certifier, enterprise),
    ...brokenPaths(certifier, enterprise),
    ...brokenImports(certifier, enterprise),
  ];
  const cas: readonly (readonly [string, TestCertificate])[] = [
    ["root-r1", enterprise.rootR1],
    ["root-r2", enterprise.rootR2],
    ["root-r2-by-r1", enterprise.rootR2ByR1],
    ["root-r1-by-r2", enterprise.rootR1ByR2],
    ["policy", enterprise.policy],
    ["issuing-rsa", enterprise.issuingRsa],
    ["issuing-ec", enterprise.issuingEc],
    ["issuing-p384", enterprise.issuingP384],
    ["issuing-constrained", enterprise.issuingConstrained],
    ["sibling", enterprise.sibling],
    ["stranger-root", enterprise.stranger],
  ];
  return {
    samples,
    files: [
      ...cas.map(([name, certificate]) => ({ path: `enterprise/${name}.pem`, bytes: pem(certificate) })),
      ...samples.flatMap(({ files }) => files),
      { path: "index.json", bytes: utf8(`${JSON.stringify(index(samples), null, 2)}\n`) },
      { path: "README.md", bytes: utf8(renderReadme(samples, cas)) },
    ],
  };
}

function index(samples: readonly Sample[]): object {
  return {
    ...TERMS,
    requestKey: publicKeyOf(sampleKey("mesh")).spkiSha256,
    samples: samples.map(({ name, files, knownAnchors = [], purpose, expected, openssl }) => ({
      name,
      purpose,
      files: files.map(({ path }) => path),
      knownAnchors,
      expected,
      openssl: openssl?.verdict ?? null,
    })),
  };
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
