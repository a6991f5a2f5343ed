// Errors of the upstream room.
import { MeshCaError, type MeshCaErrorOptions } from "../../runtime/index.ts";

/** Codes of {@link UpstreamError}. */
export type UpstreamErrorCode = "MCA_UPSTREAM_UNAVAILABLE" | "MCA_UPSTREAM_CERTIFICATE_REFUSED";

/** An authority cannot get its certificate, or what came back is not acceptable. */
export class UpstreamError extends MeshCaError<UpstreamErrorCode> {
  constructor(code: UpstreamErrorCode, sentence: string, options: MeshCaErrorOptions = {}) {
    super(code, sentence, options);
  }
}
