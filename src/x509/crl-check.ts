// Whether a CRL answers for a certificate (RFC 5280 section 6.3.3, for complete CRLs of the certificate's own issuer). Delta and
// indirect CRLs are refused: an answer from them would be half an answer. One that covers only some reasons can revoke and not acquit.
// Time is the caller's matter: a CRL past its nextUpdate is still authentic, and what it lists as revoked stays so.
import { bytesEqual } from "./bytes.ts";
import type { Crl } from "./crl.ts";
import type { IssuingDistributionPoint } from "./crl-extensions.ts";
import { X509Error } from "./errors.ts";
import { nameToString, sameName } from "./name.ts";
import type { DistributionPoint } from "./revocation-sources.ts";
import type { Certificate, GeneralName } from "./types.ts";
import { verifySignatureInSteps } from "./verify.ts";

function unusable(why: string, cause?: unknown): X509Error {
  return new X509Error("MCA_CRL_UNUSABLE", `The CRL cannot be used: ${why}.`, cause === undefined ? {} : { cause });
}

/**
 * Holds a CRL to its issuer: name, key identifier, key usage, signature. A step for each quarter of a mebibyte.
 * @throws X509Error MCA_CRL_UNUSABLE
 */
export function* verifyCrl(crl: Crl, issuer: Certificate): Generator<void, void> {
  if (!sameName(crl.issuer, issuer.subject)) {
    throw unusable(
      `it was issued by "${nameToString(crl.issuer)}", expected "${nameToString(issuer.subject)}", the issuer of the certificate`,
    );
  }
  const { authorityKeyId } = crl;
  if (authorityKeyId !== undefined && issuer.subjectKeyId !== undefined) {
    if (!bytesEqual(authorityKeyId, issuer.subjectKeyId)) {
      throw unusable("it is signed by another key of its issuer (the key identifiers differ)");
    }
  }
  // Section 6.3.3 (f).
  if (issuer.keyUsage !== undefined && !issuer.keyUsage.usages.has("cRLSign")) {
    throw unusable("the key usage of its issuer does not permit to sign CRLs (cRLSign)");
  }
  if (crl.unknownCritical[0] !== undefined) {
    throw unusable(`it has the critical extension ${crl.unknownCritical[0]}, which is not understood`);
  }
  try {
    yield* verifySignatureInSteps(issuer.publicKey, crl.signatureAlgorithm, crl.tbs, crl.signature);
  } catch (cause) {
    if (!(cause instanceof X509Error)) throw cause;
    throw unusable(`its signature does not hold with the key of "${nameToString(issuer.subject)}"`, cause);
  }
}

/**
 * Whether a CRL speaks of this certificate at this distribution point, so that an entry in it counts. That there is none means
 * something only where `checkAllReasons` holds, too.
 * @throws X509Error MCA_CRL_UNUSABLE
 */
export function checkCrlScope(crl: Crl, certificate: Certificate, point: DistributionPoint): void {
  if (crl.isDelta) throw unusable("it is a delta CRL; publish the complete one at the distribution point");
  if (point.indirect) throw unusable("the certificate asks for an indirect CRL, which is not supported");
  const scope = crl.issuingDistributionPoint;
  if (scope !== undefined) checkIssuingPoint(scope, certificate, point);
}

/**
 * Whether a certificate that a CRL does not list is not revoked for any reason (section 6.3.3 (d): the interim reasons mask).
 * @throws X509Error MCA_CRL_UNUSABLE
 */
export function checkAllReasons(crl: Crl, point: DistributionPoint): void {
  if (point.someReasons) throw unusable("the certificate's distribution point covers only some reasons");
  if (crl.issuingDistributionPoint?.onlySomeReasons === true) throw unusable("it covers only some reasons");
}

function checkIssuingPoint(scope: IssuingDistributionPoint, certificate: Certificate, point: DistributionPoint): void {
  if (scope.indirect) throw unusable("it is an indirect CRL, which is not supported");
  if (scope.onlyAttributeCertificates) throw unusable("it covers attribute certificates only");
  const isCa = certificate.basicConstraints?.ca === true;
  if (scope.onlyUserCertificates && isCa) throw unusable("it covers end-entity certificates only");
  if (scope.onlyCaCertificates && !isCa) throw unusable("it covers CA certificates only");
  const { names } = scope;
  if (names === undefined) return;
  // Section 6.3.3 (b) (2) (i): else a CRL of another partition would pass for this one.
  if (!names.some((name) => point.names.some((other) => sameGeneralName(name, other)))) {
    throw unusable("its issuing distribution point is not the distribution point that the certificate names");
  }
}

function sameGeneralName(a: GeneralName, b: GeneralName): boolean {
  if (a.kind === "directory") return b.kind === "directory" && sameName(a.der, b.der);
  if (a.kind === "ip") return b.kind === "ip" && bytesEqual(a.bytes, b.bytes);
  if (a.kind === "other") return b.kind === "other" && bytesEqual(a.der, b.der);
  return a.kind === b.kind && a.value === b.value;
}
