// Errors of the upstream room.
import { MeshCaError, type MeshCaErrorOptions } from "../../runtime/index.ts";
import type { Finding } from "./finding.ts";

/** Codes of {@link UpstreamError}. */
export type UpstreamErrorCode =
  | "MCA_UPSTREAM_UNAVAILABLE"
  | "MCA_UPSTREAM_CERTIFICATE_REFUSED"
  | "MCA_UPSTREAM_FILES_UNUSABLE"
  | "MCA_IMPORT_UNREADABLE"
  | "MCA_IMPORT_PRIVATE_KEY";

/** An authority cannot get its certificate, or what came back is not acceptable. */
export class UpstreamError extends MeshCaError<UpstreamErrorCode> {
  /** Everything that was wrong, where more than one thing may be. */
  readonly findings: readonly Finding[];

  constructor(
    code: UpstreamErrorCode,
    sentence: string,
    options: MeshCaErrorOptions & { readonly findings?: readonly Finding[] } = {},
  ) {
    super(code, sentence, options);
    this.findings = options.findings ?? [];
  }
}
