// Readers of the extensions that we process (RFC 5280 section 4.2.1). Each takes the contents of extnValue and refuses what
// its ASN.1 module does not allow; what the values permit is for the path validator. DER errors keep their code.
import { DerReader, derMalformed } from "./der/reader.ts";
import { tag } from "./der/tags.ts";
import { readGeneralName } from "./general-name.ts";
import type { Extension, KeyUsage, SubtreeBase } from "./types.ts";

/** Key usages by their bit, RFC 5280 section 4.2.1.3. */
export const KEY_USAGE_BITS: readonly KeyUsage[] = [
  "digitalSignature",
  "contentCommitment",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
];

/** Extensions ::= SEQUENCE SIZE (1..MAX) OF Extension, each OID at most once. */
export function readExtensions(parent: DerReader, what: string): Extension[] {
  const reader = parent.enter(tag.sequence, what);
  const extensions: Extension[] = [];
  do {
    const one = reader.enter(tag.sequence, what);
    const id = one.oid("an extension's OID");
    const critical = one.defaultFalse("an extension's critical flag");
    const value = one.contents(tag.octetString, "an extension's value");
    one.end("an extension");
    for (const earlier of extensions) {
      if (earlier.oid === id) throw derMalformed(`the extension ${id} occurs twice`);
    }
    extensions.push({ oid: id, critical, value });
    if (extensions.length > MAX_EXTENSIONS) throw derMalformed(`there are more than ${MAX_EXTENSIONS} extensions`);
  } while (!reader.isDone);
  return extensions;
}
const MAX_EXTENSIONS = 64;

/** The one SEQUENCE that an extension's value consists of, entered. */
export function enterValue(value: Uint8Array, what: string): DerReader {
  const outer = new DerReader(value);
  const reader = outer.enter(tag.sequence, what);
  outer.end(what);
  return reader;
}

/** Section 4.2.1.9. A path length belongs to CA certificates alone. */
export function readBasicConstraints(value: Uint8Array): { ca: boolean; pathLength: number | undefined } {
  const what = "the basic constraints";
  const reader = enterValue(value, what);
  const ca = reader.defaultFalse(what);
  if (reader.isDone) return { ca, pathLength: undefined };
  const pathLength = reader.smallInteger("the path length");
  reader.end(what);
  if (!ca) throw derMalformed("the path length is given for a certificate that is not a CA");
  return { ca, pathLength };
}

/** Section 4.2.1.3: at least one bit, and none that has no name. */
export function readKeyUsage(value: Uint8Array): ReadonlySet<KeyUsage> {
  const reader = new DerReader(value);
  const bits = reader.namedBits("the key usage");
  reader.end("the key usage");
  const usages = new Set<KeyUsage>();
  for (const bit of bits) {
    const usage = KEY_USAGE_BITS[bit];
    if (usage === undefined) throw derMalformed("the key usage has an unknown bit");
    usages.add(usage);
  }
  if (usages.size === 0) throw derMalformed("the key usage has no bit set");
  return usages;
}

/** Section 4.2.1.12: at least one purpose. */
export function readExtendedKeyUsage(value: Uint8Array): string[] {
  const reader = enterValue(value, "the extended key usage");
  const purposes: string[] = [];
  do purposes.push(reader.oid("the extended key usage"));
  while (!reader.isDone);
  return purposes;
}

/** Section 4.2.1.2. */
export function readSubjectKeyId(value: Uint8Array): Uint8Array {
  const reader = new DerReader(value);
  const keyId = reader.contents(tag.octetString, "the subject key identifier");
  reader.end("the subject key identifier");
  return keyId;
}

/** What an authority key identifier says of the issuer's certificate. */
export interface AuthorityKeyId {
  readonly keyId: Uint8Array | undefined;
  /** The issuer's issuer: the first directory name, DER. */
  readonly issuer: Uint8Array | undefined;
  /** The issuer's serial number, magnitude. */
  readonly serial: Uint8Array | undefined;
}

/** Section 4.2.1.1. */
export function readAuthorityKeyId(value: Uint8Array): AuthorityKeyId {
  const what = "the authority key identifier";
  const reader = enterValue(value, what);
  const keyId = reader.nextTag === tag.implicit(0) ? reader.contents(tag.implicit(0), what) : undefined;
  let issuer: Uint8Array | undefined;
  if (reader.nextTag === tag.explicit(1)) {
    const names = reader.enter(tag.explicit(1), what);
    do {
      const name = readGeneralName(names, what);
      if (name.kind === "directory") issuer ??= name.der;
    } while (!names.isDone);
  }
  const serial = reader.nextTag === tag.implicit(2) ? reader.unsigned(what, tag.implicit(2)) : undefined;
  reader.end(what);
  return { keyId, issuer, serial };
}

