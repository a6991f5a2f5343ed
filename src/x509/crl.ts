// The reader of CRLs (RFC 5280 section 5), v2, and v1 as `openssl ca` writes by default. It reads everything around the list of
// revoked certificates and steps over the list itself, which may hold a million entries: crl-entries.ts walks it. It judges
// nothing but form; crl-check.ts says whether a CRL answers for a certificate.
import { bytesEqual } from "./bytes.ts";
import { type CrlExtensions, readCrlExtensions } from "./crl-extensions.ts";
import { DerReader, derMalformed } from "./der/reader.ts";
import { tag } from "./der/tags.ts";
import { mapDerErrors, X509Error } from "./errors.ts";
import { readName } from "./name.ts";
import { readSignatureAlgorithm } from "./signature-algorithm.ts";
import type { SignatureAlgorithm } from "./types.ts";

/** A certificate revocation list. Obtainable only from `parseCrl`. */
export interface Crl extends CrlExtensions {
  /** The TBSCertList, DER: the bytes that are signed. */
  readonly tbs: Uint8Array;
  readonly version: 1 | 2;
  /** The issuer's Name, DER. */
  readonly issuer: Uint8Array;
  /** Unix milliseconds. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** The contents of revokedCertificates: entries, not read yet. */
  readonly entries: Uint8Array;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

const VERSION_2 = 1;
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
// What is read before the signature holds is small, whatever the size of the list: a stranger's bytes cost little.
const MAX_ISSUER_BYTES = 8 * 1024;
const MAX_EXTENSIONS_BYTES = 64 * 1024;
const MAX_SIGNATURE_BYTES = 4 * 1024;

/**
 * Reads one CRL, in time that does not depend on the number of its entries.
 * @param der exactly one CRL. It is not copied: nobody may write to it as long as the CRL is in use
 * @param options.maxBytes refuse anything larger (octets; default 64 MiB)
 * @throws X509Error MCA_CRL_MALFORMED
 */
export function parseCrl(der: Uint8Array, options: { readonly maxBytes?: number } = {}): Crl {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  if (der.length > maxBytes) {
    throw new X509Error("MCA_CRL_MALFORMED", `The CRL has ${der.length} octets; at most ${maxBytes} are read.`);
  }
  return mapDerErrors("MCA_CRL_MALFORMED", "The CRL", () => readCrl(der));
}

function readCrl(der: Uint8Array): Crl {
  const outer = new DerReader(der);
  const list = outer.enter(tag.sequence, "the CRL");
  outer.end("the CRL");
  const { reader, whole: tbs } = list.enterWhole(tag.sequence, "the TBSCertList");
  const outerAlgorithm = list.element(tag.sequence, "the signature algorithm");
  const signature = list.octetBits("the signature");
  list.end("the CRL");
  requireSmall(signature, MAX_SIGNATURE_BYTES, "the signature");

  const version = reader.nextTag === tag.integer ? 2 : 1;
  if (version === 2 && reader.smallInteger("the version") !== VERSION_2) throw derMalformed("its version is not v2");
  const innerAlgorithm = reader.element(tag.sequence, "the inner signature algorithm");
  // Section 5.1.1.2: only the inner one is signed.
  if (!bytesEqual(innerAlgorithm, outerAlgorithm)) throw derMalformed("the two signature algorithms differ");
  const issuer = readIssuer(reader);
  const thisUpdate = reader.time("thisUpdate");
  // Section 5.1.2.5: optional in the syntax, mandatory in the profile. Without it nobody knows when a CRL is too old.
  const nextUpdate = reader.time("nextUpdate");
  if (nextUpdate < thisUpdate) throw derMalformed("nextUpdate lies before thisUpdate");
  const entries =
    reader.nextTag === tag.sequence ? reader.contents(tag.sequence, "the revoked certificates") : new Uint8Array(0);
  const extensions = readCrlExtensions(extensionsOf(reader), version);
  const signatureAlgorithm = readSignatureAlgorithm(outerAlgorithm);
  return { tbs, version, issuer, thisUpdate, nextUpdate, entries, signatureAlgorithm, signature, ...extensions };
}

function requireSmall(bytes: Uint8Array, maxBytes: number, what: string): void {
  if (bytes.length > maxBytes) throw derMalformed(`${what} has more than ${maxBytes} octets`);
}

function readIssuer(reader: DerReader): Uint8Array {
  const name = reader.element(tag.sequence, "the issuer");
  requireSmall(name, MAX_ISSUER_BYTES, "the issuer");
  return readName(new DerReader(name), "the issuer");
}

/** What remains of the TBSCertList: nothing, or the extensions alone. */
function extensionsOf(reader: DerReader): DerReader {
  if (reader.isDone) return reader;
  const extensions = reader.element(tag.explicit(0), "the CRL's extensions");
  reader.end("the TBSCertList");
  requireSmall(extensions, MAX_EXTENSIONS_BYTES, "the CRL's extensions");
  return new DerReader(extensions);
}
