// The enterprise of the samples: Example Corp, with three tiers of CAs (root, policy, issuing), a P-384 root for the time after the RSA one, and
// the certificates that join the two roots.
import { encodeName } from "../src/x509/index.ts";
import { generalNameDer, nameConstraintsExtension, type TestCertificate } from "../test/support/pki.ts";
import type { Certifier } from "./certify.ts";

const ORGANIZATION = "Example Corp";
/** A name of the enterprise. */
export const named = (commonName: string): Uint8Array => encodeName({ organization: ORGANIZATION, commonName });

/** The subject of our authority as the enterprise writes it: not the one that we asked for. */
export const MESH_NAME = "Example Corp Mesh CA";
export const MESH_SUBJECT: Uint8Array = named(MESH_NAME);

export interface Enterprise {
  readonly rootR1: TestCertificate;
  readonly rootR2: TestCertificate;
  /** R2 signed by R1, for those who know R1 only. */
  readonly rootR2ByR1: TestCertificate;
  /** R1 signed by R2, for those who know R2 only. */
  readonly rootR1ByR2: TestCertificate;
  readonly policy: TestCertificate;
  readonly issuingRsa: TestCertificate;
  readonly issuingEc: TestCertificate;
  readonly issuingP384: TestCertificate;
  /** May sign for the trust domain example.test and DNS names below it alone. */
  readonly issuingConstrained: TestCertificate;
  /** Another CA of the enterprise, under the same root: not one of ours. */
  readonly sibling: TestCertificate;
  /** A root that has nothing to do with the others. */
  readonly stranger: TestCertificate;
}

export function makeEnterprise(certifier: Certifier): Enterprise {
  const rootR1 = certifier.ca(undefined, { key: "root-r1", subject: named("Example Corp Root R1") });
  const rootR2 = certifier.ca(undefined, { key: "root-r2", subject: named("Example Corp Root R2") });
  const policy = certifier.ca(rootR1, { key: "policy", subject: named("Example Corp Policy CA"), pathLength: 2 });
  return {
    rootR1,
    rootR2,
    rootR2ByR1: certifier.ca(rootR1, { key: "root-r2", subject: rootR2.subject }),
    rootR1ByR2: certifier.ca(rootR2, { key: "root-r1", subject: rootR1.subject }),
    policy,
    issuingRsa: certifier.ca(policy, {
      key: "issuing-rsa",
      subject: named("Example Corp Issuing CA 1"),
      pathLength: 1,
    }),
    issuingEc: certifier.ca(rootR1, { key: "issuing-ec", subject: named("Example Corp Issuing CA 2"), pathLength: 1 }),
    issuingP384: certifier.ca(rootR2, { key: "issuing-p384", subject: named("Example Corp Issuing CA 3") }),
    issuingConstrained: certifier.ca(rootR1, {
      key: "issuing-ec",
      subject: named("Example Corp Issuing CA for example.test"),
      nameConstraints: nameConstraintsExtension({
        permitted: [generalNameDer.uri("example.test"), generalNameDer.dns("example.test")],
      }),
    }),
    sibling: certifier.ca(rootR1, { key: "sibling", subject: named("Example Corp Payroll CA") }),
    stranger: certifier.ca(undefined, { key: "root-stranger", subject: encodeName({ commonName: "Stranger Root" }) }),
  };
}

/** The common name of an issuing CA that is made for one broken sample. */
export const issuingName = (what: string): string => `Example Corp Issuing CA (${what})`;
