// Reads the certificates that people bring: PEM, DER, PKCS#7, whole bundles, in any order. Nothing of a private key is ever
// read further or repeated: a file that holds one is refused.
import type { Certificate } from "../../x509/index.ts";

/** A file of an import. */
export interface ImportFile {
  /** For messages. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A certificate out of such a file. */
export interface ImportedCertificate {
  readonly certificate: Certificate;
  /** "chain.p7b, 2nd certificate". */
  readonly source: string;
}

/**
 * Every certificate of the files, in order.
 * @throws UpstreamError MCA_IMPORT_UNREADABLE, MCA_IMPORT_PRIVATE_KEY
 */
export function readCertificates(_files: readonly ImportFile[]): readonly ImportedCertificate[] {
  throw new TypeError("readCertificates is not there yet");
}
