// Everything that is wrong with a path, not only the first thing: for people who bring a chain and should not have to come
// back once for each fault. It accepts nothing: what may be relied on is what validatePath returns.
import { PathError, X509Error } from "../errors.ts";
import type { Certificate, GeneralName } from "../types.ts";
import { verifySignature } from "../verify.ts";
import { PathBudget } from "./budget.ts";
import { anyCertificateErrors, issuingCertificateErrors } from "./certificate-rules.ts";
import { broken } from "./finding.ts";
import { issuerProfileErrors } from "./issuer-profile.ts";
import { checkKeyIdentifiers } from "./key-identifiers.ts";
import { checkNameConstraints } from "./name-constraints.ts";
import { checkPolicies } from "./policies.ts";
import type { Purpose } from "./request.ts";
import { checkConstraints, extendedKeyUsageErrors, isSelfIssued, pathLengthErrors } from "./whole-path.ts";

/**
 * Surveys a path of CA certificates, each issued by the next, whose first one shall issue end-entity certificates.
 * @param path first CA ... anchor
 * @param time Unix milliseconds
 */
export function surveyCaPath(
  path: readonly Certificate[],
  time: number,
  purposes: readonly Purpose[],
): readonly PathError[] {
  const errors: PathError[] = [];
  for (const certificate of path) {
    errors.push(...anyCertificateErrors(certificate, time), ...issuingCertificateErrors(certificate));
  }
  path.forEach((certificate, i) => {
    const issuer = path[i + 1] ?? certificate;
    errors.push(...caught(() => checkKeyIdentifiers(certificate, issuer)));
    // What nobody verifies anyhow has been said above.
    if (certificate.signatureAlgorithm.name !== "other") errors.push(...signatureErrors(certificate, issuer));
  });
  errors.push(...pathLengthErrors(path, "ca"), ...extendedKeyUsageErrors(path, purposes));
  errors.push(...caught(() => checkConstraints(path, new PathBudget())));
  errors.push(...caught(() => checkPolicies(path, isSelfIssued, "leaf-beneath")));
  return errors;
}

/** Where a path of CA certificates departs from what RFC 5280 section 4 asks of issuers, and OpenSSL of -x509_strict. */
export function surveyIssuerProfile(path: readonly Certificate[]): readonly PathError[] {
  return [...issuerProfileErrors(path)];
}

/** Why the name constraints of a CA forbid a name beneath it, or undefined. The error names the CA. */
export function nameForbiddenBy(ca: Certificate, name: GeneralName): PathError | undefined {
  const [error] = caught(() => checkNameConstraints(ca, [name], ca, new PathBudget()));
  return error;
}

function signatureErrors(certificate: Certificate, issuer: Certificate): readonly PathError[] {
  try {
    verifySignature(issuer.publicKey, certificate.signatureAlgorithm, certificate.tbs, certificate.signature);
    return [];
  } catch (error) {
    if (!(error instanceof X509Error)) throw error;
    return [broken("signature", certificate, error.message, "a signature by the key of its issuer")];
  }
}

function caught(check: () => void): readonly PathError[] {
  try {
    check();
    return [];
  } catch (error) {
    if (!(error instanceof PathError)) throw error;
    return [error];
  }
}
