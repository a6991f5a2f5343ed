export { CHECK_IDS, type DoctorOptions, examine } from "./doctor.ts";
export type { CheckResult, DoctorReport } from "./result.ts";
