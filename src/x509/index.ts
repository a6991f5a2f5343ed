// X.509 as pure code: DER, PEM, certificates, certification requests, signatures, certification paths. No I/O, no clock.

export { endOfElement } from "./ber.ts";
export { bytesEqual, freshBytes, fromHex, sha256, sha256Hex, toHex } from "./bytes.ts";
export { parseCertificate, signatureAlgorithmOfTbs } from "./certificate.ts";
export {
  type CsrFields,
  createCsr,
  encodeCertificationRequest,
  encodeCertificationRequestInfo,
} from "./create-csr.ts";
export { type Crl, parseCrl } from "./crl.ts";
export { checkAllReasons, checkCrlScope, verifyCrl } from "./crl-check.ts";
export { findRevoked, type RevokedEntry } from "./crl-entries.ts";
export { parseCsr } from "./csr.ts";
export { DerReader } from "./der/reader.ts";
export { tag } from "./der/tags.ts";
export {
  derBitString,
  derBoolean,
  derContext,
  derElement,
  derExplicit,
  derIa5String,
  derInteger,
  derNull,
  derOctetString,
  derOid,
  derPrintableString,
  derSequence,
  derSet,
  derSmallInteger,
  derTime,
  derUtf8String,
} from "./der/writer.ts";
export { encodeCertificate, encodeTbsCertificate, type TbsCertificateFields } from "./encode-certificate.ts";
export {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  encodeExtension,
  extendedKeyUsageExtension,
  keyIdentifier,
  keyUsageExtension,
  subjectAltNameExtension,
  subjectKeyIdExtension,
} from "./encode-extensions.ts";
export { PathError, type PathFinding, type PathRule, X509Error, type X509ErrorCode } from "./errors.ts";
export { encodeName, isEmptyName, type NameAttribute, nameAttributes, nameToString, sameName } from "./name.ts";
export { type OcspResponse, parseOcspResponse } from "./ocsp.ts";
export { checkOcspResponse, type OcspAnswer } from "./ocsp-check.ts";
export { createOcspRequest } from "./ocsp-request.ts";
export { oid } from "./oids.ts";
export { createPathCache, type PathCache } from "./path/cache.ts";
export { labelOf } from "./path/finding.ts";
export type { PathRequest, Purpose, ValidatedPath } from "./path/request.ts";
export { nameForbiddenBy, surveyCaPath, surveyIssuerProfile } from "./path/survey.ts";
export { validatePath } from "./path/validate.ts";
export { decodePem, encodePem, type PemBlock } from "./pem.ts";
export { readPkcs7Certificates } from "./pkcs7.ts";
export { parseSubjectPublicKeyInfo } from "./public-key.ts";
export type { RevocationReason } from "./revocation-reason.ts";
export { crlDistributionPoints, type DistributionPoint, ocspResponders } from "./revocation-sources.ts";
export { defaultSignatureAlgorithm, publicKeyOf, signBytes } from "./sign.ts";
export { algorithmIdentifier } from "./signature-algorithm.ts";
export type {
  BasicConstraints,
  Certificate,
  Csr,
  Extension,
  GeneralName,
  KeyUsage,
  KnownSignatureAlgorithm,
  NameConstraints,
  PolicyExtensions,
  PublicKeyAlgorithm,
  PublicKeyInfo,
  SignatureAlgorithm,
  SubtreeBase,
} from "./types.ts";
export { verifyCsrSignature, verifySignature } from "./verify.ts";
