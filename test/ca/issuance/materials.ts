// Material for tests of issuance: an authority with its key, CSRs, and the pieces of the path up to the ledger.
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { type LintIntent, readLintIssuer } from "../../../src/ca/issuance/lint/index.ts";
import { LeafProfile } from "../../../src/ca/issuance/profile.ts";
import { createSerial } from "../../../src/ca/issuance/serial.ts";
import type { KeyAlgorithm } from "../../../src/ca/keys/index.ts";
import { PrivateKeyHandle } from "../../../src/ca/keys/private-key-handle.ts";
import { selfSignedUpstream } from "../../../src/ca/upstream/index.ts";
import { systemRandom } from "../../../src/runtime/index.ts";
import { TrustDomain } from "../../../src/spiffe/index.ts";
import {
  type Certificate,
  createCsr,
  type PublicKeyInfo,
  parseCertificate,
  parseSubjectPublicKeyInfo,
  publicKeyOf,
} from "../../../src/x509/index.ts";

export const TRUST_DOMAIN = TrustDomain.parse("example.test");
export const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);

/** A clock that stands still until it is moved. */
export class FakeClock {
  #now: number;
  constructor(now = NOW) {
    this.#now = now;
  }
  now(): number {
    return this.#now;
  }
  advance(seconds: number): void {
    this.#now += seconds * 1000;
  }
}

export function makeKey(algorithm: KeyAlgorithm): KeyObject {
  switch (algorithm) {
    case "ec-p256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    case "ec-p384":
      return generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
    case "ed25519":
      return generateKeyPairSync("ed25519").privateKey;
    default:
      return generateKeyPairSync("rsa", { modulusLength: Number(algorithm.slice(4)) }).privateKey;
  }
}

export interface TestAuthority {
  readonly signer: PrivateKeyHandle;
  readonly certificate: Certificate;
}

/** A self-signed authority, made by the upstream of that name. */
export async function makeAuthority(
  algorithm: KeyAlgorithm = "ec-p256",
  options: { readonly now?: number; readonly lifetimeSeconds?: number } = {},
): Promise<TestAuthority> {
  const signer = new PrivateKeyHandle(makeKey(algorithm));
  const answer = await selfSignedUpstream.certify({
    trustDomain: TRUST_DOMAIN,
    replica: 1,
    publicKey: parseSubjectPublicKeyInfo(signer.spki),
    algorithm: signer.algorithm,
    now: options.now ?? NOW,
    lifetimeSeconds: options.lifetimeSeconds ?? 604_800,
    clockSkewSeconds: 60,
    random: systemRandom,
    recordThenSign: ({ bytes }) => signer.sign(bytes),
    record: async () => {},
  });
  return { signer, certificate: parseCertificate(answer.certificate) };
}

/** A CSR for a fresh key, or for `key`. */
export function makeCsr(
  options: {
    readonly key?: KeyObject;
    readonly uriSans?: readonly string[];
    readonly dnsSans?: readonly string[];
  } = {},
): { readonly der: Uint8Array; readonly key: KeyObject; readonly publicKey: PublicKeyInfo } {
  const key = options.key ?? makeKey("ec-p256");
  const { uriSans = [], dnsSans = [] } = options;
  return { der: createCsr({ key, uriSans, dnsSans }), key, publicKey: publicKeyOf(key) };
}

/** What a good leaf of this authority is meant to say, and the bytes that say it. */
export function makeLeaf(
  authority: TestAuthority,
  options: {
    readonly publicKey?: PublicKeyInfo;
    readonly spiffeId?: string;
    readonly dnsNames?: readonly string[];
    readonly ttlSeconds?: number;
  } = {},
): { readonly tbs: Uint8Array; readonly intent: LintIntent } {
  const publicKey = options.publicKey ?? makeCsr().publicKey;
  const spiffeId = options.spiffeId ?? "spiffe://example.test/ns/shop/sa/cart";
  const dnsNames = options.dnsNames ?? ["cart.shop.example.test"];
  const serial = createSerial(1, systemRandom);
  const notBefore = NOW - 60_000;
  const notAfter = NOW + (options.ttlSeconds ?? 3600) * 1000;
  const profile = new LeafProfile(authority.certificate, authority.signer.algorithm);
  return {
    tbs: profile.build({ serial, notBefore, notAfter, publicKey, spiffeId, dnsNames }),
    intent: {
      issuer: readLintIssuer(authority.certificate.der),
      signatureAlgorithm: authority.signer.algorithm,
      serial,
      replica: 1,
      notBefore,
      notAfter,
      spki: publicKey.spki,
      spiffeId,
      trustDomain: TRUST_DOMAIN.name,
      idKind: "workload",
      dnsNames,
    },
  };
}
