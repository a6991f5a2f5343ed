// The errors of src/x509. Everything that foreign bytes can cause ends as an X509Error; a TypeError is a caller's bug.

import { MeshCaError, type MeshCaErrorOptions } from "../runtime/index.ts";
import type { Certificate } from "./types.ts";

/** The stable codes of this room; docs/errors.md says what to do about each. */
export type X509ErrorCode =
  | "MCA_PEM_MALFORMED"
  | "MCA_DER_MALFORMED"
  | "MCA_CERTIFICATE_MALFORMED"
  | "MCA_CSR_MALFORMED"
  | "MCA_CSR_TOO_LARGE"
  | "MCA_CSR_SIGNATURE_INVALID"
  | "MCA_PKCS7_MALFORMED"
  | "MCA_KEY_MALFORMED"
  | "MCA_SIGNATURE_INVALID"
  | "MCA_CRL_MALFORMED"
  | "MCA_CRL_UNUSABLE"
  | "MCA_OCSP_MALFORMED"
  | "MCA_OCSP_UNUSABLE"
  | "MCA_PATH_INVALID";

/** Malformed or untrustworthy X.509 material. */
export class X509Error extends MeshCaError<X509ErrorCode> {}

/** The rule of RFC 5280 section 6.1 (or of ours) that a certification path broke. */
export type PathRule =
  | "chain-empty"
  | "chain-too-long"
  | "issuer-unknown"
  | "issuer-name"
  | "not-yet-valid"
  | "expired"
  | "key-identifier"
  | "signature"
  | "signature-algorithm"
  | "key-strength"
  | "basic-constraints"
  | "path-length"
  | "key-usage"
  | "extended-key-usage"
  | "subject-alternative-name"
  | "malformed-extension"
  | "name-constraints"
  | "certificate-policies"
  | "unknown-critical-extension"
  | "issuer-profile"
  | "work-limit";

/** Which certificate broke which rule, what was found and what was expected; all for people and for ErrorInfo. */
export interface PathFinding {
  readonly rule: PathRule;
  /** RFC 4514 subject of the offending certificate (or its serial number, where the subject is empty). */
  readonly certificate: string;
  readonly found: string;
  readonly expected: string;
}

/** A certification path that must not be relied on. */
export class PathError extends X509Error {
  readonly #finding: PathFinding;
  readonly #offender: Certificate | undefined;

  constructor(finding: PathFinding, options: MeshCaErrorOptions & { readonly offender?: Certificate } = {}) {
    super(
      "MCA_PATH_INVALID",
      `The certificate chain is not acceptable (${finding.rule}): certificate "${finding.certificate}": found ${finding.found}; expected ${finding.expected}.`,
      { ...options, details: { ...finding } },
    );
    this.#finding = finding;
    this.#offender = options.offender;
  }

  get rule(): PathRule {
    return this.#finding.rule;
  }

  get finding(): PathFinding {
    return this.#finding;
  }

  /** The certificate that breaks the rule; undefined where there is none. */
  get offender(): Certificate | undefined {
    return this.#offender;
  }
}

/** Runs a parser and gives its DER errors the code of what was being parsed. */
export function mapDerErrors<T>(code: X509ErrorCode, subject: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof X509Error && error.code === "MCA_DER_MALFORMED") {
      throw new X509Error(code, `${subject} cannot be read: ${error.message}`, { cause: error });
    }
    throw error;
  }
}
