// What is wrong (or worth knowing) about a certificate that somebody gave us: a sentence in four parts, for people.

/** One rule that one certificate breaks, or a warning about it. */
export interface Finding {
  readonly severity: "error" | "warning";
  /** Its subject, and the file and position that it came from, where they are known. */
  readonly certificate: string;
  readonly rule: string;
  readonly found: string;
  readonly expected: string;
}

/** A finding as a sentence. */
export function findingToString({ certificate, rule, found, expected }: Finding): string {
  return `certificate "${certificate}" (${rule}): found ${found}; expected ${expected}`;
}
