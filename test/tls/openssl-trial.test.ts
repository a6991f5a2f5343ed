// A chain is tried with OpenSSL in both roles, against exactly one anchor.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tryWithOpenSsl } from "../../src/tls/index.ts";
import { oid } from "../../src/x509/oids.ts";
import { createIntermediate, createLeaf, createRoot, freshKey, type TestCertificate } from "../support/pki.ts";

const root = createRoot({ subject: "Root" });
const authority = createIntermediate(root, { subject: "Authority" });

function trial(chain: readonly TestCertificate[], anchor: TestCertificate, key = chain[0]?.key) {
  assert.ok(key !== undefined);
  return tryWithOpenSsl({ chain: chain.map(({ der }) => der), key, anchor: anchor.der });
}

test("a good chain is accepted, with and without an intermediate", async () => {
  await trial([createLeaf(authority), authority], root);
  await trial([createLeaf(root)], root);
});

test("RSA roots over EC authorities are accepted", async () => {
  const rsa = createRoot({ subject: "RSA root", key: freshKey("rsa-2048") });
  const under = createIntermediate(rsa, { subject: "EC authority" });
  await trial([createLeaf(under), under], rsa);
});

for (const [what, chain, anchor, reason] of [
  ["another root", [createLeaf(authority), authority], createRoot({ subject: "Other" }), /UNABLE_TO_|SELF_SIGNED/],
  ["a missing intermediate", [createLeaf(authority)], root, /UNABLE_TO_/],
  [
    "a leaf that has expired",
    [createLeaf(authority, { notBefore: Date.now() - 7_200_000, notAfter: Date.now() - 3_600_000 }), authority],
    root,
    /EXPIRED/,
  ],
] as const) {
  test(`a chain with ${what} is refused with OpenSSL's reason`, async () => {
    await assert.rejects(trial(chain, anchor), (error: Error & { code?: string }) => {
      assert.equal(error.code, "MCA_TLS_CHAIN_INVALID");
      assert.match(error.message, reason);
      return true;
    });
  });
}

for (const [purpose, role] of [
  [oid.serverAuth, "client's"],
  [oid.clientAuth, "server's"],
] as const) {
  test(`a chain that is not good as a ${role} certificate is refused, although it is for the other role`, async () => {
    const under = createIntermediate(root, { extendedKeyUsage: [purpose] });
    await assert.rejects(trial([createLeaf(under), under], root), (error: Error) => {
      assert.match(error.message, new RegExp(role));
      return true;
    });
  });
}

test("a key that is not the leaf's fails", async () => {
  await assert.rejects(trial([createLeaf(root)], root, freshKey()));
});
