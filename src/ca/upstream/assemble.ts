// Puts imported certificates together: which one is our authority's, what lies above it, and which root it ends at.
import type { Certificate } from "../../x509/index.ts";
import type { Finding } from "./finding.ts";
import type { ImportedCertificate } from "./read-certificates.ts";
import type { UpstreamAnswer } from "./upstream.ts";

export interface AssemblyTerms {
  /** SHA-256 of the SubjectPublicKeyInfo of each open request. */
  readonly requested: readonly string[];
  /** Roots that we know already: the files need not have them. */
  readonly knownAnchors: readonly Certificate[];
}

export type Assembly =
  | {
      readonly kind: "assembled";
      readonly spkiSha256: string;
      readonly answer: UpstreamAnswer;
      /** Certificates that were not needed, and choices that were made. */
      readonly notes: readonly Finding[];
    }
  | { readonly kind: "refused"; readonly findings: readonly Finding[] };

/** Finds the path of our authority among the certificates. What comes out is in order, but not yet judged. */
export function assembleAnswer(_certificates: readonly ImportedCertificate[], _terms: AssemblyTerms): Assembly {
  throw new TypeError("assembleAnswer is not there yet");
}
