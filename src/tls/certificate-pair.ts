// A certificate chain and its key from two PEM texts, judged before anybody is shown it: read by our own reader, a pair, valid now, and
// taken by OpenSSL. What else the texts hold goes nowhere.
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { formatTime } from "../runtime/index.ts";
import { type Certificate, decodePem, encodePem, parseCertificate, sha256Hex } from "../x509/index.ts";
import { TlsError } from "./errors.ts";
import type { TlsIdentity } from "./identity.ts";
import { requireUsableIdentity } from "./options.ts";

/** Two texts, and the files that they came from, for the errors. */
export interface PairTexts {
  readonly certificateFile: string;
  /** PEM, leaf first. */
  readonly certificateText: string;
  readonly keyFile: string;
  /** PEM, not encrypted; may be the same text. */
  readonly keyText: string;
}

export interface CertificatePair {
  readonly identity: TlsIdentity;
  /** Leaf first. */
  readonly chain: readonly Certificate[];
  readonly leaf: Certificate;
}

const MAX_CERTIFICATES = 8;

/**
 * Reads the pair and judges it.
 * @param now Unix milliseconds
 * @throws TlsError MCA_TLS_IDENTITY_INVALID, saying which file and what is wrong with it
 */
export function parseCertificatePair(texts: PairTexts, now: number): CertificatePair {
  const { certificateFile, keyFile } = texts;
  const certificates = blocksOf(certificateFile, texts.certificateText)
    .filter(({ label }) => label === "CERTIFICATE")
    .map(({ der }) => readCertificate(certificateFile, der));
  const [leaf] = certificates;
  if (leaf === undefined) throw unusable(`${certificateFile} holds no certificate.`);
  if (certificates.length > MAX_CERTIFICATES) {
    throw unusable(
      `${certificateFile} holds more than ${MAX_CERTIFICATES} certificates: put the leaf and its intermediates there.`,
    );
  }
  const key = readKey(keyFile, blocksOf(keyFile, texts.keyText));
  requirePair(certificateFile, keyFile, certificates, key);
  if (leaf.notAfter <= now)
    throw unusable(`The certificate in ${certificateFile} ended at ${formatTime(leaf.notAfter)}.`);
  if (leaf.notBefore > now) {
    throw unusable(`The certificate in ${certificateFile} is valid only from ${formatTime(leaf.notBefore)} on.`);
  }
  const identity: TlsIdentity = {
    certificateChainPem: certificates.map(({ der }) => encodePem("CERTIFICATE", der)).join(""),
    privateKeyPem: key.export({ type: "pkcs8", format: "pem" }).toString(),
    notAfter: leaf.notAfter,
  };
  requireUsableIdentity(identity);
  return { identity, chain: certificates, leaf };
}

function requirePair(
  certificateFile: string,
  keyFile: string,
  certificates: readonly Certificate[],
  key: KeyObject,
): void {
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  const at = certificates.findIndex(({ publicKey }) => publicKey.spkiSha256 === sha256Hex(spki));
  if (at === 0) return;
  throw unusable(
    at < 0
      ? `The key in ${keyFile} is of none of the certificates in ${certificateFile}.`
      : `The certificate of the key in ${keyFile} is number ${at + 1} in ${certificateFile}: put it first.`,
  );
}

function blocksOf(path: string, text: string): ReturnType<typeof decodePem> {
  try {
    return decodePem(text);
  } catch (cause) {
    throw unusable(`${path} is not PEM: ${cause instanceof Error ? cause.message : "unreadable"}`, cause);
  }
}

function readCertificate(path: string, der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (cause) {
    throw unusable(
      `${path} holds a certificate that cannot be read: ${cause instanceof Error ? cause.message : ""}`,
      cause,
    );
  }
}

function readKey(path: string, blocks: ReturnType<typeof decodePem>): KeyObject {
  const keys = blocks.filter(({ label }) => label.endsWith("PRIVATE KEY"));
  const [block] = keys;
  if (block === undefined || keys.length > 1)
    throw unusable(`${path} must hold exactly one private key; it holds ${keys.length}.`);
  if (block.label === "ENCRYPTED PRIVATE KEY") {
    throw unusable(`The key in ${path} is encrypted. Store it without a passphrase, readable for this program alone.`);
  }
  try {
    return createPrivateKey(encodePem(block.label, block.der));
  } catch (cause) {
    // OpenSSL's reason says nothing of the key itself.
    throw unusable(`The key in ${path} cannot be read.`, cause);
  }
}

function unusable(sentence: string, cause?: unknown): TlsError {
  return new TlsError("MCA_TLS_IDENTITY_INVALID", sentence, { cause });
}
