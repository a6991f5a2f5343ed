// A workload's private key: made here, kept here (invariant 8). Printing or serialising it shows "[private key]".
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { inspect, promisify } from "node:util";
import { createCsr, sha256, toHex } from "../x509/index.ts";
import type { KeyAlgorithm } from "./options.ts";

const generate = promisify(generateKeyPair);

/** A key pair in memory. */
export class WorkloadKey {
  /** Lower-case hex of SHA-256 over the SubjectPublicKeyInfo. */
  readonly spkiSha256: string;
  readonly #key: KeyObject;

  private constructor(key: KeyObject) {
    this.#key = key;
    this.spkiSha256 = toHex(sha256(createPublicKey(key).export({ type: "spki", format: "der" })));
  }

  /** Makes a new key. */
  static async create(algorithm: KeyAlgorithm): Promise<WorkloadKey> {
    return new WorkloadKey(await makeKey(algorithm));
  }

  /** Reads a PKCS#8 PEM. @throws Error of node:crypto if it is none */
  static parse(pem: string): WorkloadKey {
    return new WorkloadKey(createPrivateKey(pem));
  }

  /** PKCS#8 PEM, not encrypted. */
  get pem(): string {
    return this.#key.export({ type: "pkcs8", format: "pem" }).toString();
  }

  /** A PKCS#10 request that proves possession and asks for no name: names come from the server's rules. */
  csr(): Uint8Array {
    return createCsr({ key: this.#key });
  }

  toJSON(): string {
    return "[private key]";
  }

  [inspect.custom](): string {
    return "[private key]";
  }
}

async function makeKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  switch (algorithm) {
    case "ec-p256":
      return (await generate("ec", { namedCurve: "P-256" })).privateKey;
    case "ec-p384":
      return (await generate("ec", { namedCurve: "P-384" })).privateKey;
    case "ed25519":
      return (await generate("ed25519")).privateKey;
    case "rsa-2048":
      return (await generate("rsa", { modulusLength: 2048 })).privateKey;
    case "rsa-3072":
      return (await generate("rsa", { modulusLength: 3072 })).privateKey;
  }
}
