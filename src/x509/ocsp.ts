// The reader of OCSP responses (RFC 6960 section 4.2.1, RFC 9654), strict and bounded. It says what the response says; ocsp-check.ts
// says whether to believe it.
import { DerReader, derMalformed } from "./der/reader.ts";
import { tag } from "./der/tags.ts";
import { mapDerErrors, X509Error } from "./errors.ts";
import { readExtensions } from "./extensions.ts";
import { readName } from "./name.ts";
import { oid } from "./oids.ts";
import { type RevocationReason, readRevocationReason } from "./revocation-reason.ts";
import { readSignatureAlgorithm } from "./signature-algorithm.ts";
import type { Extension, SignatureAlgorithm } from "./types.ts";

/** What a responder says about one certificate. */
export type OcspStatus =
  | { readonly kind: "good" }
  | {
      readonly kind: "revoked" /** Unix milliseconds. */;
      readonly revokedAt: number;
      readonly reason: RevocationReason;
    }
  | { readonly kind: "unknown" };

export interface SingleOcspResponse {
  /** OID of the hash. */
  readonly hashAlgorithm: string;
  readonly issuerNameHash: Uint8Array;
  readonly issuerKeyHash: Uint8Array;
  /** Magnitude. */
  readonly serial: Uint8Array;
  readonly status: OcspStatus;
  /** Unix milliseconds. */
  readonly thisUpdate: number;
  /** Undefined: newer information is always available. */
  readonly nextUpdate: number | undefined;
  readonly extensions: readonly Extension[];
}

/** A BasicOCSPResponse. */
export interface OcspResponse {
  /** The ResponseData, DER: the bytes that are signed. */
  readonly tbs: Uint8Array;
  readonly responder:
    | { readonly kind: "name" /** Name, DER. */; readonly name: Uint8Array }
    | { readonly kind: "key" /** SHA-1 of the key bits. */; readonly keyHash: Uint8Array };
  /** Unix milliseconds. */
  readonly producedAt: number;
  readonly responses: readonly SingleOcspResponse[];
  readonly extensions: readonly Extension[];
  /** The nonce, where there is one. */
  readonly nonce: Uint8Array | undefined;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  /** Certificates that came with it, DER, not read yet. */
  readonly certificates: readonly Uint8Array[];
}

const MAX_BYTES = 64 * 1024;
const MAX_RESPONSES = 64;
const MAX_CERTIFICATES = 8;
const SUCCESSFUL = 0;
/** OCSPResponseStatus; 4 is not used. */
const FAILURES = new Map<number, string>([
  [1, "malformedRequest"],
  [2, "internalError"],
  [3, "tryLater"],
  [5, "sigRequired"],
  [6, "unauthorized"],
]);

/**
 * Reads an OCSPResponse.
 * @param input exactly one response, DER, of at most 64 KiB; it is copied
 * @throws X509Error MCA_OCSP_MALFORMED; MCA_OCSP_UNUSABLE where the responder says that it has no answer
 */
export function parseOcspResponse(input: Uint8Array): OcspResponse {
  if (input.length > MAX_BYTES) {
    throw new X509Error(
      "MCA_OCSP_MALFORMED",
      `The OCSP response has ${input.length} octets; at most ${MAX_BYTES} are read.`,
    );
  }
  return mapDerErrors("MCA_OCSP_MALFORMED", "The OCSP response", () => readResponse(new Uint8Array(input)));
}

function readResponse(der: Uint8Array): OcspResponse {
  const outer = new DerReader(der);
  const response = outer.enter(tag.sequence, "the OCSP response");
  outer.end("the OCSP response");
  const status = response.smallInteger("the response status", tag.enumerated);
  if (status !== SUCCESSFUL) {
    const name = FAILURES.get(status);
    if (name === undefined) throw derMalformed(`the response status ${status} is not one of RFC 6960`);
    response.end("the OCSP response");
    throw new X509Error("MCA_OCSP_UNUSABLE", `The OCSP responder has no answer: it says ${name}.`);
  }
  const wrapper = response.enter(tag.explicit(0), "the response bytes");
  response.end("the OCSP response");
  const bytes = wrapper.enter(tag.sequence, "the response bytes");
  wrapper.end("the response bytes");
  const type = bytes.oid("the response type");
  if (type !== oid.ocspBasic) throw derMalformed(`the response type ${type} is not id-pkix-ocsp-basic`);
  const basic = new DerReader(bytes.contents(tag.octetString, "the response"));
  bytes.end("the response bytes");
  const fields = basic.enter(tag.sequence, "the BasicOCSPResponse");
  basic.end("the BasicOCSPResponse");
  return readBasic(fields);
}

