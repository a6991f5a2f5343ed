// The lint of leaf certificates: reads the TBSCertificate bytes that are about to be recorded and signed, and holds every
// octet to what was intended and to the rules, X-14 (spec/spiffe.md) and RFC 5280. It is the second reader: it
// shares no code with the writer or the reader in src/x509. Whatever it does not expect is refused.
import { hash } from "node:crypto";
import type { LintIssuer } from "./issuer.ts";
import { checkDnsName, checkLeafId, type IdKind } from "./names.ts";
import { readTime } from "./time.ts";
import { LintFinding, same, sameText, Walker } from "./walker.ts";

/** What the certificate is meant to say; taken from the grant and the CSR, not from the writer. */
export interface LintIntent {
  readonly issuer: LintIssuer;
  /** The algorithm that the authority's key signs with. */
  readonly signatureAlgorithm: string;
  /** 17 octets: the replica, then 128 random bits. */
  readonly serial: Uint8Array;
  readonly replica: number;
  /** Unix milliseconds, whole seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo of the CSR, DER. */
  readonly spki: Uint8Array;
  readonly spiffeId: string;
  readonly trustDomain: string;
  readonly idKind: IdKind;
  readonly dnsNames: readonly string[];
}

// AlgorithmIdentifier: RFC 5758 3.2, RFC 4055 5, RFC 8410 3.
const SIGNATURE_ALGORITHMS = new Map<string, Uint8Array>([
  ["ecdsa-sha256", hex("300a06082a8648ce3d040302")],
  ["ecdsa-sha384", hex("300a06082a8648ce3d040303")],
  ["rsa-sha256", hex("300d06092a864886f70d01010b0500")],
  ["ed25519", hex("300506032b6570")],
]);
const VERSION_3 = hex("a003020102");

// Extension contents that are the same in every leaf: OID, criticality and value.
const KEY_USAGE_DIGITAL_SIGNATURE = hex("0603551d0f0101ff040403020780");
const BASIC_CONSTRAINTS_END_ENTITY = hex("0603551d130101ff04023000");
const EXTENDED_KEY_USAGE_SERVER_CLIENT = hex("0603551d250416301406082b0601050507030106082b06010505070302");
const SUBJECT_ALT_NAME_CRITICAL = hex("0603551d110101ff");
const SUBJECT_KEY_ID = hex("0603551d0e");
const AUTHORITY_KEY_ID = hex("0603551d23");
const URI_NAME = 0x86;
const DNS_NAME = 0x82;

/**
 * Reads a TBSCertificate and compares it with what was intended.
 * @throws LintFinding with the broken rule
 */
export function lintLeaf(tbs: Uint8Array, intent: LintIntent): void {
  const walker = new Walker(tbs);
  const end = walker.enter(0x30, tbs.length, "TBSCertificate");
  if (end !== tbs.length) throw new LintFinding("DER", "octets after the TBSCertificate", "its end");
  walker.expect(VERSION_3, walker.at + 5, "RFC 5280 4.1.2.1", "version");
  lintSerial(walker, end, intent);
  const algorithm = SIGNATURE_ALGORITHMS.get(intent.signatureAlgorithm);
  if (algorithm === undefined)
    throw new LintFinding("RFC 5280 4.1.1.2", intent.signatureAlgorithm, "a known algorithm");
  walker.expect(algorithm, walker.at + algorithm.length, "RFC 5280 4.1.1.2", "signature algorithm");
  walker.expect(intent.issuer.subject, walker.at + intent.issuer.subject.length, "RFC 5280 4.1.2.4", "issuer");
  lintValidity(walker, end, intent);
  const subject = walker.enter(0x30, end, "subject");
  if (subject !== walker.at) throw new LintFinding("X-3", "a subject", "an empty subject");
  walker.expect(intent.spki, walker.at + intent.spki.length, "RFC 5280 4.1.2.7", "public key");
  lintExtensions(walker, end, intent);
  walker.finish(end, "extensions");
}

function lintSerial(walker: Walker, end: number, intent: LintIntent): void {
  const stop = walker.enter(0x02, end, "serialNumber");
  const rule = "RFC 5280 4.1.2.2";
  if (stop - walker.at !== 17) throw new LintFinding(rule, `${stop - walker.at} octets`, "17 octets");
  const first = walker.bytes[walker.at] ?? 0;
  if (first < 1 || first > 0x7f || first !== intent.replica) {
    throw new LintFinding(rule, `first octet ${first}`, `${intent.replica}, the number of this replica`);
  }
  walker.expect(intent.serial, stop, rule, "serial number");
}

function lintValidity(walker: Walker, end: number, intent: LintIntent): void {
  const stop = walker.enter(0x30, end, "validity");
  const notBefore = readTime(walker, stop);
  const notAfter = readTime(walker, stop);
  walker.finish(stop, "validity");
  const rule = "RFC 5280 4.1.2.5";
  if (notBefore !== intent.notBefore) throw new LintFinding(rule, "another notBefore", "the one intended");
  if (notAfter !== intent.notAfter) throw new LintFinding(rule, "another notAfter", "the one intended");
  if (notAfter <= notBefore) throw new LintFinding(rule, "an end before the beginning", "a lifetime");
  if (notBefore < intent.issuer.notBefore || notAfter > intent.issuer.notAfter) {
    throw new LintFinding("nothing outlives its issuer", "a validity outside the issuer's", "one within it");
  }
}

