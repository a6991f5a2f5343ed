// Tokens that were not made by the issuer, or say two things at once. Each is a bug that some library had.
import assert from "node:assert/strict";
import { createHmac, sign } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import {
  AUDIENCE,
  attestorOf,
  claims,
  encode,
  ISSUER,
  jwks,
  NOW,
  rawToken,
  testKey,
  token,
} from "../identity-api/attest/jwt-support.ts";
import { temporaryFolder } from "../support/postgres.ts";

let folder: string;
before(async () => {
  folder = await temporaryFolder();
});
after(() => rm(folder, { recursive: true }));

/** The code with which a token is refused by an attestor that knows these keys. */
async function refusal(text: string, keys: string = jwks(testKey())): Promise<string | undefined> {
  const jwksFile = join(folder, `${Math.random()}.json`);
  await writeFile(jwksFile, keys);
  try {
    await attestorOf({ jwksFile }).attestor.attest(text);
    return undefined;
  } catch (error) {
    assert(error instanceof Error && "code" in error && typeof error.code === "string", String(error));
    return error.code;
  }
}

const good = JSON.stringify(claims());
const header = JSON.stringify({ alg: "ES256", kid: "key-1" });

test("the tools of this file make tokens that are taken", async () => {
  assert.equal(await refusal(rawToken(header, good)), undefined);
});

test("alg none is refused in every spelling", async () => {
  for (const alg of ["none", "None", "NONE", "nOnE", ""]) {
    const head = encode(JSON.stringify({ alg, kid: "key-1" }));
    assert.equal(await refusal(`${head}.${encode(good)}.${encode("x")}`), "MCA_JWT_ALGORITHM", alg);
    assert.equal(await refusal(`${head}.${encode(good)}.`), "MCA_JWT_ALGORITHM".replace("ALGORITHM", "MALFORMED"), alg);
  }
});

test("a token without alg, or with one that is no text, is refused", async () => {
  for (const alg of [undefined, 7, null, ["ES256"], { alg: "ES256" }]) {
    assert.equal(await refusal(rawToken(JSON.stringify({ alg, kid: "key-1" }), good)), "MCA_JWT_ALGORITHM");
  }
});

test("HMAC with the issuer's public key as secret is refused", async () => {
  const rsa = testKey("RS256");
  const pem = rsa.privateKey;
  const { createPublicKey } = await import("node:crypto");
  const publicKey = createPublicKey(pem);
  for (const secret of [
    publicKey.export({ format: "pem", type: "spki" }),
    publicKey.export({ format: "der", type: "spki" }),
    JSON.stringify(rsa.jwk),
  ]) {
    for (const [alg, digest] of [
      ["HS256", "sha256"],
      ["HS384", "sha384"],
      ["HS512", "sha512"],
    ] as const) {
      const input = `${encode(JSON.stringify({ alg, kid: "key-1" }))}.${encode(good)}`;
      const forged = `${input}.${createHmac(digest, secret).update(input).digest("base64url")}`;
      assert.equal(await refusal(forged, jwks(rsa)), "MCA_JWT_ALGORITHM", alg);
    }
  }
});

test("a symmetric key in the key set is never used", async () => {
  const secret = Buffer.alloc(32, 7);
  const set = JSON.stringify({
    keys: [testKey("ES256", "other").jwk, { kty: "oct", kid: "key-1", k: secret.toString("base64url"), alg: "HS256" }],
  });
  const input = `${encode(JSON.stringify({ alg: "HS256", kid: "key-1" }))}.${encode(good)}`;
  assert.equal(
    await refusal(`${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`, set),
    "MCA_JWT_ALGORITHM",
  );
});

test("the key must be of the type that the algorithm needs", async () => {
  const p256 = testKey("ES256");
  const p384 = testKey("ES384");
  const forged = await token(claims(), { ...p384, algorithm: "ES384" });
  assert.equal(await refusal(forged, jwks(p256)), "MCA_JWT_KEY_UNKNOWN");
  assert.equal(await refusal(await token(claims(), testKey("RS256")), jwks(p256)), "MCA_JWT_KEY_UNKNOWN");
  assert.equal(await refusal(await token(claims(), testKey("EdDSA")), jwks(p256)), "MCA_JWT_KEY_UNKNOWN");
  // The RSA key is restricted to PS256 by the issuer.
  const restricted = JSON.stringify({ keys: [{ ...testKey("RS256").jwk, alg: "PS256" }] });
  assert.equal(await refusal(await token(claims(), testKey("RS256")), restricted), "MCA_JWT_KEY_UNKNOWN");
});

test("an RSA key of 1,024 bits is not used", async () => {
  const weak = testKey("weak");
  const input = `${encode(JSON.stringify({ alg: "RS256", kid: "key-1" }))}.${encode(good)}`;
  const signature = sign("sha256", Buffer.from(input), weak.privateKey).toString("base64url");
  assert.equal(await refusal(`${input}.${signature}`, jwks(weak)), "MCA_JWT_KEY_UNKNOWN");
});

