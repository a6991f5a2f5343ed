// Signatures first: every function here is being filled in, file by file.
import type { KeyObject } from "node:crypto";
import type {
  Certificate,
  Csr,
  GeneralName,
  KeyUsage,
  KnownSignatureAlgorithm,
  PublicKeyInfo,
  SignatureAlgorithm,
} from "./types.ts";

const pending = (..._: unknown[]): never => {
  throw new TypeError("not written yet");
};
export function encodePem(label: string, der: Uint8Array): string {
  return pending(label, der);
}
export function decodePem(text: string): { label: string; der: Uint8Array }[] {
  return pending(text);
}
export function sha256(bytes: Uint8Array): Uint8Array {
  return pending(bytes);
}
export function toHex(bytes: Uint8Array): string {
  return pending(bytes);
}
export function fromHex(text: string): Uint8Array {
  return pending(text);
}
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  return pending(a, b);
}
export function derSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return pending(parts);
}
export function derSet(...parts: readonly Uint8Array[]): Uint8Array {
  return pending(parts);
}
export function derInteger(unsigned: Uint8Array): Uint8Array {
  return pending(unsigned);
}
export function derOid(oid: string): Uint8Array {
  return pending(oid);
}
export function derOctetString(bytes: Uint8Array): Uint8Array {
  return pending(bytes);
}
export function derBitString(bytes: Uint8Array): Uint8Array {
  return pending(bytes);
}
export function derBoolean(value: boolean): Uint8Array {
  return pending(value);
}
export function derUtf8String(text: string): Uint8Array {
  return pending(text);
}
export function derPrintableString(text: string): Uint8Array {
  return pending(text);
}
export function derIa5String(text: string): Uint8Array {
  return pending(text);
}
export function derTime(unixMs: number): Uint8Array {
  return pending(unixMs);
}
export function derNull(): Uint8Array {
  return pending();
}
export function derExplicit(tag: number, inner: Uint8Array): Uint8Array {
  return pending(tag, inner);
}
export function derContext(tag: number, bytes: Uint8Array, constructed: boolean): Uint8Array {
  return pending(tag, bytes, constructed);
}
export function parseSubjectPublicKeyInfo(der: Uint8Array): PublicKeyInfo {
  return pending(der);
}
export function parseCertificate(der: Uint8Array, options: { maxBytes?: number } = {}): Certificate {
  return pending(der, options);
}
export function nameToString(nameDer: Uint8Array): string {
  return pending(nameDer);
}
export function verifySignature(
  key: PublicKeyInfo,
  algorithm: SignatureAlgorithm,
  message: Uint8Array,
  signature: Uint8Array,
): void {
  return pending(key, algorithm, message, signature);
}
export function parseCsr(der: Uint8Array, options: { maxBytes?: number } = {}): Csr {
  return pending(der, options);
}
export function verifyCsrSignature(csr: Csr): void {
  return pending(csr);
}
export interface CsrFields {
  /** Common name of the subject; empty subject if absent. */
  readonly subject?: string;
  readonly uriSans?: readonly string[];
  readonly dnsSans?: readonly string[];
  /** The private key that the request is for; it signs the request. */
  readonly key: KeyObject;
}
export function createCsr(fields: CsrFields): Uint8Array {
  return pending(fields);
}
export interface TbsCertificateFields {
  /** Unsigned big-endian magnitude. */
  readonly serial: Uint8Array;
  readonly signatureAlgorithm: KnownSignatureAlgorithm;
  /** Name, DER: copied byte for byte. */
  readonly issuer: Uint8Array;
  /** Unix milliseconds; cut to whole seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Name, DER: copied byte for byte. */
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo, DER: copied byte for byte. */
  readonly spki: Uint8Array;
  /** Each an Extension, DER, in this order. */
  readonly extensions: readonly Uint8Array[];
}
export function encodeTbsCertificate(fields: TbsCertificateFields): Uint8Array {
  return pending(fields);
}
export function encodeCertificate(
  tbs: Uint8Array,
  signatureAlgorithmDer: Uint8Array,
  signature: Uint8Array,
): Uint8Array {
  return pending(tbs, signatureAlgorithmDer, signature);
}
export function encodeName(attributes: { readonly commonName?: string; readonly organization?: string }): Uint8Array {
  return pending(attributes);
}
export function algorithmIdentifier(name: KnownSignatureAlgorithm): Uint8Array {
  return pending(name);
}
/** The algorithm that a key signs with here: ecdsa with the curve's own hash, rsa-sha256, ed25519. */
export function defaultSignatureAlgorithm(key: PublicKeyInfo): KnownSignatureAlgorithm {
  return pending(key);
}
/** Signs with node:crypto; ECDSA signatures are DER. */
export function signBytes(key: KeyObject, algorithm: KnownSignatureAlgorithm, message: Uint8Array): Uint8Array {
  return pending(key, algorithm, message);
}
export function encodeExtension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
  return pending(oid, critical, value);
}
export function basicConstraintsExtension(fields: {
  ca: boolean;
  pathLength?: number;
  critical?: boolean;
}): Uint8Array {
  return pending(fields);
}
export function keyUsageExtension(usages: readonly KeyUsage[], critical = true): Uint8Array {
  return pending(usages, critical);
}
export function extendedKeyUsageExtension(purposes: readonly string[], critical = false): Uint8Array {
  return pending(purposes, critical);
}
export function subjectAltNameExtension(names: readonly GeneralName[], critical: boolean): Uint8Array {
  return pending(names, critical);
}
export function subjectKeyIdExtension(keyId: Uint8Array): Uint8Array {
  return pending(keyId);
}
export function authorityKeyIdExtension(keyId: Uint8Array): Uint8Array {
  return pending(keyId);
}
/** A subject key identifier for a key: the first 160 bits of SHA-256 over the key bits (RFC 7093 section 2, method 1). */
export function keyIdentifier(key: PublicKeyInfo): Uint8Array {
  return pending(key);
}
export type Purpose = "serverAuth" | "clientAuth";
export interface PathCache {
  /** How many signatures are remembered. */
  readonly size: number;
}
export function createPathCache(maxEntries = 1024): PathCache {
  return pending(maxEntries);
}
export interface PathRequest {
  /** Leaf first, the rest in any order. */
  readonly chain: readonly Certificate[];
  readonly anchors: readonly Certificate[];
  /** Unix milliseconds. */
  readonly time: number;
  readonly target: "end-entity" | "ca";
  readonly purposes?: readonly Purpose[];
  readonly maxCertificates?: number;
  readonly cache?: PathCache;
}
export interface ValidatedPath {
  /** Leaf first, anchor last. */
  readonly path: readonly Certificate[];
}
export function validatePath(request: PathRequest): ValidatedPath {
  return pending(request);
}
