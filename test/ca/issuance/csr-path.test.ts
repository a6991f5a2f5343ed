// Property tests on the CSR path: whatever arrives in the place of a CSR, the answer is a certificate for exactly what was
// granted, or a stable error of ours; never another exception, and nothing is recorded for what was refused.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { IssuanceError } from "../../../src/ca/issuance/index.ts";
import type { KeyAlgorithm } from "../../../src/ca/keys/index.ts";
import { parseCertificate, X509Error } from "../../../src/x509/index.ts";
import { makeCsr, makeKey } from "./materials.ts";
import { CART, createWorld, makeRequest, type World } from "./world.ts";

let world: World;
before(async () => {
  world = await createWorld();
});
after(() => world.close());

const KEYS = (["ec-p256", "ec-p384", "ed25519", "rsa-2048"] as const satisfies readonly KeyAlgorithm[]).map(makeKey);
const CSRS = KEYS.map((key) => makeCsr({ key, uriSans: [CART.toString()], dnsSans: ["a.example.test"] }).der);

async function issue(csrDer: Uint8Array): Promise<"issued" | "refused"> {
  try {
    const { chain, spiffeId } = await world.issuer.issueX509Svid(makeRequest({ csrDer }));
    const leaf = parseCertificate(chain[0] ?? new Uint8Array());
    assert.deepEqual(leaf.subjectAltName?.names, [{ kind: "uri", value: spiffeId.toString() }]);
    return "issued";
  } catch (error) {
    assert.ok(error instanceof X509Error || error instanceof IssuanceError, String(error));
    assert.match(error.code, /^MCA_(CSR|KEY)_/);
    assert.ok(error.message.length > 20);
    return "refused";
  }
}

test("arbitrary bytes are refused with a code and a sentence", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
      assert.equal(await issue(bytes), "refused");
    }),
    { numRuns: 1000 },
  );
});

test("a CSR with one octet changed, added or left out is refused: its signature covers everything that counts", async () => {
  const size = await world.recorded();
  const change = fc.record({
    csr: fc.constantFrom(...CSRS),
    kind: fc.constantFrom("set", "insert", "delete", "cut"),
    at: fc.nat(),
    value: fc.integer({ min: 0, max: 255 }),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ csr, kind, at, value }) => {
      const bytes = [...csr];
      const place = at % bytes.length;
      if (kind === "set") bytes[place] = value;
      if (kind === "insert") bytes.splice(place, 0, value);
      if (kind === "delete") bytes.splice(place, 1);
      if (kind === "cut") bytes.length = place;
      const changed = Uint8Array.from(bytes);
      if (Buffer.compare(changed, csr) === 0) return;
      assert.equal(await issue(changed), "refused");
    }),
    { numRuns: 1500 },
  );
  assert.equal(await world.recorded(), size);
});

test("whatever names a CSR asks for: the granted identity and nothing else, or a refusal", async () => {
  const uri = fc.oneof(
    fc.constant(CART.toString()),
    fc.constant("spiffe://example.test/ns/shop/sa/admin"),
    fc.webUrl(),
    fc.stringMatching(/^spiffe:[!-~]{0,40}$/),
  );
  const names = fc.record({
    uriSans: fc.array(uri, { maxLength: 3 }),
    dnsSans: fc.array(fc.domain(), { maxLength: 3 }),
    key: fc.constantFrom(...KEYS),
  });
  await fc.assert(
    fc.asyncProperty(names, async ({ uriSans, dnsSans, key }) => {
      const spiffe = uriSans.filter((each) => /^spiffe:/i.test(each));
      const fine = uriSans.length <= 1 && spiffe.every((each) => each === CART.toString());
      assert.equal(await issue(makeCsr({ key, uriSans, dnsSans }).der), fine ? "issued" : "refused");
    }),
    { numRuns: 200 },
  );
});
