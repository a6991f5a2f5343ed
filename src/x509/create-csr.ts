// The writer of certification requests (PKCS#10, RFC 2986), for the SDK and for `mesh-ca authority csr`.
import type { KeyObject } from "node:crypto";
import { derBitString, derContext, derOid, derSequence, derSet, derSmallInteger } from "./der/writer.ts";
import { subjectAltNameExtension } from "./encode-extensions.ts";
import { encodeName } from "./name.ts";
import { oid } from "./oids.ts";
import { defaultSignatureAlgorithm, publicKeyOf, signBytes } from "./sign.ts";
import { algorithmIdentifier } from "./signature-algorithm.ts";
import type { GeneralName } from "./types.ts";

export interface CsrFields {
  /** Common name of the subject; the subject is empty if absent. */
  readonly subject?: string | undefined;
  readonly uriSans?: readonly string[] | undefined;
  readonly dnsSans?: readonly string[] | undefined;
  /** The private key that the request is for; it signs the request. P-256, P-384, P-521, RSA or Ed25519. */
  readonly key: KeyObject;
}

/** A signed certification request, DER. */
export function createCsr(fields: CsrFields): Uint8Array {
  const publicKey = publicKeyOf(fields.key);
  const algorithm = defaultSignatureAlgorithm(publicKey);
  const names: GeneralName[] = [
    ...(fields.uriSans ?? []).map((value) => ({ kind: "uri", value }) as const),
    ...(fields.dnsSans ?? []).map((value) => ({ kind: "dns", value }) as const),
  ];
  const subject = encodeName(fields.subject === undefined ? {} : { commonName: fields.subject });
  const attributes: Uint8Array[] = [];
  if (names.length > 0) {
    const extensions = derSequence(subjectAltNameExtension(names, fields.subject === undefined));
    attributes.push(derSequence(derOid(oid.extensionRequest), derSet(extensions)));
  }
  const info = derSequence(
    derSmallInteger(0),
    subject,
    publicKey.spki,
    derContext(0, attributes[0] ?? new Uint8Array(), true),
  );
  return derSequence(info, algorithmIdentifier(algorithm), derBitString(signBytes(fields.key, algorithm, info)));
}
