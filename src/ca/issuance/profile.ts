// The profile of a leaf (spec/spiffe.md ): everything that does not change between two leaves of one
// authority is encoded once, with the writer of src/x509; the rest is patched in as bytes. A certificate costs one
// allocation. It decides nothing: names and times come as they are; the lint reads what came out.
import {
  algorithmIdentifier,
  authorityKeyIdExtension,
  basicConstraintsExtension,
  type Certificate,
  derTime,
  extendedKeyUsageExtension,
  freshBytes,
  type KnownSignatureAlgorithm,
  keyIdentifier,
  keyUsageExtension,
  oid,
  type PublicKeyInfo,
} from "../../x509/index.ts";
import { SERIAL_BYTES } from "./serial.ts";

/** What differs between two leaves. */
export interface LeafFields {
  readonly serial: Uint8Array;
  /** Unix milliseconds, whole seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: PublicKeyInfo;
  readonly spiffeId: string;
  readonly dnsNames: readonly string[];
}

// [0] EXPLICIT version v3, then tag and length of the serial number.
const HEAD = Uint8Array.of(0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, SERIAL_BYTES);
const EMPTY_NAME = Uint8Array.of(0x30, 0x00);
// OID subjectAltName, critical TRUE.
const SAN_HEAD = Uint8Array.of(0x06, 0x03, 0x55, 0x1d, 0x11, 0x01, 0x01, 0xff);
// The whole extension subjectKeyIdentifier but for its 20 octets.
const SKI_HEAD = Uint8Array.of(0x30, 0x1d, 0x06, 0x03, 0x55, 0x1d, 0x0e, 0x04, 0x16, 0x04, 0x14);
const URI_NAME = 0x86;
const DNS_NAME = 0x82;
const KEY_ID_BYTES = 20;

/** The template of the leaves of one authority. */
export class LeafProfile {
  /** signature AlgorithmIdentifier and issuer. */
  readonly #issuer: Uint8Array;
  /** keyUsage, extendedKeyUsage, basicConstraints. */
  readonly #fixed: Uint8Array;
  readonly #authorityKeyId: Uint8Array;
  readonly #notBefore = new LastTime();
  readonly #notAfter = new LastTime();

  /** @param issuer the authority's certificate: its subject and key identifier are copied byte for byte. */
  constructor(issuer: Certificate, algorithm: KnownSignatureAlgorithm) {
    if (issuer.subjectKeyId === undefined) throw new TypeError("an authority has a subject key identifier");
    this.#issuer = Buffer.concat([algorithmIdentifier(algorithm), issuer.subject]);
    this.#fixed = Buffer.concat([
      keyUsageExtension(["digitalSignature"]),
      extendedKeyUsageExtension([oid.serverAuth, oid.clientAuth]),
      basicConstraintsExtension({ ca: false }),
    ]);
    this.#authorityKeyId = authorityKeyIdExtension(issuer.subjectKeyId);
  }

  /** The TBSCertificate of a leaf, DER. */
  build(fields: LeafFields): Uint8Array {
    const { spki } = fields.publicKey;
    const notBefore = this.#notBefore.encode(fields.notBefore);
    const notAfter = this.#notAfter.encode(fields.notAfter);
    let names = headerLength(fields.spiffeId.length) + fields.spiffeId.length;
    for (const name of fields.dnsNames) names += headerLength(name.length) + name.length;
    const sanValue = headerLength(names) + names;
    const san = SAN_HEAD.length + headerLength(sanValue) + sanValue;
    const extensions =
      headerLength(san) + san + this.#fixed.length + SKI_HEAD.length + KEY_ID_BYTES + this.#authorityKeyId.length;
    const explicit = headerLength(extensions) + extensions;
    const validity = notBefore.length + notAfter.length;
    const body =
      HEAD.length +
      SERIAL_BYTES +
      this.#issuer.length +
      2 +
      validity +
      EMPTY_NAME.length +
      spki.length +
      headerLength(explicit) +
      explicit;

    const out = new Output(headerLength(body) + body);
    out.header(0x30, body);
    out.bytes(HEAD);
    out.bytes(fields.serial);
    out.bytes(this.#issuer);
    out.header(0x30, validity);
    out.bytes(notBefore);
    out.bytes(notAfter);
    out.bytes(EMPTY_NAME);
    out.bytes(spki);
    out.header(0xa3, explicit);
    out.header(0x30, extensions);
    out.header(0x30, san);
    out.bytes(SAN_HEAD);
    out.header(0x04, sanValue);
    out.header(0x30, names);
    out.header(URI_NAME, fields.spiffeId.length);
    out.ascii(fields.spiffeId);
    for (const name of fields.dnsNames) {
      out.header(DNS_NAME, name.length);
      out.ascii(name);
    }
    out.bytes(this.#fixed);
    out.bytes(SKI_HEAD);
    out.bytes(keyIdentifier(fields.publicKey));
    out.bytes(this.#authorityKeyId);
    return out.finish();
  }
}

/** Encodes a time, and remembers the last: within one second most certificates have the same. */
class LastTime {
  #unixMs = Number.NaN;
  #der: Uint8Array = new Uint8Array();

  encode(unixMs: number): Uint8Array {
    if (unixMs !== this.#unixMs) {
      this.#der = derTime(unixMs);
      this.#unixMs = unixMs;
    }
    return this.#der;
  }
}

/** Octets of tag and length before `length` octets of contents. */
function headerLength(length: number): number {
  if (length < 0x80) return 2;
  return length < 0x100 ? 3 : 4;
}

/** Fills an array whose size was computed before; a wrong size is a bug of ours and throws. */
class Output {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(size: number) {
    this.#bytes = freshBytes(size);
  }

  header(tag: number, length: number): void {
    const bytes = this.#bytes;
    bytes[this.#at++] = tag;
    if (length >= 0x10000) throw new RangeError("a certificate of this size is never made");
    if (length >= 0x100) {
      bytes[this.#at++] = 0x82;
      bytes[this.#at++] = length >> 8;
    } else if (length >= 0x80) {
      bytes[this.#at++] = 0x81;
    }
    bytes[this.#at++] = length & 0xff;
  }

  bytes(part: Uint8Array): void {
    this.#bytes.set(part, this.#at);
    this.#at += part.length;
  }

  /** Text whose characters are all below 0x80: names are parsed before they get here. */
  ascii(text: string): void {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) throw new TypeError("a name in a certificate is ASCII");
      this.#bytes[this.#at++] = code;
    }
  }

  finish(): Uint8Array {
    if (this.#at !== this.#bytes.length) throw new RangeError("the certificate's length was computed wrongly");
    return this.#bytes;
  }
}
