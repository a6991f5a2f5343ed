import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Database } from "../../../src/ca/index.ts";
import { AttestError, type AttestorConfig, createAttestors } from "../../../src/identity-api/attest/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { TrustDomain } from "../../../src/spiffe/index.ts";
import { createRoot } from "../../support/pki.ts";
import { temporaryFolder } from "../../support/postgres.ts";
import { AUDIENCE, claims, ISSUER, jwks, TestClock, testKey, token } from "./jwt-support.ts";

let folder: string;
let caFile: string;
let jwksFile: string;
before(async () => {
  folder = await temporaryFolder();
  caFile = join(folder, "ca.pem");
  jwksFile = join(folder, "keys.json");
  await writeFile(caFile, createRoot().pem);
  await writeFile(jwksFile, jwks(testKey()));
});
after(() => rm(folder, { recursive: true }));

/** These tests never reach the database or the trust set. */
const unreachable = (): never => {
  throw new TypeError("not part of this test");
};
const database: Database = {
  query: unreachable,
  transaction: unreachable,
  pipeline: unreachable,
  databaseNow: unreachable,
  listen: unreachable,
  close: unreachable,
};

function create(configs: Readonly<Record<string, AttestorConfig>>) {
  return createAttestors(configs, {
    trustDomain: TrustDomain.parse("example.test"),
    trust: unreachable,
    trustForExpired: unreachable,
    database,
    clock: new TestClock(),
    logger: silentLogger,
  });
}

const jwt = (): AttestorConfig => ({ kind: "jwt", issuer: ISSUER, audience: AUDIENCE, jwksFile });

test("rules learn which instances there are and what they establish", async () => {
  const attestors = await create({ token: { kind: "join-token" }, idp: jwt(), corp: { kind: "x509", caFile } });
  assert.equal(attestors.joinTokenInstance, "token");
  assert.deepEqual(
    attestors.descriptions.map(({ name, kind, attributeNames }) => [name, kind, attributeNames?.[0]]),
    [
      ["token", "join-token", undefined],
      ["idp", "jwt", "subject"],
      ["corp", "x509", "commonName"],
    ],
  );
  assert.deepEqual(
    attestors.health().map(({ attestor, problem }) => [attestor, problem]),
    [
      ["token", undefined],
      ["idp", undefined],
      ["corp", undefined],
    ],
  );
});

test("no instance is called agent: that prefix is for what nobody verified", async () => {
  await assert.rejects(create({ agent: { kind: "join-token" } }), { code: "MCA_ATTESTOR_INVALID" });
});

test("an instance's name is plain, so that attributes and placeholders are unambiguous", async () => {
  for (const name of ["", "K8s", "a.b", "a b", "-a", "1a", "a}", "x".repeat(64)]) {
    await assert.rejects(create({ [name]: { kind: "join-token" } }), { code: "MCA_ATTESTOR_INVALID" }, name);
  }
});

test("there is one join-token attestor at most", async () => {
  await assert.rejects(
    create({ a: { kind: "join-token" }, b: { kind: "join-token" } }),
    /Only one attestor of kind join-token/,
  );
});

test("a JWT finds the only instance that knows its issuer, and says when there is none or more than one", async () => {
  const one = await create({ idp: jwt() });
  assert.equal((await one.jwt({ token: await token(), attestor: "" })).attestor, "idp");
  await assert.rejects(one.jwt({ token: await token(claims({ iss: "https://other.example" })), attestor: "" }), {
    code: "MCA_JWT_ISSUER",
  });
  await assert.rejects(one.jwt({ token: "x", attestor: "" }), { code: "MCA_JWT_MALFORMED" });
  const two = await create({ a: jwt(), b: jwt() });
  await assert.rejects(two.jwt({ token: await token(), attestor: "" }), { code: "MCA_ATTESTOR_UNKNOWN" });
  assert.equal((await two.jwt({ token: await token(), attestor: "b" })).requester, "jwt:b:robot");
  await assert.rejects(two.jwt({ token: await token(), attestor: "c" }), { code: "MCA_ATTESTOR_UNKNOWN" });
});

test("evidence for what is not configured is refused with a code", async () => {
  const none = await create({});
  await assert.rejects(none.joinToken("mcajt1.x"), { code: "MCA_ATTESTOR_UNKNOWN" });
  await assert.rejects(none.jwt({ token: await token(), attestor: "" }), { code: "MCA_JWT_ISSUER" });
});

test("a connection without an enterprise certificate gives no evidence; a refused one gives its own error", async () => {
  const attestors = await create({});
  assert.throws(() => attestors.x509({ kind: "anonymous" }), { code: "MCA_EVIDENCE_MISSING" });
  assert.throws(() => attestors.x509({ kind: "local" }), { code: "MCA_EVIDENCE_MISSING" });
  const error = new AttestError("MCA_PEER_REFUSED", "no");
  assert.throws(() => attestors.x509({ kind: "refused", error }), error);
});
