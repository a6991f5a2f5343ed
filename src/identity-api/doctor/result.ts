// What a check of `mesh-ca doctor` says. The ids and the JSON form are a promise to scripts: docs/doctor.md has every one of them.

export type CheckStatus = "ok" | "warning" | "failed" | "skipped";

/** What a check found. Sentences for people, without secrets. */
export interface Finding {
  readonly status: CheckStatus;
  /** What is there. */
  readonly found: string;
  /** What should be there; not given with `ok`. */
  readonly expected?: string;
  /** A command line or an act that helps. */
  readonly command?: string;
}

export interface CheckResult extends Finding {
  readonly id: string;
  /** A warning that the caller knows of; it does not count. */
  readonly accepted?: true;
}

export interface DoctorReport {
  /** The worst of the checks: failed, else warning, else ok. */
  readonly status: "ok" | "warning" | "failed";
  /** RFC 3339. */
  readonly time: string;
  /** Undefined where no configuration could be read. */
  readonly trustDomain?: string;
  readonly dataDir?: string;
  readonly checks: readonly CheckResult[];
}

export const ok = (found: string): Finding => ({ status: "ok", found });
export const skipped = (found: string, command?: string): Finding => ({
  status: "skipped",
  found,
  ...(command === undefined ? {} : { command }),
});

/** Something that will hurt later, or that hurts already. */
export function problem(
  status: "warning" | "failed",
  found: string,
  expected: string,
  command: string | undefined,
): Finding {
  return { status, found, expected, ...(command === undefined ? {} : { command }) };
}

/** The worst status; what was skipped or accepted does not count. */
export function worstOf(checks: readonly CheckResult[]): DoctorReport["status"] {
  if (checks.some(({ status }) => status === "failed")) return "failed";
  return checks.some(({ status, accepted }) => status === "warning" && !accepted) ? "warning" : "ok";
}
