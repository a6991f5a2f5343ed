// The enterprise's side of an offline ceremony: a CA that signs what `mesh-ca authority csr` printed.
import { keyIdentifier, parseCsr } from "../../src/x509/index.ts";
import { type CertificateOptions, createCertificate, type TestCertificate } from "./pki.ts";

/** Signs a request (PKCS#10, DER) as an issuing CA does: subject and key are the request's, everything else is the CA's. DER. */
export function signRequest(issuer: TestCertificate, csr: Uint8Array, options: CertificateOptions = {}): Uint8Array {
  const { publicKey, subject } = parseCsr(csr);
  return createCertificate(issuer, {
    ca: true,
    keyUsage: ["keyCertSign", "cRLSign"],
    ...(options.ca === false ? {} : { pathLength: 0 }),
    subject,
    spki: publicKey.spki,
    subjectKeyId: keyIdentifier(publicKey),
    ...options,
  }).der;
}
