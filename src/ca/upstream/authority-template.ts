// What a certificate of an authority holds wherever we write it ourselves (self-signed, disk): of the SPIFFE
// X.509-SVID standard, that is CA, keyCertSign and cRLSign, the SPIFFE ID of the trust domain without a path, and a subject that no
// other key has (X-14: a name plus the key id; Go tries every root with the same subject).
import type { TrustDomain } from "../../spiffe/index.ts";
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  encodeName,
  keyUsageExtension,
  subjectAltNameExtension,
  subjectKeyIdExtension,
  toHex,
} from "../../x509/index.ts";
import type { UpstreamRequest } from "./upstream.ts";

/** X.520: a common name or organization has at most 64 characters. */
const MAX_NAME_CHARACTERS = 64;

/** The subject of an authority: its trust domain for people, and a common name with the key id, which makes it unique. */
export function authorityName(trustDomain: TrustDomain, keyId: Uint8Array): Uint8Array {
  return encodeName({
    organization: trustDomain.name.slice(0, MAX_NAME_CHARACTERS),
    commonName: `mesh-ca authority ${toHex(keyId)}`,
  });
}

/** A serial number, 17 octets: the replica, then 128 random bits. */
export function authoritySerial({ replica, random }: Pick<UpstreamRequest, "replica" | "random">): Uint8Array {
  return Uint8Array.of(replica, ...random.bytes(16));
}

/** The extensions, DER. `issuerKeyId` is the subject key id of the certificate above, or its own. */
export function authorityExtensions(trustDomain: TrustDomain, keyId: Uint8Array, issuerKeyId: Uint8Array) {
  return [
    // It signs leaves only: no certificate authority below it.
    basicConstraintsExtension({ ca: true, pathLength: 0, critical: true }),
    keyUsageExtension(["keyCertSign", "cRLSign"]),
    subjectAltNameExtension([{ kind: "uri", value: trustDomain.id }], false),
    subjectKeyIdExtension(keyId),
    authorityKeyIdExtension(issuerKeyId),
  ];
}
