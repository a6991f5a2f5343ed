// The reader of certification requests (PKCS#10, RFC 2986). A request is a public key and the proof that its holder asked;
// what else it names is read so that it can be compared with the grant, never so that it can be copied (invariant 3).
import { freshBytes } from "./bytes.ts";
import { DerReader, derMalformed } from "./der/reader.ts";
import { tag } from "./der/tags.ts";
import { mapDerErrors, X509Error } from "./errors.ts";
import { readExtensions } from "./extensions.ts";
import { readSubjectAltNames } from "./general-name.ts";
import { readName } from "./name.ts";
import { oid } from "./oids.ts";
import { readPublicKey } from "./public-key.ts";
import { readSignatureAlgorithm } from "./signature-algorithm.ts";
import type { Csr, GeneralName } from "./types.ts";

const DEFAULT_MAX_BYTES = 16 * 1024;
const MAX_ATTRIBUTES = 32;
const VERSION_1 = 0;

/**
 * Reads one certification request. The signature is not verified: that is `verifyCsrSignature`.
 * @param input exactly one request, DER; it is copied, so that later writes to it change nothing
 * @param options.maxBytes refuse anything larger (octets; default 16,384)
 * @throws X509Error MCA_CSR_TOO_LARGE, MCA_CSR_MALFORMED
 */
export function parseCsr(input: Uint8Array, options: { readonly maxBytes?: number } = {}): Csr {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  if (input.length > maxBytes) {
    throw new X509Error(
      "MCA_CSR_TOO_LARGE",
      `The certificate request has ${input.length} octets; at most ${maxBytes} are read. Send the key and at most the SPIFFE ID.`,
    );
  }
  const der = freshBytes(input.length);
  der.set(input);
  return mapDerErrors("MCA_CSR_MALFORMED", "The certificate request", () => readCsr(der));
}

function readCsr(der: Uint8Array): Csr {
  const outer = new DerReader(der);
  const request = outer.enter(tag.sequence, "the request");
  outer.end("the request");
  const { reader, whole: info } = request.enterWhole(tag.sequence, "the CertificationRequestInfo");
  if (reader.smallInteger("the version") !== VERSION_1) throw derMalformed("only version 1 of PKCS#10 is supported");
  const subject = readName(reader, "the subject");
  const publicKey = readPublicKey(reader);
  // Some writers leave out an empty set of attributes.
  const requestedNames = reader.isDone ? [] : readAttributes(reader.enter(tag.explicit(0), "the attributes"));
  reader.end("the CertificationRequestInfo");
  const signatureAlgorithm = readSignatureAlgorithm(request.element(tag.sequence, "the signature algorithm"));
  const signature = request.octetBits("the signature");
  request.end("the request");
  return { der, info, subject, publicKey, requestedNames, signatureAlgorithm, signature };
}

/** The names of the one extensionRequest attribute (RFC 2985 section 5.4.2); other attributes are checked for form. */
function readAttributes(attributes: DerReader): readonly GeneralName[] {
  let names: readonly GeneralName[] | undefined;
  for (let count = 0; !attributes.isDone; count++) {
    if (count >= MAX_ATTRIBUTES) throw derMalformed(`there are more than ${MAX_ATTRIBUTES} attributes`);
    const attribute = attributes.enter(tag.sequence, "an attribute");
    const type = attribute.oid("an attribute's type");
    const values = attribute.enter(tag.set, "an attribute's values");
    attribute.end("an attribute");
    if (type === oid.extensionRequest) {
      if (names !== undefined) throw derMalformed("there are two extension requests");
      names = readRequestedNames(values);
      values.end("the extension request");
    } else {
      do values.element(undefined, "an attribute's value");
      while (!values.isDone);
    }
  }
  return names ?? [];
}

function readRequestedNames(values: DerReader): readonly GeneralName[] {
  for (const extension of readExtensions(values, "the requested extensions")) {
    if (extension.oid === oid.subjectAltName) return readSubjectAltNames(extension.value);
  }
  return [];
}
