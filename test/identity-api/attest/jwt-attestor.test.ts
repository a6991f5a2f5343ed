import assert from "node:assert/strict";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { JWTPayload } from "jose";
import type { JwtConfig } from "../../../src/identity-api/attest/index.ts";
import { temporaryFolder } from "../../support/postgres.ts";
import { AUDIENCE, attestorOf, claims, ISSUER, jwks, NOW, testKey, token } from "./jwt-support.ts";

let folder: string;
let jwksFile: string;
before(async () => {
  folder = await temporaryFolder();
  jwksFile = join(folder, "keys.json");
  await writeFile(jwksFile, jwks(testKey()));
});
after(async () => {
  await (await import("node:fs/promises")).rm(folder, { recursive: true });
});

/** The code with which a token is refused; undefined if it is taken. */
async function refusal(payload: JWTPayload, config: Partial<JwtConfig> = {}): Promise<string | undefined> {
  const { attestor } = attestorOf({ jwksFile, ...config });
  return await codeOf(attestor.attest(await token(payload)));
}

async function codeOf(attempt: Promise<unknown>): Promise<string | undefined> {
  try {
    await attempt;
    return undefined;
  } catch (error) {
    assert(error instanceof Error && "code" in error && typeof error.code === "string", String(error));
    return error.code;
  }
}

const seconds = NOW / 1000;

test("a good token establishes its subject and the claims that are mapped", async () => {
  const { attestor } = attestorOf({
    jwksFile,
    claims: { team: "org.team", site: "https://example\\.com/site", level: "level", beta: "beta" },
  });
  const payload = claims({
    org: { team: "shop" },
    "https://example.com/site": "eu",
    level: 3,
    beta: true,
    other: "unmapped",
  });
  const evidence = await attestor.attest(await token(payload));
  assert.equal(evidence.attestor, "idp");
  assert.equal(evidence.requester, "jwt:idp:robot");
  assert.deepEqual(Object.fromEntries(evidence.attributes), {
    "idp.subject": "robot",
    "idp.team": "shop",
    "idp.site": "eu",
    "idp.level": "3",
    "idp.beta": "true",
  });
  assert.deepEqual(attestor.attributeNames, ["subject", "team", "site", "level", "beta"]);
});

for (const algorithm of ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]) {
  test(`tokens signed with ${algorithm} are verified`, async () => {
    const path = join(folder, `${algorithm}.json`);
    const key = testKey(algorithm);
    await writeFile(path, jwks(key));
    const { attestor } = attestorOf({ jwksFile: path });
    assert.equal((await attestor.attest(await token(claims(), key))).requester, "jwt:idp:robot");
    const other = { ...testKey(algorithm, "another"), jwk: key.jwk };
    assert.equal(await codeOf(attestor.attest(await token(claims(), other))), "MCA_JWT_SIGNATURE");
  });
}

test("the audience must be exactly ours, alone or as a member of the list", async () => {
  assert.equal(await refusal(claims({ aud: [AUDIENCE, "other"] })), undefined);
  for (const aud of ["other", ["other"], [], "", `${AUDIENCE} `, AUDIENCE.toUpperCase(), `x${AUDIENCE}`, undefined]) {
    assert.equal(await refusal(claims({ aud })), "MCA_JWT_AUDIENCE", JSON.stringify(aud));
  }
  const nested = { ...claims(), aud: [[AUDIENCE]] } as unknown as JWTPayload;
  assert.equal(await refusal(nested), "MCA_JWT_AUDIENCE");
});

test("the issuer must be exactly the configured one", async () => {
  for (const iss of [`${ISSUER}/`, "https://ISSUER.example", "", undefined]) {
    assert.equal(await refusal(claims({ iss })), "MCA_JWT_ISSUER", String(iss));
  }
});

test("a token without exp is refused", async () => {
  assert.equal(await refusal(claims({ exp: undefined })), "MCA_JWT_NO_EXPIRY");
});

test("the end of a token is exact: there is no leeway", async () => {
  assert.equal(await refusal(claims({ exp: seconds })), "MCA_JWT_EXPIRED");
  assert.equal(await refusal(claims({ exp: seconds + 1 })), undefined);
});

test("nbf and iat have a minute of leeway into the future", async () => {
  assert.equal(await refusal(claims({ nbf: seconds + 60 })), undefined);
  assert.equal(await refusal(claims({ nbf: seconds + 61 })), "MCA_JWT_NOT_YET_VALID");
  assert.equal(await refusal(claims({ iat: seconds + 60 })), undefined);
  assert.equal(await refusal(claims({ iat: seconds + 61 })), "MCA_JWT_NOT_YET_VALID");
  assert.equal(await refusal(claims({ iat: seconds + 61, nbf: seconds })), "MCA_JWT_NOT_YET_VALID");
});

test("a token is at most 600 s old, or as the configuration says; without iat its age is unknown", async () => {
  assert.equal(await refusal(claims({ iat: seconds - 600 })), undefined);
  assert.equal(await refusal(claims({ iat: seconds - 601 })), "MCA_JWT_TOO_OLD");
  assert.equal(await refusal(claims({ iat: seconds - 601 }), { maxAgeSeconds: 900 }), undefined);
  assert.equal(await refusal(claims({ iat: undefined })), "MCA_JWT_TOO_OLD");
});

test("times that are no dates are refused", async () => {
  for (const value of ["soon", null, true, [], -1, 1e300]) {
    for (const name of ["exp", "nbf", "iat"]) {
      const payload = { ...claims(), [name]: value } as unknown as JWTPayload;
      assert.equal(await refusal(payload), "MCA_JWT_MALFORMED", `${name}: ${JSON.stringify(value)}`);
    }
  }
});

