// Whether an OCSP response answers for a certificate (RFC 6960 section 3.2): it speaks of this certificate, and the certificate's issuer
// signed it, or a responder that the issuer itself certified for that. Time is the caller's matter, as with CRLs.
import { bytesEqual, toHex } from "./bytes.ts";
import { parseCertificate } from "./certificate.ts";
import { X509Error } from "./errors.ts";
import { sameName } from "./name.ts";
import type { OcspResponse, SingleOcspResponse } from "./ocsp.ts";
import { type CertIdHash, certIdHashes, keyHash } from "./ocsp-request.ts";
import { oid } from "./oids.ts";
import { checkAnyCertificate } from "./path/certificate-rules.ts";
import type { Certificate } from "./types.ts";
import { verifySignature } from "./verify.ts";

/** What was asked. */
export interface OcspQuestion {
  readonly certificate: Certificate;
  readonly issuer: Certificate;
  /** The nonce of the request, if it had one. */
  readonly nonce?: Uint8Array;
  /** For the responder's certificate, Unix milliseconds. */
  readonly now: number;
}

/** A verified answer. */
export interface OcspAnswer extends Pick<SingleOcspResponse, "status" | "thisUpdate" | "nextUpdate"> {
  /** The responder repeated our nonce: the answer was made for this question. */
  readonly fresh: boolean;
}

function unusable(why: string, cause?: unknown): X509Error {
  return new X509Error(
    "MCA_OCSP_UNUSABLE",
    `The OCSP response cannot be used: ${why}.`,
    cause === undefined ? {} : { cause },
  );
}

/**
 * Holds a response to the question.
 * @throws X509Error MCA_OCSP_UNUSABLE
 */
export function checkOcspResponse(response: OcspResponse, question: OcspQuestion): OcspAnswer {
  const single = findSingle(response, question);
  for (const extension of [...response.extensions, ...single.extensions]) {
    if (extension.critical && extension.oid !== oid.ocspNonce) {
      throw unusable(`it has the critical extension ${extension.oid}, which is not understood`);
    }
  }
  const { nonce } = response;
  if (nonce !== undefined && (question.nonce === undefined || !bytesEqual(nonce, question.nonce))) {
    throw unusable("its nonce is not that of the request: it was made for another question");
  }
  verifyResponder(response, question);
  const { status, thisUpdate, nextUpdate } = single;
  return { status, thisUpdate, nextUpdate, fresh: nonce !== undefined };
}

const HASHES = new Map<string, CertIdHash>([
  [oid.sha1, "sha1"],
  [oid.sha256, "sha256"],
]);

function findSingle({ responses }: OcspResponse, { certificate, issuer }: OcspQuestion): SingleOcspResponse {
  const matching = responses.filter(({ hashAlgorithm, issuerNameHash, issuerKeyHash, serial }) => {
    const algorithm = HASHES.get(hashAlgorithm);
    if (algorithm === undefined || !bytesEqual(serial, certificate.serial)) return false;
    const hashes = certIdHashes(algorithm, certificate, issuer);
    return bytesEqual(issuerNameHash, hashes.name) && bytesEqual(issuerKeyHash, hashes.key);
  });
  const [single] = matching;
  if (single === undefined) {
    const found = responses[0] === undefined ? "none" : toHex(responses[0].serial.subarray(0, 20));
    throw unusable(`it speaks of the serial number ${found} and not of ${certificate.serialHex} of the same issuer`);
  }
  if (matching.length > 1) throw unusable("it speaks of the certificate more than once");
  return single;
}

/** Section 4.2.2.2. */
function verifyResponder(response: OcspResponse, question: OcspQuestion): void {
  const { issuer } = question;
  if (isResponder(response, issuer)) {
    verify(response, issuer);
    return;
  }
  const responder = findDelegate(response);
  if (responder === undefined) {
    throw unusable(
      "it is signed neither by the issuer of the certificate nor by a responder whose certificate it brings",
    );
  }
  checkDelegate(responder, question);
  verify(response, responder);
}

function verify(response: OcspResponse, signer: Certificate): void {
  try {
    verifySignature(signer.publicKey, response.signatureAlgorithm, response.tbs, response.signature);
  } catch (cause) {
    throw unusable("its signature does not hold", cause);
  }
}

function isResponder({ responder }: OcspResponse, certificate: Certificate): boolean {
  return responder.kind === "name"
    ? sameName(responder.name, certificate.subject)
    : bytesEqual(responder.keyHash, keyHash("sha1", certificate));
}

function findDelegate(response: OcspResponse): Certificate | undefined {
  for (const der of response.certificates) {
    let certificate: Certificate;
    try {
      certificate = parseCertificate(der);
    } catch (cause) {
      throw unusable("it brings a certificate that cannot be read", cause);
    }
    if (isResponder(response, certificate)) return certificate;
  }
  return undefined;
}

/**
 * A responder's certificate counts where the issuer itself signed it for this purpose (section 4.2.2.2), and where it says that its own
 * revocation need not be asked for (section 4.2.2.2.1): that would be the same question again.
 */
function checkDelegate(responder: Certificate, { issuer, now }: OcspQuestion): void {
  const refuse = (why: string, cause?: unknown): X509Error =>
    unusable(`the certificate of its responder ${why}`, cause);
  try {
    checkAnyCertificate(responder, now);
  } catch (cause) {
    throw refuse("is not acceptable", cause);
  }
  if (!sameName(responder.issuer, issuer.subject))
    throw refuse("was not issued by the issuer of the certificate itself");
  try {
    verifySignature(issuer.publicKey, responder.signatureAlgorithm, responder.tbs, responder.signature);
  } catch (cause) {
    throw refuse("is not signed by the issuer of the certificate itself", cause);
  }
  if (responder.extendedKeyUsage?.purposes.includes(oid.ocspSigning) !== true) {
    throw refuse("lacks the extended key usage OCSPSigning");
  }
  if (responder.keyUsage !== undefined && !responder.keyUsage.usages.has("digitalSignature")) {
    throw refuse("has a key usage without digitalSignature");
  }
  if (!responder.extensions.some((extension) => extension.oid === oid.ocspNoCheck)) {
    throw refuse("lacks id-pkix-ocsp-nocheck, so that its own revocation would have to be asked for");
  }
}
