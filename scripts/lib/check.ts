// What a check is: a name, and a function that says what it found. `skipped` is loud: a check that did not run is no pass.

export type CheckResult =
  | { readonly kind: "passed"; readonly note?: string }
  | { readonly kind: "failed"; readonly report: string }
  | { readonly kind: "skipped"; readonly reason: string };

export interface Check {
  readonly name: string;
  run(): Promise<CheckResult>;
}

/** A result from a list of findings: passed where it is empty. */
export function fromFindings(findings: readonly string[], note?: string): CheckResult {
  if (findings.length > 0) return { kind: "failed", report: findings.join("\n") };
  return note === undefined ? { kind: "passed" } : { kind: "passed", note };
}
