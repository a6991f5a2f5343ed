// The door of the lint: bytes go in, and only what every rule accepts comes out as a LintedTbs.
import { IssuanceError } from "../errors.ts";
import { holdsTbs, type LintIntent, lintLeaf } from "./leaf.ts";
import { LintFinding } from "./walker.ts";

export { type LintIssuer, readLintIssuer } from "./issuer.ts";
export type { LintIntent } from "./leaf.ts";
export type { IdKind } from "./names.ts";

const KEY = Symbol("only the lint accepts");

/** TBSCertificate bytes that the lint has accepted. Obtainable only from {@link lint}. */
export class LintedTbs {
  readonly bytes: Uint8Array;
  readonly #accepted: Uint8Array;

  constructor(key: typeof KEY, bytes: Uint8Array) {
    if (key !== KEY) throw new TypeError("only the lint makes a LintedTbs");
    this.bytes = bytes;
    this.#accepted = Buffer.from(bytes); // a copy
  }

  /** Whether `bytes` is still what the lint accepted: arrays are shared, and a later writer would go unseen. */
  equals(bytes: Uint8Array): boolean {
    return Buffer.compare(this.#accepted, bytes) === 0;
  }

  /** Whether a certificate (DER) is one for exactly what the lint accepted. */
  isWithin(certificate: Uint8Array): boolean {
    return holdsTbs(certificate, this.#accepted);
  }
}

/**
 * Reads the bytes of a leaf's TBSCertificate a second time and holds them to what was intended and to every rule.
 * @throws IssuanceError MCA_LINT_FAILED with the rule, what was found and what was expected
 */
export function lint(tbs: Uint8Array, intent: LintIntent): LintedTbs {
  try {
    lintLeaf(tbs, intent);
  } catch (error) {
    if (!(error instanceof LintFinding)) throw error;
    const { rule, found, expected } = error;
    throw new IssuanceError(
      "MCA_LINT_FAILED",
      `The certificate that was about to be issued breaks a rule (${rule}): found ${found}; expected ${expected}. Nothing was signed. This is a bug of mesh-ca or a rule that no certificate can keep: report it with the request id.`,
      { cause: error, details: { rule, found, expected } },
    );
  }
  return new LintedTbs(KEY, tbs);
}
