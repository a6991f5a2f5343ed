// Private keys sealed with a passphrase: EncryptedPrivateKeyInfo (RFC 5958 section 3) by PBES2 (RFC 8018 section 6.2), with
// scrypt (RFC 7914) and AES-256-CBC (RFC 8018 appendix B.2.5). `openssl pkcs8` reads and writes the same files. node:crypto's own export
// derives with 2,048 rounds of PBKDF2, which a human's passphrase does not survive; and its import blocks the event loop. Other
// derivations are refused, so that no key is thought safer than it is. PBES2 proves no integrity: the caller compares public keys.
import { createCipheriv, createDecipheriv, scrypt } from "node:crypto";
import type { RandomSource } from "../../runtime/index.ts";
import { DerReader, derOctetString, derOid, derSequence, derSmallInteger, tag, X509Error } from "../../x509/index.ts";
import type { Passphrase } from "./passphrase.ts";

const OID = {
  pbes2: "1.2.840.113549.1.5.13",
  pbkdf2: "1.2.840.113549.1.5.12",
  scrypt: "1.3.6.1.4.1.11591.4.11",
  aes256Cbc: "2.16.840.1.101.3.4.1.42",
} as const;

interface ScryptParameters {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/**
 * What new keys are sealed with: 16 MiB and about 0.2 s. It is OWASP's recommendation for this much memory; OpenSSL refuses
 * more than 32 MiB when it reads.
 */
export const SCRYPT: ScryptParameters = { N: 16_384, r: 8, p: 5 };

/** A file may ask for this much work and memory at most when it is opened. */
const MAX_MEMORY_BYTES = 256 * 1024 * 1024;
const MAX_WORK = 2 ** 24;
const KEY_BYTES = 32;
const BLOCK_BYTES = 16;

/** What became of opening a sealed key. */
export type Unsealed =
  | { readonly kind: "opened" /** PrivateKeyInfo, DER: overwrite it when it has been used. */; readonly key: Buffer }
  | { readonly kind: "wrong-passphrase" }
  | { readonly kind: "unreadable" /** Why, for people. */; readonly reason: string };

/** Seals a PrivateKeyInfo (DER). Returns the EncryptedPrivateKeyInfo (DER). */
export async function sealPrivateKey(
  privateKeyInfo: Uint8Array,
  passphrase: Passphrase,
  random: RandomSource,
): Promise<Uint8Array> {
  const salt = random.bytes(16);
  const iv = random.bytes(BLOCK_BYTES);
  const key = await derive(passphrase, salt, SCRYPT);
  const cipher = createCipheriv("aes-256-cbc", key, iv);
  const sealed = Buffer.concat([cipher.update(privateKeyInfo), cipher.final()]);
  key.fill(0);
  const kdf = derSequence(
    derOid(OID.scrypt),
    derSequence(
      derOctetString(salt),
      derSmallInteger(SCRYPT.N),
      derSmallInteger(SCRYPT.r),
      derSmallInteger(SCRYPT.p),
      derSmallInteger(KEY_BYTES),
    ),
  );
  const encryption = derSequence(derOid(OID.aes256Cbc), derOctetString(iv));
  return derSequence(derSequence(derOid(OID.pbes2), derSequence(kdf, encryption)), derOctetString(sealed));
}

/** Opens an EncryptedPrivateKeyInfo (DER). A wrong passphrase and damaged ciphertext look alike. */
export async function unsealPrivateKey(der: Uint8Array, passphrase: Passphrase): Promise<Unsealed> {
  let sealed: Sealed;
  try {
    sealed = parseSealed(der);
  } catch (error) {
    if (error instanceof X509Error || error instanceof Unsupported)
      return { kind: "unreadable", reason: error.message };
    throw error;
  }
  const key = await derive(passphrase, sealed.salt, sealed.parameters);
  try {
    const decipher = createDecipheriv("aes-256-cbc", key, sealed.iv);
    return { kind: "opened", key: Buffer.concat([decipher.update(sealed.contents), decipher.final()]) };
  } catch {
    // The padding is wrong. OpenSSL's error has nothing more to say.
    return { kind: "wrong-passphrase" };
  } finally {
    key.fill(0);
  }
}

interface Sealed {
  readonly salt: Uint8Array;
  readonly parameters: ScryptParameters;
  readonly iv: Uint8Array;
  readonly contents: Uint8Array;
}

class Unsupported extends Error {}

function parseSealed(der: Uint8Array): Sealed {
  const whole = new DerReader(der);
  const info = whole.enter(tag.sequence, "EncryptedPrivateKeyInfo");
  whole.end("EncryptedPrivateKeyInfo");
  const algorithm = info.enter(tag.sequence, "encryptionAlgorithm");
  requireOid(algorithm.oid("encryptionAlgorithm"), OID.pbes2, "PBES2");
  const pbes2 = algorithm.enter(tag.sequence, "PBES2-params");
  algorithm.end("encryptionAlgorithm");
  const kdf = pbes2.enter(tag.sequence, "keyDerivationFunc");
  requireOid(kdf.oid("keyDerivationFunc"), OID.scrypt, "scrypt");
  const { salt, parameters } = parseScrypt(kdf.enter(tag.sequence, "scrypt-params"));
  kdf.end("keyDerivationFunc");
  const encryption = pbes2.enter(tag.sequence, "encryptionScheme");
  requireOid(encryption.oid("encryptionScheme"), OID.aes256Cbc, "AES-256-CBC");
  const iv = encryption.contents(tag.octetString, "the initialization vector");
  encryption.end("encryptionScheme");
  pbes2.end("PBES2-params");
  const contents = info.contents(tag.octetString, "encryptedData");
  info.end("EncryptedPrivateKeyInfo");
  if (iv.length !== BLOCK_BYTES || contents.length === 0 || contents.length % BLOCK_BYTES !== 0) {
    throw new Unsupported("it is cut off or damaged");
  }
  return { salt, parameters, iv, contents };
}

function parseScrypt(reader: DerReader): { readonly salt: Uint8Array; readonly parameters: ScryptParameters } {
  const salt = reader.contents(tag.octetString, "the salt");
  const N = reader.smallInteger("N");
  const r = reader.smallInteger("r");
  const p = reader.smallInteger("p");
  const keyLength = reader.isDone ? KEY_BYTES : reader.smallInteger("keyLength");
  reader.end("scrypt-params");
  const powerOfTwo = N >= 2 && (N & (N - 1)) === 0;
  if (!powerOfTwo || r < 1 || p < 1 || keyLength !== KEY_BYTES || salt.length < 8) {
    throw new Unsupported("its scrypt parameters make no sense");
  }
  if (128 * N * r > MAX_MEMORY_BYTES || N * r * p > MAX_WORK) {
    throw new Unsupported(`its scrypt parameters (N=${N}, r=${r}, p=${p}) ask for more work than a key is worth`);
  }
  return { salt, parameters: { N, r, p } };
}

function requireOid(found: string, expected: string, name: string): void {
  if (found === expected) return;
  const told = found === OID.pbkdf2 ? "PBKDF2" : found;
  throw new Unsupported(`it is sealed with ${told}; keys are sealed by PBES2 with scrypt and AES-256-CBC (no ${name})`);
}

function derive(passphrase: Passphrase, salt: Uint8Array, { N, r, p }: ScryptParameters): Promise<Buffer> {
  const maxmem = 128 * r * (N + p + 2) + 1024;
  return new Promise((resolve, reject) => {
    passphrase.use((bytes) =>
      scrypt(bytes, salt, KEY_BYTES, { N, r, p, maxmem }, (error, key) => (error ? reject(error) : resolve(key))),
    );
  });
}