test("keys for encryption, and keys that may not verify, are not used", async () => {
  const { jwk } = testKey();
  for (const changes of [
    { use: "enc" },
    { use: 7 },
    { key_ops: ["sign"] },
    { key_ops: "verify" },
    { kid: 1 },
    { alg: 7 },
  ]) {
    const set = JSON.stringify({ keys: [testKey("ES256", "other").jwk, { ...jwk, ...changes }] });
    assert.equal(await refusal(await token(), set), "MCA_JWT_KEY_UNKNOWN", JSON.stringify(changes));
  }
});

test("a key that the token itself brings or names is never used", async () => {
  const mine = testKey("ES256", "attacker");
  const { use: _, ...jwk } = mine.jwk;
  for (const extra of [
    { jwk },
    { jku: "https://evil.example/keys" },
    { x5u: "https://evil.example/chain" },
    { x5c: ["MIIB"] },
  ]) {
    const head = JSON.stringify({ alg: "ES256", kid: "key-1", ...extra });
    assert.equal(await refusal(rawToken(head, good, mine)), "MCA_JWT_SIGNATURE");
    const unknown = JSON.stringify({ alg: "ES256", kid: "attacker", ...extra });
    assert.equal(await refusal(rawToken(unknown, good, mine)), "MCA_JWT_KEY_UNKNOWN");
  }
});

test("a kid is compared as text and means nothing else", async () => {
  for (const kid of ["", "key-1 ", "KEY-1", "../key-1", "key-1\0", "__proto__", "' OR 1=1"]) {
    assert.equal(await refusal(rawToken(JSON.stringify({ alg: "ES256", kid }), good)), "MCA_JWT_KEY_UNKNOWN", kid);
  }
  assert.equal(await refusal(rawToken(JSON.stringify({ alg: "ES256", kid: 7 }), good)), "MCA_JWT_MALFORMED");
});

test("without a kid the token is taken only where one key alone fits", async () => {
  const bare = rawToken(JSON.stringify({ alg: "ES256" }), good);
  assert.equal(await refusal(bare), undefined);
  assert.equal(await refusal(bare, jwks(testKey(), testKey("RS256"))), undefined);
  assert.equal(await refusal(bare, jwks(testKey(), testKey("ES256", "key-2"))), "MCA_JWT_KEY_UNKNOWN");
});

test("of two keys with one kid neither is used", async () => {
  const twin = { ...testKey("ES256", "twin"), jwk: { ...testKey("ES256", "twin").jwk, kid: "key-1" } };
  assert.equal(await refusal(await token(), jwks(testKey(), twin)), "MCA_JWT_KEY_UNKNOWN");
});

test("signatures of zeros, of the wrong length, or in DER are refused", async () => {
  const input = `${encode(header)}.${encode(good)}`;
  const der = sign("sha256", Buffer.from(input), testKey().privateKey);
  for (const signature of [
    Buffer.alloc(64),
    Buffer.alloc(63, 1),
    Buffer.alloc(65, 1),
    Buffer.from("x"),
    der,
    Buffer.alloc(8000, 1),
  ]) {
    assert.equal(
      await refusal(`${input}.${signature.toString("base64url")}`),
      "MCA_JWT_SIGNATURE",
      String(signature.length),
    );
  }
});

test("a signature over other claims, or another header, does not fit", async () => {
  const [head, , signature] = (await token()).split(".");
  const [, other] = (await token(claims({ sub: "admin" }))).split(".");
  assert.equal(await refusal(`${head}.${other}.${signature}`), "MCA_JWT_SIGNATURE");
  const [, payload] = (await token()).split(".");
  assert.equal(
    await refusal(`${encode(JSON.stringify({ kid: "key-1", alg: "ES256" }))}.${payload}.${signature}`),
    "MCA_JWT_SIGNATURE",
  );
});

test("header parameters that change what is verified are refused", async () => {
  for (const extra of [
    { crit: ["exp"] },
    { crit: [] },
    { crit: ["b64"], b64: false },
    { b64: false },
    { b64: true },
    { zip: "DEF" },
    { enc: "A256GCM" },
  ]) {
    const head = JSON.stringify({ alg: "ES256", kid: "key-1", ...extra });
    assert.equal(await refusal(rawToken(head, good)), "MCA_JWT_MALFORMED", head);
  }
});

test("tokens that were made for another purpose are refused by their typ", async () => {
  for (const typ of ["JWT", "jwt", "at+jwt", "application/at+jwt"]) {
    assert.equal(await refusal(rawToken(JSON.stringify({ alg: "ES256", kid: "key-1", typ }), good)), undefined, typ);
  }
  for (const typ of ["logout+jwt", "dpop+jwt", "secevent+jwt", "wit+jwt", "", 7, null]) {
    assert.equal(
      await refusal(rawToken(JSON.stringify({ alg: "ES256", kid: "key-1", typ }), good)),
      "MCA_JWT_MALFORMED",
      String(typ),
    );
  }
});