/** Section 4.2.1.10. Minimum and maximum are refused, as the RFC allows nothing but their absence. */
export function readNameConstraints(value: Uint8Array): { permitted: SubtreeBase[]; excluded: SubtreeBase[] } {
  const what = "the name constraints";
  const reader = enterValue(value, what);
  const subtrees = (identifier: number): SubtreeBase[] => {
    if (reader.nextTag !== identifier) return [];
    const list = reader.enter(identifier, what);
    const bases: SubtreeBase[] = [];
    do {
      const subtree = list.enter(tag.sequence, what);
      bases.push(readSubtreeBase(subtree, what));
      subtree.end(`${what} (minimum and maximum are not supported)`);
    } while (!list.isDone);
    return bases;
  };
  const permitted = subtrees(tag.explicit(0));
  const excluded = subtrees(tag.explicit(1));
  reader.end(what);
  if (permitted.length + excluded.length === 0) throw derMalformed(`${what} constrain nothing`);
  return { permitted, excluded };
}

function readSubtreeBase(subtree: DerReader, what: string): SubtreeBase {
  const name = readGeneralName(subtree, what);
  if (name.kind !== "ip") return name;
  const { bytes } = name;
  if (bytes.length !== 8 && bytes.length !== 32)
    throw derMalformed(`${what} have an IP range of ${bytes.length} octets`);
  const address = bytes.subarray(0, bytes.length / 2);
  const mask = bytes.subarray(bytes.length / 2);
  if (!isPrefixMask(mask)) throw derMalformed(`${what} have an IP mask that is no prefix`);
  return { kind: "ip", address, mask };
}

function isPrefixMask(mask: Uint8Array): boolean {
  let ended = false;
  for (const octet of mask) {
    for (let bit = 0x80; bit > 0; bit >>= 1) {
      const set = (octet & bit) !== 0;
      if (set && ended) return false;
      if (!set) ended = true;
    }
  }
  return true;
}

/** Section 4.2.1.4: the policy OIDs, each at most once; qualifiers are for people and are skipped. */
export function readCertificatePolicies(value: Uint8Array): string[] {
  const what = "the certificate policies";
  const reader = enterValue(value, what);
  const policies = new Set<string>();
  do {
    const policy = reader.enter(tag.sequence, what);
    const id = policy.oid(what);
    if (!policy.isDone) policy.element(tag.sequence, what);
    policy.end(what);
    if (policies.has(id)) throw derMalformed(`${what} name ${id} twice`);
    policies.add(id);
  } while (!reader.isDone);
  return [...policies];
}

/** Section 4.2.1.5. What is mapped to what is not used: a path that would need it is refused. */
export function checkPolicyMappings(value: Uint8Array): void {
  const what = "the policy mappings";
  const reader = enterValue(value, what);
  do {
    const mapping = reader.enter(tag.sequence, what);
    mapping.oid(what);
    mapping.oid(what);
    mapping.end(what);
  } while (!reader.isDone);
}

/** Section 4.2.1.11: at least one of the two fields. */
export function readPolicyConstraints(value: Uint8Array): {
  requireExplicitPolicy: number | undefined;
  inhibitPolicyMapping: number | undefined;
} {
  const what = "the policy constraints";
  const reader = enterValue(value, what);
  const field = (n: number): number | undefined =>
    reader.nextTag === tag.implicit(n) ? reader.smallInteger(what, tag.implicit(n)) : undefined;
  const requireExplicitPolicy = field(0);
  const inhibitPolicyMapping = field(1);
  reader.end(what);
  if (requireExplicitPolicy === undefined && inhibitPolicyMapping === undefined)
    throw derMalformed(`${what} are empty`);
  return { requireExplicitPolicy, inhibitPolicyMapping };
}

/** Section 4.2.1.14. */
export function readInhibitAnyPolicy(value: Uint8Array): number {
  const reader = new DerReader(value);
  const certificates = reader.smallInteger("inhibitAnyPolicy");
  reader.end("inhibitAnyPolicy");
  return certificates;
}
