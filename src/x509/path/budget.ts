// Bounds on the work that one path validation may cost, against chains that were made to be expensive: cross-signed webs
// with many paths, many same-named issuers, thousands of names under thousands of constraints.
import type { Certificate } from "../types.ts";
import { broken } from "./finding.ts";

const MAX_SIGNATURE_CHECKS = 32;
const MAX_STEPS = 512;
const MAX_NAME_COMPARISONS = 1 << 14;

/** What one call of validatePath may still spend. Every `spend` throws PathError work-limit when nothing is left. */
export class PathBudget {
  #signatureChecks = 0;
  #steps = 0;
  #comparisons = 0;

  /** One verification of a signature. */
  spendSignature(certificate: Certificate): void {
    if (++this.#signatureChecks > MAX_SIGNATURE_CHECKS) {
      throw broken(
        "work-limit",
        certificate,
        "more candidates",
        `a path found within ${MAX_SIGNATURE_CHECKS} signature checks`,
      );
    }
  }

  /** One candidate for an issuer. */
  spendStep(certificate: Certificate): void {
    if (++this.#steps > MAX_STEPS) {
      throw broken("work-limit", certificate, "more candidates", `a path found within ${MAX_STEPS} steps`);
    }
  }

  /** Comparisons of names with constraints. */
  spendComparisons(count: number, certificate: Certificate): void {
    this.#comparisons += count;
    if (this.#comparisons > MAX_NAME_COMPARISONS) {
      throw broken(
        "work-limit",
        certificate,
        "more names and constraints",
        `at most ${MAX_NAME_COMPARISONS} comparisons`,
      );
    }
  }
}
