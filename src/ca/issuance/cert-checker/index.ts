export {
  CertificateChecker,
  type CertificateCheckerOptions,
  CHECK_EVENTS,
  type CheckReport,
} from "./cert-checker.ts";
