// The certificate reader (RFC 5280 section 4.1): X.509 v3 in strict DER. It says what the certificate says and judges
// nothing but form; whether to trust it is for the path validator. Hashes and hex are computed when they are asked for.
import { bytesEqual, sha256Hex, toHex } from "./bytes.ts";
import { type ExtensionFields, readExtensionFields } from "./certificate-extensions.ts";
import { DerReader, derMalformed } from "./der/reader.ts";
import { tag } from "./der/tags.ts";
import { mapDerErrors, X509Error } from "./errors.ts";
import { readExtensions } from "./extensions.ts";
import { readName } from "./name.ts";
import { readPublicKey } from "./public-key.ts";
import { readSignatureAlgorithm } from "./signature-algorithm.ts";
import type { Certificate, Extension, PublicKeyInfo, SignatureAlgorithm } from "./types.ts";

const DEFAULT_MAX_BYTES = 64 * 1024;
const MAX_SERIAL_OCTETS = 20;
const VERSION_3 = 2;

/** The fields of the TBSCertificate before its extensions. */
interface TbsFields {
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly subject: Uint8Array;
  readonly publicKey: PublicKeyInfo;
  readonly extensions: readonly Extension[];
}

class ParsedCertificate implements Certificate {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: PublicKeyInfo;
  readonly extensions: readonly Extension[];
  readonly basicConstraints: Certificate["basicConstraints"];
  readonly keyUsage: Certificate["keyUsage"];
  readonly extendedKeyUsage: Certificate["extendedKeyUsage"];
  readonly subjectAltName: Certificate["subjectAltName"];
  readonly subjectKeyId: Certificate["subjectKeyId"];
  readonly authorityKeyId: Certificate["authorityKeyId"];
  readonly authorityCertificate: Certificate["authorityCertificate"];
  readonly nameConstraints: Certificate["nameConstraints"];
  readonly policy: Certificate["policy"];
  readonly unknownCritical: readonly string[];
  #sha256: string | undefined;
  #serialHex: string | undefined;

  constructor(
    der: Uint8Array,
    tbs: Uint8Array,
    fields: TbsFields,
    extended: ExtensionFields,
    signatureAlgorithm: SignatureAlgorithm,
    signature: Uint8Array,
  ) {
    this.der = der;
    this.tbs = tbs;
    this.signatureAlgorithm = signatureAlgorithm;
    this.signature = signature;
    this.serial = fields.serial;
    this.issuer = fields.issuer;
    this.subject = fields.subject;
    this.notBefore = fields.notBefore;
    this.notAfter = fields.notAfter;
    this.publicKey = fields.publicKey;
    this.extensions = fields.extensions;
    this.basicConstraints = extended.basicConstraints;
    this.keyUsage = extended.keyUsage;
    this.extendedKeyUsage = extended.extendedKeyUsage;
    this.subjectAltName = extended.subjectAltName;
    this.subjectKeyId = extended.subjectKeyId;
    this.authorityKeyId = extended.authorityKeyId;
    this.authorityCertificate = extended.authorityCertificate;
    this.nameConstraints = extended.nameConstraints;
    this.policy = extended.policy;
    this.unknownCritical = extended.unknownCritical;
  }

  get sha256(): string {
    this.#sha256 ??= sha256Hex(this.der);
    return this.#sha256;
  }

  get serialHex(): string {
    this.#serialHex ??= toHex(this.serial);
    return this.#serialHex;
  }
}

/**
 * Reads one certificate.
 * @param input exactly one certificate, DER; it is copied, so that later writes to it change nothing
 * @param options.maxBytes refuse anything larger (octets; default 65,536)
 * @throws X509Error MCA_CERTIFICATE_MALFORMED
 */
export function parseCertificate(input: Uint8Array, options: { readonly maxBytes?: number } = {}): Certificate {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  if (input.length > maxBytes) {
    throw new X509Error(
      "MCA_CERTIFICATE_MALFORMED",
      `The certificate has ${input.length} octets; at most ${maxBytes} are read.`,
    );
  }
  return mapDerErrors("MCA_CERTIFICATE_MALFORMED", "The certificate", () => readCertificate(new Uint8Array(input)));
}

function readCertificate(der: Uint8Array): Certificate {
  const outer = new DerReader(der);
  const certificate = outer.enter(tag.sequence, "the certificate");
  outer.end("the certificate");
  const { reader: tbsReader, whole: tbs } = certificate.enterWhole(tag.sequence, "the TBSCertificate");
  const { fields, innerAlgorithm } = readTbs(tbsReader);
  const outerAlgorithm = certificate.element(tag.sequence, "the signature algorithm");
  const signature = certificate.octetBits("the signature");
  certificate.end("the certificate");
  // RFC 5280 section 4.1.1.2: only the inner one is signed.
  if (!bytesEqual(innerAlgorithm, outerAlgorithm)) throw derMalformed("the two signature algorithms differ");
  const signatureAlgorithm = readSignatureAlgorithm(outerAlgorithm);
  return new ParsedCertificate(der, tbs, fields, readExtensionFields(fields.extensions), signatureAlgorithm, signature);
}

function readTbs(reader: DerReader): { fields: TbsFields; innerAlgorithm: Uint8Array } {
  if (reader.nextTag !== tag.explicit(0)) throw derMalformed("it names no version; only X.509 v3 is supported");
  const version = reader.enter(tag.explicit(0), "the version");
  if (version.smallInteger("the version") !== VERSION_3) throw derMalformed("only X.509 v3 is supported");
  version.end("the version");
  const serial = reader.unsigned("the serial number");
  if (serial.length > MAX_SERIAL_OCTETS)
    throw derMalformed(`the serial number has more than ${MAX_SERIAL_OCTETS} octets`);
  const innerAlgorithm = reader.element(tag.sequence, "the inner signature algorithm");
  const issuer = readName(reader, "the issuer");
  const validity = reader.enter(tag.sequence, "the validity");
  const notBefore = validity.time("notBefore");
  const notAfter = validity.time("notAfter");
  validity.end("the validity");
  const subject = readName(reader, "the subject");
  const publicKey = readPublicKey(reader);
  // issuerUniqueID and subjectUniqueID: section 4.1.2.8, readable and without meaning.
  for (const n of [1, 2]) {
    if (reader.nextTag === tag.implicit(n)) reader.contents(tag.implicit(n), "a unique identifier");
  }
  let extensions: readonly Extension[] = [];
  if (!reader.isDone) {
    const wrapper = reader.enter(tag.explicit(3), "the extensions");
    extensions = readExtensions(wrapper, "the extensions");
    wrapper.end("the extensions");
    reader.end("the TBSCertificate");
  }
  return { fields: { serial, issuer, notBefore, notAfter, subject, publicKey, extensions }, innerAlgorithm };
}

/**
 * The AlgorithmIdentifier, DER, in the `signature` field of a TBSCertificate: with a recorded signature it makes the
 * recorded bytes a certificate again.
 * @throws X509Error MCA_CERTIFICATE_MALFORMED
 */
export function signatureAlgorithmOfTbs(tbs: Uint8Array): Uint8Array {
  return mapDerErrors("MCA_CERTIFICATE_MALFORMED", "The TBSCertificate", () => {
    const outer = new DerReader(tbs);
    const { innerAlgorithm } = readTbs(outer.enter(tag.sequence, "the TBSCertificate"));
    outer.end("the TBSCertificate");
    return new Uint8Array(innerAlgorithm);
  });
}
