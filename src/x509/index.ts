export { PathError, type PathFinding, type PathRule, X509Error, type X509ErrorCode } from "./errors.ts";
export { oid } from "./oids.ts";
export * from "./pending.ts";
export type {
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