function readBasic(reader: DerReader): OcspResponse {
  const { reader: data, whole: tbs } = reader.enterWhole(tag.sequence, "the ResponseData");
  const signatureAlgorithm = readSignatureAlgorithm(reader.element(tag.sequence, "the signature algorithm"));
  const signature = reader.octetBits("the signature");
  const certificates: Uint8Array[] = [];
  if (!reader.isDone) {
    const wrapper = reader.enter(tag.explicit(0), "the certificates");
    const list = wrapper.enter(tag.sequence, "the certificates");
    wrapper.end("the certificates");
    while (!list.isDone) {
      certificates.push(list.element(tag.sequence, "a certificate"));
      if (certificates.length > MAX_CERTIFICATES)
        throw derMalformed(`it has more than ${MAX_CERTIFICATES} certificates`);
    }
  }
  reader.end("the BasicOCSPResponse");

  // version [0] EXPLICIT DEFAULT v1: DER does not encode it, and there is no other.
  if (data.nextTag === tag.explicit(0)) throw derMalformed("its version is not v1");
  const responder = readResponder(data);
  const producedAt = generalizedTime(data, "producedAt");
  const list = data.enter(tag.sequence, "the responses");
  const responses: SingleOcspResponse[] = [];
  do {
    responses.push(readSingle(list.enter(tag.sequence, "a single response")));
    if (responses.length > MAX_RESPONSES) throw derMalformed(`it has more than ${MAX_RESPONSES} single responses`);
  } while (!list.isDone);
  const extensions = readOptionalExtensions(data);
  data.end("the ResponseData");
  const nonce = readNonce(extensions);
  return { tbs, responder, producedAt, responses, extensions, nonce, signatureAlgorithm, signature, certificates };
}

function readResponder(data: DerReader): OcspResponse["responder"] {
  const what = "the responder's ID";
  if (data.nextTag === tag.explicit(1)) {
    const inner = data.enter(tag.explicit(1), what);
    const name = readName(inner, what);
    inner.end(what);
    return { kind: "name", name };
  }
  const inner = data.enter(tag.explicit(2), what);
  const keyHash = inner.contents(tag.octetString, what);
  inner.end(what);
  return { kind: "key", keyHash };
}

function readSingle(reader: DerReader): SingleOcspResponse {
  const id = reader.enter(tag.sequence, "the CertID");
  const algorithm = id.enter(tag.sequence, "the CertID's hash algorithm");
  const hashAlgorithm = algorithm.oid("the CertID's hash algorithm");
  if (!algorithm.isDone) algorithm.contents(tag.null, "the CertID's hash parameters");
  algorithm.end("the CertID's hash algorithm");
  const issuerNameHash = id.contents(tag.octetString, "the CertID's issuer name hash");
  const issuerKeyHash = id.contents(tag.octetString, "the CertID's issuer key hash");
  const serial = id.unsigned("the CertID's serial number");
  id.end("the CertID");
  const status = readStatus(reader);
  const thisUpdate = generalizedTime(reader, "thisUpdate");
  let nextUpdate: number | undefined;
  if (reader.nextTag === tag.explicit(0)) {
    const inner = reader.enter(tag.explicit(0), "nextUpdate");
    nextUpdate = generalizedTime(inner, "nextUpdate");
    inner.end("nextUpdate");
    if (nextUpdate < thisUpdate) throw derMalformed("nextUpdate lies before thisUpdate");
  }
  const extensions = readOptionalExtensions(reader);
  reader.end("a single response");
  return { hashAlgorithm, issuerNameHash, issuerKeyHash, serial, status, thisUpdate, nextUpdate, extensions };
}

function readStatus(reader: DerReader): OcspStatus {
  const what = "the certificate's status";
  for (const [n, kind] of [
    [0, "good"],
    [2, "unknown"],
  ] as const) {
    if (reader.nextTag !== tag.implicit(n)) continue;
    if (reader.contents(tag.implicit(n), what).length !== 0) throw derMalformed(`${what} is no NULL`);
    return { kind };
  }
  const info = reader.enter(tag.explicit(1), what);
  const revokedAt = generalizedTime(info, "the revocation time");
  let reason: RevocationReason = "unspecified";
  if (!info.isDone) {
    const inner = info.enter(tag.explicit(0), "the revocation reason");
    reason = readRevocationReason(inner);
    inner.end("the revocation reason");
  }
  info.end(what);
  if (reason === "removeFromCRL") throw derMalformed("a revoked certificate has the reason removeFromCRL");
  return { kind: "revoked", revokedAt, reason };
}

function generalizedTime(reader: DerReader, what: string): number {
  if (reader.nextTag !== tag.generalizedTime) throw derMalformed(`${what} is no GeneralizedTime`);
  return reader.time(what);
}

/** [1] EXPLICIT Extensions OPTIONAL. */
function readOptionalExtensions(reader: DerReader): readonly Extension[] {
  if (reader.nextTag !== tag.explicit(1)) return [];
  const wrapper = reader.enter(tag.explicit(1), "the extensions");
  const extensions = readExtensions(wrapper, "the extensions");
  wrapper.end("the extensions");
  return extensions;
}

/** RFC 9654 section 2.1. */
function readNonce(extensions: readonly Extension[]): Uint8Array | undefined {
  const value = extensions.find((extension) => extension.oid === oid.ocspNonce)?.value;
  if (value === undefined) return undefined;
  const reader = new DerReader(value);
  const nonce = reader.contents(tag.octetString, "the nonce");
  reader.end("the nonce");
  return nonce;
}
