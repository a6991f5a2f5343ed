// Writers of extensions (RFC 5280 section 4.2.1). Each returns one complete Extension for the template of a certificate or
// of a request. `critical` has the default that the RFC and the SPIFFE rules ask for.
import { sha256 } from "./bytes.ts";
import {
  derBoolean,
  derContext,
  derNamedBits,
  derOctetString,
  derOid,
  derSequence,
  derSmallInteger,
} from "./der/writer.ts";
import { KEY_USAGE_BITS } from "./extensions.ts";
import { encodeGeneralName } from "./general-name.ts";
import { oid } from "./oids.ts";
import type { GeneralName, KeyUsage, PublicKeyInfo } from "./types.ts";

/** Any extension: `value` is the DER that goes into extnValue. */
export function encodeExtension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return critical
    ? derSequence(derOid(id), derBoolean(true), derOctetString(value))
    : derSequence(derOid(id), derOctetString(value));
}

/** Section 4.2.1.9. `pathLength` only with `ca: true`. Critical by default. */
export function basicConstraintsExtension(fields: {
  readonly ca: boolean;
  readonly pathLength?: number | undefined;
  readonly critical?: boolean;
}): Uint8Array {
  const parts: Uint8Array[] = [];
  if (fields.ca) parts.push(derBoolean(true));
  if (fields.pathLength !== undefined) {
    if (!fields.ca) throw new TypeError("a path length needs ca: true");
    parts.push(derSmallInteger(fields.pathLength));
  }
  return encodeExtension(oid.basicConstraints, fields.critical ?? true, derSequence(...parts));
}

/** Section 4.2.1.3. */
export function keyUsageExtension(usages: readonly KeyUsage[], critical = true): Uint8Array {
  const bits = usages.map((usage) => KEY_USAGE_BITS.indexOf(usage));
  return encodeExtension(oid.keyUsage, critical, derNamedBits(bits));
}

/** Section 4.2.1.12. Purposes are OIDs. */
export function extendedKeyUsageExtension(purposes: readonly string[], critical = false): Uint8Array {
  return encodeExtension(oid.extendedKeyUsage, critical, derSequence(...purposes.map(derOid)));
}

/** Section 4.2.1.6. Must be critical where the subject is empty. */
export function subjectAltNameExtension(names: readonly GeneralName[], critical: boolean): Uint8Array {
  return encodeExtension(oid.subjectAltName, critical, derSequence(...names.map(encodeGeneralName)));
}

/** Section 4.2.1.2; never critical. */
export function subjectKeyIdExtension(keyId: Uint8Array): Uint8Array {
  return encodeExtension(oid.subjectKeyId, false, derOctetString(keyId));
}

/** Section 4.2.1.1 with the issuer's subject key identifier alone; never critical. */
export function authorityKeyIdExtension(keyId: Uint8Array): Uint8Array {
  return encodeExtension(oid.authorityKeyId, false, derSequence(derContext(0, keyId, false)));
}

/** A key's identifier: the leftmost 160 bits of SHA-256 over the key's bits (RFC 7093 section 2, method 1). */
export function keyIdentifier(key: PublicKeyInfo): Uint8Array {
  return sha256(key.keyBits).slice(0, 20);
}