function lintExtensions(walker: Walker, end: number, intent: LintIntent): void {
  const explicit = walker.enter(0xa3, end, "extensions");
  const stop = walker.enter(0x30, explicit, "Extensions");
  walker.finish(walker.at, "extensions");
  lintSubjectAltName(walker, walker.enter(0x30, stop, "subjectAltName"), intent);
  walker.expect(KEY_USAGE_DIGITAL_SIGNATURE, walker.enter(0x30, stop, "keyUsage"), "X-6", "key usage");
  walker.expect(EXTENDED_KEY_USAGE_SERVER_CLIENT, walker.enter(0x30, stop, "extKeyUsage"), "X-9", "extended key usage");
  walker.expect(BASIC_CONSTRAINTS_END_ENTITY, walker.enter(0x30, stop, "basicConstraints"), "X-4", "basic constraints");
  lintSubjectKeyId(walker, walker.enter(0x30, stop, "subjectKeyIdentifier"), intent);
  lintAuthorityKeyId(walker, walker.enter(0x30, stop, "authorityKeyIdentifier"), intent);
  walker.finish(stop, "the last expected extension");
  walker.finish(explicit, "the extensions");
}

function lintSubjectAltName(walker: Walker, end: number, intent: LintIntent): void {
  const { bytes } = walker;
  walker.expect(SUBJECT_ALT_NAME_CRITICAL, walker.at + SUBJECT_ALT_NAME_CRITICAL.length, "X-3", "critical SAN");
  const value = walker.enter(0x04, end, "subjectAltName value");
  const names = walker.enter(0x30, value, "GeneralNames");
  let uris = 0;
  let dnsNames = 0;
  while (walker.at < names) {
    if (walker.next(URI_NAME, names)) {
      const stop = walker.enter(URI_NAME, names, "URI");
      uris += 1;
      if (!sameText(bytes, walker.at, stop, intent.spiffeId)) {
        throw new LintFinding("X-1", "another URI name", "the granted SPIFFE ID");
      }
      walker.at = stop;
    } else {
      const stop = walker.enter(DNS_NAME, names, "URI or DNS name");
      const expected = intent.dnsNames[dnsNames];
      dnsNames += 1;
      if (expected === undefined || !sameText(bytes, walker.at, stop, expected)) {
        throw new LintFinding(
          "RFC 5280 4.2.1.6",
          "a DNS name that was not granted",
          "only granted DNS names, in order",
        );
      }
      checkDnsName(expected);
      walker.at = stop;
    }
  }
  if (uris !== 1) throw new LintFinding("X-1", `${uris} URI names`, "exactly one");
  if (dnsNames !== intent.dnsNames.length) throw new LintFinding("RFC 5280 4.2.1.6", "fewer DNS names", "all granted");
  checkLeafId(intent.spiffeId, intent.trustDomain, intent.idKind);
  walker.finish(value, "the subject alternative names");
  walker.finish(end, "the subject alternative name");
}

function lintSubjectKeyId(walker: Walker, end: number, intent: LintIntent): void {
  walker.expect(SUBJECT_KEY_ID, walker.at + SUBJECT_KEY_ID.length, "X-14", "subject key identifier");
  const value = walker.enter(0x04, end, "subjectKeyIdentifier value");
  const stop = walker.enter(0x04, value, "subjectKeyIdentifier");
  walker.expect(keyIdOf(intent.spki), stop, "X-14", "subject key identifier");
  walker.finish(value, "the subject key identifier");
  walker.finish(end, "the subject key identifier");
}

function lintAuthorityKeyId(walker: Walker, end: number, intent: LintIntent): void {
  walker.expect(AUTHORITY_KEY_ID, walker.at + AUTHORITY_KEY_ID.length, "X-14", "authority key identifier");
  const value = walker.enter(0x04, end, "authorityKeyIdentifier value");
  const sequence = walker.enter(0x30, value, "AuthorityKeyIdentifier");
  const stop = walker.enter(0x80, sequence, "keyIdentifier");
  walker.expect(intent.issuer.subjectKeyId, stop, "X-14", "authority key identifier");
  walker.finish(sequence, "the key identifier");
  walker.finish(value, "the authority key identifier");
  walker.finish(end, "the authority key identifier");
}

/** RFC 7093 2, method 1: the first 160 bits of SHA-256 over the contents of the BIT STRING. */
function keyIdOf(spki: Uint8Array): Uint8Array {
  const walker = new Walker(spki);
  const end = walker.enter(0x30, spki.length, "SubjectPublicKeyInfo");
  walker.skip(end, "algorithm");
  const stop = walker.enter(0x03, end, "subjectPublicKey");
  return Buffer.from(hash("sha256", spki.subarray(walker.at + 1, stop), "binary"), "latin1").subarray(0, 20);
}

/** Whether a certificate (DER) holds exactly these TBSCertificate bytes, once, at their place. */
export function holdsTbs(certificate: Uint8Array, tbs: Uint8Array): boolean {
  const walker = new Walker(certificate);
  const end = walker.enter(0x30, certificate.length, "Certificate");
  if (end !== certificate.length) return false;
  return (
    same(certificate, walker.at, walker.at + tbs.length, tbs) &&
    walker.skip(end, "TBSCertificate") + tbs.length === walker.at
  );
}

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}
