// The reader of PKCS#7 and CMS envelopes of certificates (RFC 2315 section 9.1, RFC 5652 section 5.1), as `openssl crl2pkcs7`,
// AD CS, certutil and EJBCA write them. It takes the certificates out and judges nothing: signatures of the envelope are not
// verified, its content and its CRLs are not read, because each certificate is judged by itself afterwards.
import { definiteLengths } from "./ber.ts";
import { DerReader, derMalformed } from "./der/reader.ts";
import { tag } from "./der/tags.ts";
import { mapDerErrors, X509Error } from "./errors.ts";
import { oid } from "./oids.ts";

const DEFAULT_MAX_BYTES = 1024 * 1024;
const DEFAULT_MAX_CERTIFICATES = 256;

/**
 * The certificates of a SignedData, DER, in the order of encoding (a SET has none of its own).
 * @param input exactly one ContentInfo, DER, or BER with indefinite lengths
 * @throws X509Error MCA_PKCS7_MALFORMED
 */
export function readPkcs7Certificates(
  input: Uint8Array,
  options: { readonly maxBytes?: number; readonly maxCertificates?: number } = {},
): readonly Uint8Array[] {
  const { maxBytes = DEFAULT_MAX_BYTES, maxCertificates = DEFAULT_MAX_CERTIFICATES } = options;
  if (input.length > maxBytes) {
    throw new X509Error(
      "MCA_PKCS7_MALFORMED",
      `The PKCS#7 envelope has ${input.length} octets; at most ${maxBytes} are read.`,
    );
  }
  return mapDerErrors("MCA_PKCS7_MALFORMED", "The PKCS#7 envelope", () =>
    read(definiteLengths(input), maxCertificates),
  );
}

function read(der: Uint8Array, maxCertificates: number): readonly Uint8Array[] {
  const signedData = enterSignedData(der);
  signedData.smallInteger("the version");
  signedData.element(tag.set, "the digest algorithms");
  signedData.element(tag.sequence, "the content");
  const certificates: Uint8Array[] = [];
  if (signedData.nextTag === tag.explicit(0)) {
    const set = signedData.enter(tag.explicit(0), "the certificates");
    while (!set.isDone) {
      if (set.nextTag !== tag.sequence) {
        throw derMalformed("it holds an attribute certificate or an extended certificate, which are not supported");
      }
      certificates.push(new Uint8Array(set.element(tag.sequence, "a certificate")));
      if (certificates.length > maxCertificates)
        throw derMalformed(`it holds more than ${maxCertificates} certificates`);
    }
  }
  if (signedData.nextTag === tag.explicit(1)) signedData.element(tag.explicit(1), "the CRLs");
  signedData.element(tag.set, "the signer infos");
  signedData.end("the signed data");
  if (certificates.length === 0) throw derMalformed("it holds no certificate");
  return certificates;
}

function enterSignedData(der: Uint8Array): DerReader {
  const outer = new DerReader(der);
  const contentInfo = outer.enter(tag.sequence, "the content info");
  outer.end("the content info");
  const type = contentInfo.oid("the content type");
  if (type !== oid.signedData)
    throw derMalformed(`its content is of the type ${type}, not signed data (a bundle of certificates)`);
  const explicit = contentInfo.enter(tag.explicit(0), "the signed data");
  contentInfo.end("the content info");
  const signedData = explicit.enter(tag.sequence, "the signed data");
  explicit.end("the signed data");
  return signedData;
}
