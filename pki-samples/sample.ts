// What a sample is: files, what they are for, and what a verdict on them must be. index.json is made of these.
import type { TestCertificate } from "../test/support/pki.ts";

/** What must come of a sample. */
export type Expectation =
  /** Accepted; `notes` are the rules of warnings about certificates that were not needed or that deserve a look. */
  | { readonly kind: "accepted"; readonly notes: readonly string[] }
  /** Refused for exactly this rule, at the certificate whose subject has this common name. */
  | { readonly kind: "refused"; readonly rule: string; readonly certificate: string }
  /** Not even read: the code of the error. */
  | { readonly kind: "unreadable"; readonly code: string }
  /** An end-entity certificate that our verifiers refuse: the code of the error. */
  | { readonly kind: "peer-refused"; readonly code: string; readonly authority: string };

/** What `openssl verify` says: "ok", also where it does not look at the rule, or the number of its error. */
export type OpenSslExpectation = "ok" | number;

/** A file of a sample, as bytes. */
export interface SampleFile {
  /** Below pki-samples. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface Sample {
  readonly name: string;
  readonly files: readonly SampleFile[];
  /** Roots that are known before, as paths below pki-samples. */
  readonly knownAnchors?: readonly string[];
  /** What it is for, or which rule it breaks, for people. */
  readonly purpose: string;
  readonly expected: Expectation;
  /** Given: what the openssl program must say about a workload's certificate that the authority issues, or about the path's first itself. */
  readonly openssl?: {
    readonly verdict: OpenSslExpectation;
    /** Authority ... root. */
    readonly path: readonly TestCertificate[];
    readonly firstIsLeaf?: true;
  };
}
