// An issuer of JWTs for tests: real keys, a real HTTP server on the loopback address, and tokens with anything wrong in them.
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type JWTPayload, SignJWT } from "jose";
import type { JwtConfig } from "../../../src/identity-api/attest/index.ts";
import { JwtAttestor } from "../../../src/identity-api/attest/jwt-attestor.ts";
import { type Clock, type Logger, silentLogger } from "../../../src/runtime/index.ts";

export const ISSUER = "https://issuer.example";
export const AUDIENCE = "mesh-ca.example.test";
/** A whole number of seconds, so that tests can stand exactly on a bound. */
export const NOW = Date.UTC(2026, 6, 1, 12);

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  time = NOW;
  now(): number {
    return this.time;
  }
  advance(ms: number): void {
    this.time += ms;
  }
}

export interface TestKey {
  readonly privateKey: KeyObject;
  readonly algorithm: string;
  readonly jwk: Readonly<Record<string, unknown>>;
}

const generated = new Map<string, TestKey>();

/** A key pair for an algorithm: the same one for the same algorithm and kid, because RSA keys are slow to make. */
export function testKey(algorithm = "ES256", kid = "key-1"): TestKey {
  const name = `${algorithm}/${kid}`;
  let key = generated.get(name);
  if (key === undefined) {
    const { privateKey, publicKey } = generate(algorithm);
    key = { privateKey, algorithm, jwk: { ...publicKey.export({ format: "jwk" }), kid, use: "sig" } };
    generated.set(name, key);
  }
  return key;
}

function generate(algorithm: string): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  switch (algorithm) {
    case "ES256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" });
    case "ES384":
      return generateKeyPairSync("ec", { namedCurve: "P-384" });
    case "ES512":
      return generateKeyPairSync("ec", { namedCurve: "P-521" });
    case "EdDSA":
      return generateKeyPairSync("ed25519");
    default:
      return generateKeyPairSync("rsa", { modulusLength: algorithm === "weak" ? 1024 : 2048 });
  }
}

/** The public keys as JWK set. */
export function jwks(...keys: readonly TestKey[]): string {
  return JSON.stringify({ keys: keys.map((key) => key.jwk) });
}

/** Claims that are fine at NOW. */
export function claims(changes: Readonly<Record<string, unknown>> = {}): JWTPayload {
  const seconds = NOW / 1000;
  return { iss: ISSUER, aud: AUDIENCE, sub: "robot", iat: seconds - 10, exp: seconds + 300, ...changes };
}

/** A token by jose, so that our reader meets somebody else's writer. */
export function token(
  payload: JWTPayload = claims(),
  key = testKey(),
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  return new SignJWT(payload)
    .setProtectedHeader({ alg: key.algorithm, kid: String(key.jwk["kid"]), ...header })
    .sign(key.privateKey);
}

export const encode = (text: string | Uint8Array): string => Buffer.from(text).toString("base64url");

/** A token out of any texts, signed with ES256 over exactly these bytes. */
export function rawToken(header: string, payload: string, key = testKey()): string {
  const input = `${encode(header)}.${encode(payload)}`;
  const signature = sign("sha256", Buffer.from(input), { key: key.privateKey, dsaEncoding: "ieee-p1363" });
  return `${input}.${encode(signature)}`;
}

export interface Attested {
  readonly attestor: JwtAttestor;
  readonly clock: TestClock;
}

/** An attestor of ISSUER for AUDIENCE. */
export function attestorOf(config: Partial<JwtConfig>, logger: Logger = silentLogger): Attested {
  const clock = new TestClock();
  const whole: JwtConfig = { kind: "jwt", issuer: ISSUER, audience: AUDIENCE, ...config };
  return { attestor: new JwtAttestor("idp", whole, { clock, logger, insecureLoopback: true }), clock };
}

export interface TestWeb {
  readonly url: string;
  /** How many requests came. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

/** An HTTP server on a loopback port. */
export async function serve(listener: RequestListener): Promise<TestWeb> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
