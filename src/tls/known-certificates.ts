// Certificates that peers have presented lately, read once: the intermediates of a mesh are the same in every handshake, and whoever
// connects again shows the same leaf again. What is kept is the reader's result alone, by the very bytes; no verdict is.
import { type Certificate, parseCertificate } from "../x509/index.ts";

/** About 6 kB each. Strangers can only push others out, which costs reading them again. */
const MAX_CERTIFICATES = 512;

const known = new Map<string, Certificate>();

/**
 * Reads a certificate.
 * @returns for the same bytes the same object, as long as it is kept
 * @throws X509Error where the reader refuses it; nothing is kept of it
 */
export function readCertificate(der: Buffer): Certificate {
  const key = der.toString("latin1");
  let certificate = known.get(key);
  if (certificate === undefined) {
    certificate = parseCertificate(der);
    const oldest = known.size < MAX_CERTIFICATES ? undefined : known.keys().next().value;
    if (oldest !== undefined) known.delete(oldest);
  } else {
    // The youngest come last.
    known.delete(key);
  }
  known.set(key, certificate);
  return certificate;
}
