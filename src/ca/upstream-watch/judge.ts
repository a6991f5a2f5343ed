// Verifies what came from an address and says what it means for each certificate that is asked about. Signature first: nothing of a
// stranger's list is walked.
import {
  type Certificate,
  checkAllReasons,
  checkCrlScope,
  checkOcspResponse,
  type DistributionPoint,
  findRevoked,
  parseCrl,
  parseOcspResponse,
  verifyCrl,
  X509Error,
} from "../../x509/index.ts";
import { inSlices } from "./slices.ts";
import type { Finding, Marks } from "./verdict.ts";

/** A CRL of more is not read. A million revoked certificates are 40 to 50 MB. */
export const MAX_CRL_BYTES = 64 * 1024 * 1024;
export const MAX_OCSP_BYTES = 64 * 1024;

/** A verified answer; findings in the order in which the certificates were given. */
export interface Judged {
  readonly marks: Marks;
  readonly findings: readonly Finding[];
}

/**
 * Judges a CRL.
 * @throws X509Error MCA_CRL_MALFORMED, MCA_CRL_UNUSABLE; the signal's reason
 */
export async function judgeCrl(
  bytes: Uint8Array,
  issuer: Certificate,
  asked: readonly { readonly certificate: Certificate; readonly point: DistributionPoint }[],
  signal: AbortSignal,
): Promise<Judged> {
  const crl = parseCrl(bytes, { maxBytes: MAX_CRL_BYTES });
  await inSlices(verifyCrl(crl, issuer), signal);
  const serials = asked.map(({ certificate }) => certificate.serial);
  const entries = await inSlices(findRevoked(crl, serials), signal);
  const findings = asked.map(({ certificate, point }, i): Finding => {
    const entry = entries[i];
    try {
      checkCrlScope(crl, certificate, point);
      if (entry === undefined) checkAllReasons(crl, point);
    } catch (error) {
      if (!(error instanceof X509Error)) throw error;
      return { kind: "unusable", why: error.message };
    }
    return entry === undefined ? { kind: "good" } : { kind: "revoked", ...entry };
  });
  const { thisUpdate, nextUpdate, number } = crl;
  return { marks: { thisUpdate, nextUpdate, number, fresh: false }, findings };
}

/**
 * Judges an OCSP response.
 * @throws X509Error MCA_OCSP_MALFORMED, MCA_OCSP_UNUSABLE
 */
export function judgeOcsp(
  bytes: Uint8Array,
  question: {
    readonly certificate: Certificate;
    readonly issuer: Certificate;
    readonly nonce: Uint8Array;
    readonly now: number;
  },
): Judged {
  const { status, thisUpdate, nextUpdate, fresh } = checkOcspResponse(parseOcspResponse(bytes), question);
  const finding: Finding =
    status.kind === "unknown" ? { kind: "unusable", why: "The OCSP responder does not know the certificate." } : status;
  return { marks: { thisUpdate, nextUpdate, number: undefined, fresh }, findings: [finding] };
}
