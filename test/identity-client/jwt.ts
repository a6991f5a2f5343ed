// A JWT for tests, signed with ES256.
import { type KeyObject, sign } from "node:crypto";

export function signJwt(key: KeyObject, kid: string, claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const input = `${part({ alg: "ES256", typ: "JWT", kid })}.${part(claims)}`;
  const signature = sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
  return `${input}.${signature.toString("base64url")}`;
}