test("a name that stands twice in header or claims is refused, also when it is escaped", async () => {
  for (const [head, payload] of [
    ['{"alg":"ES256","kid":"key-1","alg":"ES256"}', good],
    ['{"alg":"none","kid":"key-1","\\u0061lg":"ES256"}', good],
    [header, good.replace("{", '{"sub":"admin",')],
    [header, good.replace("{", '{"\\u0073ub":"admin",')],
    [header, good.replace("{", `{"aud":"other",`)],
    [header, good.replace("}", `,"nested":{"a":1,"a":2}}`)],
  ] as const) {
    assert.equal(await refusal(rawToken(head, payload)), "MCA_JWT_MALFORMED", payload);
  }
});

test("claims that are no JSON object in UTF-8 are refused", async () => {
  for (const payload of [
    "",
    "null",
    "[]",
    '"x"',
    "7",
    good.slice(0, -1),
    `${good}x`,
    `\ufeff${good}`,
    good.replace(/"/g, "'"),
    `${good}\0`,
  ]) {
    assert.equal(await refusal(rawToken(header, payload)), "MCA_JWT_MALFORMED", JSON.stringify(payload));
  }
  const invalid = Buffer.concat([
    Buffer.from(good.slice(0, -1)),
    Buffer.from(',"x":"'),
    Buffer.from([0xc0, 0xaf]),
    Buffer.from('"}'),
  ]);
  const input = `${encode(header)}.${encode(invalid)}`;
  const signature = sign("sha256", Buffer.from(input), { key: testKey().privateKey, dsaEncoding: "ieee-p1363" });
  assert.equal(await refusal(`${input}.${encode(signature)}`), "MCA_JWT_MALFORMED");
});

test("a claim of Object.prototype is a claim and nothing more", async () => {
  const payload = good.replace("{", '{"__proto__":{"aud":"x"},"constructor":{"name":"x"},');
  assert.equal(await refusal(rawToken(header, payload)), undefined);
  const bare = JSON.stringify({ __proto__: null, iat: NOW / 1000, exp: NOW / 1000 + 60, sub: "x" });
  const inherited = bare.replace("{", `{"__proto__":{"iss":"${ISSUER}","aud":"${AUDIENCE}"},`);
  assert.equal(await refusal(rawToken(header, inherited)), "MCA_JWT_ISSUER");
});

test("only the exact base64url text of a token is the token", async () => {
  const text = await token();
  const [head = "", payload = "", signature = ""] = text.split(".");
  // Another last character with the same bits in front: the same bytes, another text.
  const last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const twin = signature.slice(0, -1) + last.charAt(last.indexOf(signature.slice(-1)) ^ 1);
  for (const variant of [
    `${head}.${payload}.${twin}`,
    `${text}=`,
    `${text}\n`,
    ` ${text}`,
    `${head}.${payload}.${signature}.`,
    `${head}.${payload}`,
    `${head}..${signature}`,
    `.${payload}.${signature}`,
    `${head}.${payload}.${signature}.${signature}.${signature}`,
    text.replaceAll("-", "+").replaceAll("_", "/") === text
      ? `${text}+`
      : text.replaceAll("-", "+").replaceAll("_", "/"),
    "",
    "..",
    "x",
  ]) {
    assert.equal(await refusal(variant), "MCA_JWT_MALFORMED", variant);
  }
});

test("no text is taken for a token, and each is refused with a code", async () => {
  const jwksFile = join(folder, "property.json");
  await writeFile(jwksFile, jwks(testKey()));
  const { attestor } = attestorOf({ jwksFile });
  const part = fc.oneof(
    fc.base64String({ maxLength: 40 }),
    fc.json({ maxDepth: 3 }).map(encode),
    fc.constant(encode(header)),
    fc.constant(encode(good)),
  );
  const anything = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.array(part, { maxLength: 5 }).map((parts) => parts.join(".")),
  );
  await fc.assert(
    fc.asyncProperty(anything, async (text) => {
      await assert.rejects(
        attestor.attest(text),
        (error: unknown) => error instanceof Error && error.name === "AttestError",
      );
    }),
    { numRuns: 2000 },
  );
});

test("no error repeats the token or the value of a claim", async () => {
  const jwksFile = join(folder, "silent.json");
  await writeFile(jwksFile, jwks(testKey()));
  const { attestor } = attestorOf({ jwksFile, claims: { team: "team" } });
  const secret = "s3cr3t-value";
  for (const text of [
    rawToken(header, `{"x":"${secret}"`),
    rawToken(header, JSON.stringify(claims({ iss: secret }))),
    rawToken(header, JSON.stringify(claims({ sub: `${secret}\n` }))),
    rawToken(header, JSON.stringify(claims({ team: [secret] }))),
    rawToken(JSON.stringify({ alg: secret, kid: secret }), good),
    rawToken(JSON.stringify({ alg: "ES256", kid: secret }), good),
  ]) {
    await assert.rejects(attestor.attest(text), (error: unknown) => {
      let about: unknown = error;
      while (about instanceof Error) {
        assert.doesNotMatch(about.message, new RegExp(`${secret}|${text.split(".")[1]}`));
        about = about.cause;
      }
      return true;
    });
  }
});
