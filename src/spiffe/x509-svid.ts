// The rules that a single certificate must keep to be an X509-SVID (X509-SVID, sections 2 to 5.2; rules ).
// They say nothing about who signed it: a certificate that passes here may be anybody's own making. See X509SvidVerifier.
import { type Certificate, isEmptyName, oid } from "../x509/index.ts";
import { SpiffeError } from "./errors.ts";
import { SpiffeId } from "./spiffe-id.ts";
import type { TrustDomain } from "./trust-domain.ts";

/** A leaf that keeps the rules of an X509-SVID. Not yet verified: nobody is authenticated by it. */
export interface X509Svid {
  readonly id: SpiffeId;
  readonly certificate: Certificate;
}

/**
 * Reads the SPIFFE ID of a leaf and checks every leaf rule, those for issuers too: a standard issuer keeps them.
 * @throws SpiffeError MCA_SVID_INVALID with the broken rule in `details.rule`
 */
export function parseX509Svid(certificate: Certificate): X509Svid {
  const id = leafId(certificate);
  // a path length without cA is refused by the reader of certificates.
  if (certificate.basicConstraints?.ca === true) throw broken("X-7", "it is a CA certificate (cA is true)");
  const usages = keyUsages(certificate);
  if (usages.has("keyCertSign")) throw broken("X-7", "its key usage has keyCertSign");
  if (usages.has("cRLSign")) throw broken("X-7", "its key usage has cRLSign");
  if (!usages.has("digitalSignature")) throw broken("X-15", "its key usage has no digitalSignature");
  const purposes = certificate.extendedKeyUsage?.purposes;
  if (purposes !== undefined && !(purposes.includes(oid.serverAuth) && purposes.includes(oid.clientAuth))) {
    throw broken("X-9", "its extended key usage is not for servers and clients alike");
  }
  return { id, certificate };
}

/**
 * Checks that a certificate may sign SVIDs of `trustDomain`: cA, key usage, and that its own SPIFFE ID, if it has one, is
 * the trust domain's. For certificates that are about to become an authority of ours.
 * @throws SpiffeError MCA_SVID_INVALID with the broken rule in `details.rule`
 */
export function checkAuthorityCertificate(certificate: Certificate, trustDomain: TrustDomain): void {
  if (certificate.basicConstraints?.ca !== true)
    throw broken("X-4", "a signing certificate is not a CA (cA is not true)");
  if (!keyUsages(certificate).has("keyCertSign")) throw broken("X-8", "its key usage has no keyCertSign");
  const uris = uriNames(certificate);
  if (uris.length > 1) throw broken("X-1", `it has ${uris.length} URI names`);
  const [uri] = uris;
  if (uri?.startsWith("spiffe:") && uri !== trustDomain.id) {
    throw broken("X-10", `a signing certificate's SPIFFE ID is its trust domain's, ${trustDomain.id}, without a path`);
  }
}

function leafId(certificate: Certificate): SpiffeId {
  const uris = uriNames(certificate);
  const [uri] = uris;
  if (uri === undefined) throw broken("X-1", "it has no URI name");
  if (uris.length > 1) throw broken("X-1", `it has ${uris.length} URI names`);
  const id = parseId(uri);
  if (id.path === "")
    throw broken("X-2", "its SPIFFE ID has no path, so that it names a trust domain and not a workload");
  if (isEmptyName(certificate.subject) && certificate.subjectAltName?.critical !== true) {
    throw broken("X-3", "its subject is empty and its subject alternative name is not critical");
  }
  return id;
}

function parseId(uri: string): SpiffeId {
  try {
    return SpiffeId.parse(uri);
  } catch (cause) {
    const reason = cause instanceof SpiffeError ? cause.message : "";
    throw broken("X-2", `its URI name is not a SPIFFE ID. ${reason}`, cause);
  }
}

function uriNames(certificate: Certificate): string[] {
  const uris: string[] = [];
  for (const name of certificate.subjectAltName?.names ?? []) {
    if (name.kind === "uri") uris.push(name.value);
  }
  return uris;
}

function keyUsages(certificate: Certificate): ReadonlySet<string> {
  const { keyUsage } = certificate;
  if (keyUsage === undefined) throw broken("X-5", "it has no key usage");
  if (!keyUsage.critical) throw broken("X-5", "its key usage is not critical");
  return keyUsage.usages;
}

function broken(rule: string, found: string, cause?: unknown): SpiffeError {
  return new SpiffeError("MCA_SVID_INVALID", `The certificate is not a valid X509-SVID (rule ${rule}): ${found}.`, {
    cause,
    details: { rule, found },
  });
}