test("a subject is one short printable text", async () => {
  for (const sub of [undefined, "", "x".repeat(256), "a\nb", "a\u202eb", 7]) {
    const payload = { ...claims(), sub } as unknown as JWTPayload;
    assert.equal(await refusal(payload), "MCA_JWT_MALFORMED", String(sub));
  }
});

test("a mapped claim that is no single value is refused; one that is missing establishes nothing", async () => {
  const config = { jwksFile, claims: { team: "team" } };
  for (const team of [["a", "b"], ["a"], { name: "a" }, "", "a\0"]) {
    assert.equal(await refusal(claims({ team }), config), "MCA_EVIDENCE_REFUSED", JSON.stringify(team));
  }
  const { attestor } = attestorOf(config);
  assert.deepEqual([...(await attestor.attest(await token(claims()))).attributes.keys()], ["idp.subject"]);
  assert.deepEqual(
    [...(await attestor.attest(await token(claims({ team: null })))).attributes.keys()],
    ["idp.subject"],
  );
});

const kubernetes = {
  sub: "system:serviceaccount:shop:cart",
  "kubernetes.io": { namespace: "shop", serviceaccount: { name: "cart", uid: "1" }, pod: { name: "cart-7", uid: "2" } },
};

test("the preset kubernetes reads namespace, service account and pod", async () => {
  const { attestor } = attestorOf({ jwksFile, preset: "kubernetes" });
  const evidence = await attestor.attest(await token(claims({ ...kubernetes, iat: seconds - 3700 })));
  assert.deepEqual(Object.fromEntries(evidence.attributes), {
    "idp.subject": "system:serviceaccount:shop:cart",
    "idp.namespace": "shop",
    "idp.serviceAccount": "cart",
    "idp.pod": "cart-7",
  });
  assert.equal(
    await refusal(claims({ ...kubernetes, iat: seconds - 3701 }), { preset: "kubernetes" }),
    "MCA_JWT_TOO_OLD",
  );
});

test("the preset kubernetes refuses what Kubernetes would not have made", async () => {
  const preset = { preset: "kubernetes" } as const;
  for (const changes of [
    { "kubernetes.io": undefined },
    { "kubernetes.io": "shop" },
    { "kubernetes.io": { namespace: "shop" } },
    { "kubernetes.io": { namespace: "admin", serviceaccount: { name: "cart" } } },
    { sub: "system:serviceaccount:shop:other" },
    { sub: "system:serviceaccount:undefined:undefined", "kubernetes.io": undefined },
    { sub: "cart" },
  ]) {
    assert.equal(
      await refusal(claims({ ...kubernetes, ...changes }), preset),
      "MCA_EVIDENCE_REFUSED",
      JSON.stringify(changes),
    );
  }
});

test("a replaced key file is used, a broken one is not and is told", async () => {
  const path = join(folder, "rotating.json");
  await writeFile(path, jwks(testKey()));
  const { attestor, clock } = attestorOf({ jwksFile: path });
  const second = testKey("ES256", "key-2");
  assert.equal(await codeOf(attestor.attest(await token(claims(), second))), "MCA_JWT_KEY_UNKNOWN");
  await writeFile(`${path}.new`, jwks(second));
  await rename(`${path}.new`, path);
  // An unknown kid looks at once; no time has to pass.
  assert.equal(await codeOf(attestor.attest(await token(claims(), second))), undefined);
  assert.equal(await codeOf(attestor.attest(await token(claims()))), "MCA_JWT_KEY_UNKNOWN");
  await writeFile(path, '{"keys": [');
  clock.advance(5000);
  assert.equal(await codeOf(attestor.attest(await token(claims(), second))), undefined);
  assert.match(attestor.problem ?? "", /cannot be used/);
  await writeFile(path, jwks(testKey()));
  clock.advance(5000);
  assert.equal(await codeOf(attestor.attest(await token(claims()))), undefined);
  assert.equal(attestor.problem, undefined);
});

test("a configuration that cannot work is refused with what to mend", () => {
  for (const [config, sentence] of [
    [{}, /exactly one of jwksFile, jwksUrl and discovery/],
    [{ jwksFile, discovery: true }, /exactly one/],
    [{ jwksFile: join(folder, "missing.json") }, /cannot be read \(ENOENT\)/],
    [{ jwksFile, audience: "" }, /audience is empty/],
    [{ jwksFile, algorithms: ["HS256"] }, /"HS256" is not supported/],
    [{ jwksFile, algorithms: ["none"] }, /"none" is not supported/],
    [{ jwksFile, claims: { subject: "x" } }, /already established/],
    [{ jwksFile, claims: { "a b": "x" } }, /attribute name/],
    [{ jwksFile, claims: { a: "" } }, /path of "a"/],
    [{ jwksFile, claims: { a: "b..c" } }, /path of "a"/],
    [{ jwksUrl: "http://issuer.example/keys" }, /no https address/],
    [{ jwksUrl: "file:///etc/passwd" }, /no https address/],
    [{ jwksUrl: "https://user:password@issuer.example/keys" }, /no user, password or fragment/],
    [{ discovery: true, issuer: "http://issuer.example" }, /no https address/],
  ] as const) {
    assert.throws(
      () => attestorOf(config),
      (error: unknown) =>
        error instanceof Error &&
        "code" in error &&
        ["MCA_ATTESTOR_INVALID"].includes(String(error.code)) &&
        sentence.test(error.message),
      `${JSON.stringify(config)}: ${sentence}`,
    );
  }
});

test("a narrower list of algorithms is kept to", async () => {
  assert.equal(await refusal(claims(), { algorithms: ["RS256"] }), "MCA_JWT_ALGORITHM");
  assert.equal(await refusal(claims(), { algorithms: ["ES256"] }), undefined);
});
