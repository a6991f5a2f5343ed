// Whatever is done to the octets of a request or a certificate: the readers throw X509Error or return something
// consistent, quickly; and nobody can change a signed octet without the signature noticing.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  bytesEqual,
  type Certificate,
  createCsr,
  createPathCache,
  encodeName,
  nameToString,
  parseCertificate,
  parseCsr,
  validatePath,
  verifyCsrSignature,
  verifySignature,
} from "../../src/x509/index.ts";
import {
  createIntermediate,
  createLeaf,
  createRoot,
  generalNameDer,
  nameConstraintsExtension,
  testKey,
} from "../support/pki.ts";
import { apply, attempt, damage } from "./damage.ts";

const root = createRoot({
  nameConstraints: nameConstraintsExtension({
    permitted: [
      generalNameDer.uri("example.test"),
      generalNameDer.dns("example.test"),
      generalNameDer.directory(encodeName({})),
    ],
    excluded: [generalNameDer.ip(10, 0, 0, 0, 255, 0, 0, 0)],
  }),
});
const authority = createIntermediate(root, { pathLength: 0 });
const leaf = createLeaf(authority, {
  subject: "wörkload",
  names: [
    { kind: "uri", value: "spiffe://example.test/a" },
    { kind: "dns", value: "a.example.test" },
    { kind: "ip", bytes: Uint8Array.of(192, 0, 2, 1) },
  ],
});
const csrs = (["ec-p256", "rsa-2048", "ed25519"] as const).map((kind) =>
  createCsr({ key: testKey(kind), subject: "x", uriSans: ["spiffe://example.test/a"], dnsSans: ["a.example.test"] }),
);

describe("damaged requests", () => {
  it("give an X509Error, or a request whose parts lie within the octets", () => {
    fc.assert(
      fc.property(fc.constantFrom(...csrs), fc.array(damage, { minLength: 1, maxLength: 4 }), (original, changes) => {
        const bytes = changes.reduce(apply, original);
        const csr = attempt(() => parseCsr(bytes));
        if (csr === undefined) return;
        assert.deepEqual(csr.der, Uint8Array.from(bytes));
        assert.ok(csr.info.length + csr.signature.length < csr.der.length);
        nameToString(csr.subject);
        const before = parseCsr(original);
        const verified = attempt(() => {
          verifyCsrSignature(csr);
          return true;
        });
        if (verified === true) assert.ok(bytesEqual(csr.info, before.info), "a changed request must not verify");
      }),
      { numRuns: 3000 },
    );
  });

  it("random octets are no request, and no certificate", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        assert.equal(
          attempt(() => parseCsr(bytes)),
          undefined,
        );
        assert.equal(
          attempt(() => parseCertificate(bytes)),
          undefined,
        );
      }),
      { numRuns: 500 },
    );
  });

  it("take microseconds, also at the largest size and the greatest depth", () => {
    const heavy = [
      Buffer.alloc(16_384, 0x30),
      Buffer.concat([Buffer.from("30823ffc", "hex"), Buffer.alloc(16_380, 0x31)]),
      Buffer.from("3080".repeat(8192), "hex"),
      Buffer.concat([Buffer.from("30823ffc30823ff8020100", "hex"), Buffer.alloc(16_373, 0x06)]),
    ];
    const start = process.cpuUsage();
    for (let round = 0; round < 100; round++)
      for (const bytes of heavy)
        assert.equal(
          attempt(() => parseCsr(bytes)),
          undefined,
        );
    const { user, system } = process.cpuUsage(start);
    assert.ok((user + system) / (100 * heavy.length) < 2000, "a refusal must cost less than 2 ms");
  });
});

describe("damaged certificates", () => {
  const originals = [leaf, authority, root].map((one) => one.certificate);

  it("give an X509Error, or a certificate that does not verify unless its signed part is untouched", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...originals),
        fc.array(damage, { minLength: 1, maxLength: 4 }),
        (original, changes) => {
          const bytes = changes.reduce(apply, original.der);
          const certificate = attempt(() => parseCertificate(bytes));
          if (certificate === undefined) return;
          nameToString(certificate.subject);
          nameToString(certificate.issuer);
          assert.ok(Number.isFinite(certificate.notBefore) && Number.isFinite(certificate.notAfter));
          const issuer = original === leaf.certificate ? authority.certificate : root.certificate;
          const verified = attempt(() => {
            verifySignature(issuer.publicKey, certificate.signatureAlgorithm, certificate.tbs, certificate.signature);
            return true;
          });
          if (verified === true) assert.ok(bytesEqual(certificate.tbs, original.tbs));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it("anywhere in a chain give a PathError, or the path of the undamaged certificates", () => {
    const cache = createPathCache();
    const good = [leaf.certificate, authority.certificate];
    fc.assert(
      fc.property(fc.nat({ max: 1 }), damage, fc.boolean(), (which, change, cached) => {
        const original = good[which];
        if (original === undefined) return;
        const damaged = attempt(() => parseCertificate(apply(original.der, change)));
        if (damaged === undefined) return;
        const chain: Certificate[] = good.map((one, i) => (i === which ? damaged : one));
        const found = attempt(() =>
          validatePath({
            chain,
            anchors: [root.certificate],
            time: Date.now(),
            target: "end-entity",
            purposes: ["clientAuth"],
            ...(cached ? { cache } : {}),
          }),
        );
        if (found !== undefined) {
          assert.deepEqual(
            found.path.map((one) => bytesEqual(one.tbs, (one === damaged ? original : one).tbs)),
            [true, true, true],
          );
        }
      }),
      { numRuns: 1500 },
    );
  });
});
