// AlgorithmIdentifiers of signatures (RFC 5758, RFC 4055, RFC 8410). What is not in the table is "other": readable, so that
// an error can name it, but accepted by no verifier. SHA-1 and MD5 must never enter the table.
import { bytesEqual } from "./bytes.ts";
import { DerReader } from "./der/reader.ts";
import { tag } from "./der/tags.ts";
import { derExplicit, derNull, derOid, derSequence, derSmallInteger } from "./der/writer.ts";
import { oid } from "./oids.ts";
import type { KnownSignatureAlgorithm, SignatureAlgorithm } from "./types.ts";

type HashName = "sha256" | "sha384" | "sha512";

/** How node:crypto is asked for an algorithm. */
export interface SignatureScheme {
  readonly key: "ec" | "rsa" | "ed25519";
  /** null: the scheme has its own (Ed25519). */
  readonly hash: HashName | null;
  /** Octets of salt, for RSASSA-PSS only. */
  readonly pssSaltLength?: number;
}

/** RSASSA-PSS-params (RFC 4055 section 3.1) with one hash throughout and a salt of its length. */
function pss(hashOid: string, saltLength: number, hashParameters: readonly Uint8Array[]): Uint8Array {
  const hash = derSequence(derOid(hashOid), ...hashParameters);
  const mask = derSequence(derOid(oid.mgf1), hash);
  const parameters = derSequence(
    derExplicit(0, hash),
    derExplicit(1, mask),
    derExplicit(2, derSmallInteger(saltLength)),
  );
  return derSequence(derOid(oid.rsaPss), parameters);
}

const plain = (id: string): Uint8Array => derSequence(derOid(id));
const withNull = (id: string): Uint8Array => derSequence(derOid(id), derNull());

interface Entry {
  readonly name: KnownSignatureAlgorithm;
  readonly oid: string;
  readonly scheme: SignatureScheme;
  /** Accepted encodings, the one that we write first. RFC 4055 section 2.1: NULL parameters may be absent when read. */
  readonly encodings: readonly [Uint8Array, ...Uint8Array[]];
}

function rsa(name: KnownSignatureAlgorithm, id: string, hash: HashName): Entry {
  return { name, oid: id, scheme: { key: "rsa", hash }, encodings: [withNull(id), plain(id)] };
}

function ecdsa(name: KnownSignatureAlgorithm, id: string, hash: HashName): Entry {
  return { name, oid: id, scheme: { key: "ec", hash }, encodings: [plain(id)] };
}

function rsaPss(name: KnownSignatureAlgorithm, hash: HashName, saltLength: number): Entry {
  const id = oid[hash];
  return {
    name,
    oid: oid.rsaPss,
    scheme: { key: "rsa", hash, pssSaltLength: saltLength },
    encodings: [pss(id, saltLength, [derNull()]), pss(id, saltLength, [])],
  };
}

const TABLE: readonly Entry[] = [
  ecdsa("ecdsa-sha256", oid.ecdsaWithSha256, "sha256"),
  ecdsa("ecdsa-sha384", oid.ecdsaWithSha384, "sha384"),
  rsa("rsa-sha256", oid.rsaWithSha256, "sha256"),
  rsa("rsa-sha384", oid.rsaWithSha384, "sha384"),
  rsa("rsa-sha512", oid.rsaWithSha512, "sha512"),
  { name: "ed25519", oid: oid.ed25519, scheme: { key: "ed25519", hash: null }, encodings: [plain(oid.ed25519)] },
  ecdsa("ecdsa-sha512", oid.ecdsaWithSha512, "sha512"),
  rsaPss("rsa-pss-sha256", "sha256", 32),
  rsaPss("rsa-pss-sha384", "sha384", 48),
  rsaPss("rsa-pss-sha512", "sha512", 64),
];

const BY_NAME = new Map(TABLE.map((entry) => [entry.name, entry]));

function entryOf(name: KnownSignatureAlgorithm): Entry {
  const entry = BY_NAME.get(name);
  if (entry === undefined) throw new TypeError(`not a signature algorithm: ${name}`);
  return entry;
}

/** The AlgorithmIdentifier, DER, of an algorithm that we sign with. */
export function algorithmIdentifier(name: KnownSignatureAlgorithm): Uint8Array {
  return entryOf(name).encodings[0];
}

/** How node:crypto is asked for an algorithm. */
export function signatureScheme(name: KnownSignatureAlgorithm): SignatureScheme {
  return entryOf(name).scheme;
}

/**
 * Reads an AlgorithmIdentifier of a signature.
 * @param der the whole AlgorithmIdentifier
 * @throws X509Error MCA_DER_MALFORMED
 */
export function readSignatureAlgorithm(der: Uint8Array): SignatureAlgorithm {
  for (const entry of TABLE) {
    for (const encoding of entry.encodings) {
      if (bytesEqual(encoding, der)) return { oid: entry.oid, name: entry.name, der };
    }
  }
  const reader = new DerReader(der).enter(tag.sequence, "the signature algorithm");
  const id = reader.oid("the signature algorithm's OID");
  if (!reader.isDone) reader.element(undefined, "the signature algorithm's parameters");
  reader.end("the signature algorithm");
  return { oid: id, name: "other", der };
}
