import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { IssuanceError } from "../../../src/ca/issuance/index.ts";
import { requireAcceptableKey } from "../../../src/ca/issuance/key-policy.ts";
import { weaknessOfModulus } from "../../../src/ca/issuance/weak-rsa.ts";
import { type Csr, parseCsr, parseSubjectPublicKeyInfo } from "../../../src/x509/index.ts";
import { makeCsr, makeKey } from "./materials.ts";

const refused = (what: RegExp) => (error: unknown) =>
  error instanceof IssuanceError && error.code === "MCA_CSR_KEY_REFUSED" && what.test(error.message);

/** A CSR that holds another public key than the one that signed it: the policy comes before the proof. */
function withKey(spki: Uint8Array): Csr {
  return { ...parseCsr(makeCsr().der), publicKey: parseSubjectPublicKeyInfo(spki) };
}
const csrOf = (key: KeyObject): Csr =>
  withKey(new Uint8Array(createPublicKey(key).export({ type: "spki", format: "der" })));

function rsaSpki(modulus: bigint, exponent = 65537n): Uint8Array {
  const base64url = (value: bigint): string => {
    const hex = value.toString(16);
    return Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex").toString("base64url");
  };
  const key = createPublicKey({ key: { kty: "RSA", n: base64url(modulus), e: base64url(exponent) }, format: "jwk" });
  return new Uint8Array(key.export({ type: "spki", format: "der" }));
}

function modulusOf(bits: number): bigint {
  const { n } = generateKeyPairSync("rsa", { modulusLength: bits }).publicKey.export({ format: "jwk" });
  assert.ok(n);
  return BigInt(`0x${Buffer.from(n, "base64url").toString("hex")}`);
}

for (const algorithm of ["ec-p256", "ec-p384", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096"] as const) {
  test(`a key of ${algorithm} is accepted`, () => {
    requireAcceptableKey(parseCsr(makeCsr({ key: makeKey(algorithm) }).der));
  });
}

test("keys of other kinds and sizes are refused, each by name", () => {
  const curve = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve }).privateKey;
  assert.throws(() => requireAcceptableKey(csrOf(curve("P-521"))), refused(/P-521/));
  assert.throws(() => requireAcceptableKey(csrOf(curve("secp256k1"))), refused(/curve/));
  assert.throws(() => requireAcceptableKey(csrOf(curve("P-224"))), refused(/curve/));
  const rsa = (modulusLength: number, publicExponent = 65537) =>
    generateKeyPairSync("rsa", { modulusLength, publicExponent }).privateKey;
  assert.throws(() => requireAcceptableKey(csrOf(rsa(1024))), refused(/1024 bits/));
  assert.throws(() => requireAcceptableKey(csrOf(rsa(2040))), refused(/2040 bits/));
  assert.throws(() => requireAcceptableKey(csrOf(rsa(2048, 3))), refused(/exponent/));
  assert.throws(() => requireAcceptableKey(csrOf(generateKeyPairSync("ed448").privateKey)), refused(/algorithm/));
});

test("an RSA key of more than 4096 bits is refused before anybody verifies under it", () => {
  assert.throws(() => requireAcceptableKey(withKey(rsaSpki((1n << 8191n) + 1n))), refused(/8192 bits/));
});

test("an even modulus, small factors and close primes are refused", () => {
  const good = modulusOf(2048);
  assert.equal(weaknessOfModulus(good), undefined);
  assert.throws(() => requireAcceptableKey(withKey(rsaSpki(good + 1n))), refused(/divisible by 2\b/));
  const multiple = (good / 997n) * 997n;
  const odd = multiple % 2n === 0n ? multiple + 997n : multiple;
  assert.throws(() => requireAcceptableKey(withKey(rsaSpki(odd))), refused(/divisible by/));
  // Two primes of 1,024 bits that differ by a few thousand: not small factors, but Fermat finds them at once.
  const { p } = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
  assert.ok(p);
  const first = BigInt(`0x${Buffer.from(p, "base64url").toString("hex")}`);
  let second = first + 2n;
  while (!isProbablyPrime(second)) second += 2n;
  assert.throws(() => requireAcceptableKey(withKey(rsaSpki(first * second))), refused(/close together/));
});

test("a modulus with the ROCA fingerprint is refused", () => {
  // p = k * M + (65537^a mod M), as the flawed library made its primes (Nemec et al. 2017); M: product of the first primes.
  let m = 1n;
  for (let n = 2n; n <= 701n; n++) if (isSmallPrime(n)) m *= n;
  let power = 1n;
  for (let i = 0; i < 123; i++) power = (power * 65537n) % m;
  const shaped = (start: bigint): bigint => {
    let k = start;
    while (!isProbablyPrime(k * m + power)) k += 1n;
    return k * m + power;
  };
  const bits = BigInt(m.toString(2).length);
  const p = shaped((1n << (1023n - bits)) * 3n);
  const q = shaped((1n << (1023n - bits)) * 3n + (1n << 30n));
  assert.match(weaknessOfModulus(p * q) ?? "", /ROCA/);
});

test("Ed25519 points of small order are refused, in each encoding", () => {
  const prefix = Buffer.from("302a300506032b6570032100", "hex");
  for (const point of [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  ]) {
    const spki = Buffer.concat([prefix, Buffer.from(point, "hex")]);
    assert.throws(() => requireAcceptableKey(withKey(spki)), refused(/small order/), point);
  }
});

test("a compressed EC point is refused: only one encoding of a key is copied into certificates", () => {
  const uncompressed = createPublicKey(makeKey("ec-p256")).export({ type: "spki", format: "der" });
  const x = uncompressed.subarray(27, 59);
  const head = Buffer.from("3039301306072a8648ce3d020106082a8648ce3d03010703220002", "hex");
  assert.throws(() => requireAcceptableKey(withKey(Buffer.concat([head, x]))));
});

function isSmallPrime(n: bigint): boolean {
  for (let d = 2n; d * d <= n; d++) if (n % d === 0n) return false;
  return true;
}

/** Fermat's test to base 2: enough to make test material. */
function isProbablyPrime(n: bigint): boolean {
  for (const d of [3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n]) if (n % d === 0n) return false;
  let result = 1n;
  let base = 2n;
  for (let e = n - 1n; e > 0n; e >>= 1n) {
    if (e & 1n) result = (result * base) % n;
    base = (base * base) % n;
  }
  return result === 1n;
}
