// Verification of signatures by node:crypto (OpenSSL). The key's kind must fit the algorithm, and the work is bounded:
// a key that would cost OpenSSL milliseconds is refused unused.
import {
  constants,
  createVerify,
  type KeyLike,
  type VerifyKeyObjectInput,
  type VerifyPublicKeyInput,
  verify,
} from "node:crypto";
import { X509Error } from "./errors.ts";
import { keyForVerification } from "./public-key.ts";
import { type SignatureScheme, signatureScheme } from "./signature-algorithm.ts";
import type { Csr, PublicKeyInfo, SignatureAlgorithm } from "./types.ts";

const MAX_RSA_BITS = 8192;
const MAX_RSA_EXPONENT = 0xffff_ffffn;
const EC_CURVES: ReadonlySet<string> = new Set(["P-256", "P-384", "P-521"]);

function invalid(sentence: string, cause?: unknown): X509Error {
  return new X509Error("MCA_SIGNATURE_INVALID", sentence, cause === undefined ? {} : { cause });
}

function checkKey(key: PublicKeyInfo): void {
  const algorithm = key.algorithm;
  if (algorithm.kind === "rsa") {
    if (algorithm.modulusBits > MAX_RSA_BITS || algorithm.exponent > MAX_RSA_EXPONENT) {
      throw invalid(
        `The signature cannot be verified: RSA keys above ${MAX_RSA_BITS} bits or exponents above 32 bits are not used.`,
      );
    }
  } else if (algorithm.kind === "ec") {
    if (!EC_CURVES.has(algorithm.curve))
      throw invalid(`The signature cannot be verified: the curve ${algorithm.curve} is not supported.`);
  }
}

/** How node:crypto is asked, once key and algorithm fit each other. @throws X509Error MCA_SIGNATURE_INVALID */
function schemeFor(key: PublicKeyInfo, algorithm: SignatureAlgorithm): SignatureScheme {
  if (algorithm.name === "other") {
    throw invalid(
      `The signature algorithm ${algorithm.oid} is not supported; use ECDSA, RSA or RSASSA-PSS with SHA-256, -384 or -512, or Ed25519.`,
    );
  }
  const scheme = signatureScheme(algorithm.name);
  if (scheme.key !== key.algorithm.kind) {
    throw invalid(`The signature algorithm ${algorithm.name} does not fit a key of kind ${key.algorithm.kind}.`);
  }
  checkKey(key);
  return scheme;
}

/** The key as node:crypto takes it. Throws OpenSSL's error for a key that is none. */
function keyInput(key: PublicKeyInfo, scheme: SignatureScheme): KeyLike | VerifyKeyObjectInput | VerifyPublicKeyInput {
  const nodeKey = keyForVerification(key);
  const { pssSaltLength: saltLength } = scheme;
  if (saltLength === undefined) return nodeKey;
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  return typeof nodeKey === "string" ? { key: nodeKey, ...pss } : { key: nodeKey, ...pss };
}

/** Runs OpenSSL's verdict; what OpenSSL throws is a key that is not valid. @throws X509Error MCA_SIGNATURE_INVALID */
function requireHolds(ask: () => boolean): void {
  let holds: boolean;
  try {
    holds = ask();
  } catch (cause) {
    throw invalid("The signature cannot be verified: the public key is not valid.", cause);
  }
  if (!holds) throw invalid("The signature does not verify with the public key.");
}

/**
 * Verifies one signature.
 * @param signature as X.509 carries it: DER for ECDSA, raw for RSA and Ed25519
 * @throws X509Error MCA_SIGNATURE_INVALID where it does not verify, for whatever reason
 */
export function verifySignature(
  key: PublicKeyInfo,
  algorithm: SignatureAlgorithm,
  message: Uint8Array,
  signature: Uint8Array,
): void {
  const scheme = schemeFor(key, algorithm);
  requireHolds(() => verify(scheme.hash, message, keyInput(key, scheme), signature));
}

const SLICE_BYTES = 256 * 1024;
/** Ed25519 reads its message twice and whole; more than this would hold the process up. */
const MAX_WHOLE_BYTES = 4 * 1024 * 1024;

/**
 * The same for a large message, a quarter of a piece at each step, so that whoever drives it can let others run between the steps.
 * @throws X509Error MCA_SIGNATURE_INVALID
 */
export function* verifySignatureInSteps(
  key: PublicKeyInfo,
  algorithm: SignatureAlgorithm,
  message: Uint8Array,
  signature: Uint8Array,
): Generator<void, void> {
  const scheme = schemeFor(key, algorithm);
  if (scheme.hash === null) {
    if (message.length > MAX_WHOLE_BYTES) {
      throw invalid(`Ed25519 signatures over more than ${MAX_WHOLE_BYTES} octets are not verified.`);
    }
    requireHolds(() => verify(null, message, keyInput(key, scheme), signature));
    return;
  }
  const verifier = createVerify(scheme.hash);
  for (let at = 0; at < message.length; at += SLICE_BYTES) {
    verifier.update(message.subarray(at, at + SLICE_BYTES));
    yield;
  }
  requireHolds(() => verifier.verify(keyInput(key, scheme), signature));
}

/**
 * Proof of possession: the request is signed with the private key of the public key that it names (RFC 2986 section 3).
 * @throws X509Error MCA_CSR_SIGNATURE_INVALID
 */
export function verifyCsrSignature(csr: Csr): void {
  try {
    verifySignature(csr.publicKey, csr.signatureAlgorithm, csr.info, csr.signature);
  } catch (error) {
    if (!(error instanceof X509Error)) throw error;
    throw new X509Error(
      "MCA_CSR_SIGNATURE_INVALID",
      `The certificate request does not prove possession of its key. ${error.message} Sign the request with the private key that belongs to it.`,
      { cause: error },
    );
  }
}
