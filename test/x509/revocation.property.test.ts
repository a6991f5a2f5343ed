// Whatever is done to the octets of a CRL or an OCSP response: the readers throw X509Error or return, quickly; and no change makes
// a revoked certificate good or a good one revoked.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  checkCrlScope,
  checkOcspResponse,
  crlDistributionPoints,
  derNull,
  encodeExtension,
  findRevoked,
  oid,
  parseCrl,
  parseOcspResponse,
  verifyCrl,
} from "../../src/x509/index.ts";
import { createIntermediate, createLeaf, createRoot } from "../support/pki.ts";
import { createCrl, createOcspResponse, crlDistributionPointsExtension, crlScope } from "../support/revocation.ts";
import { apply, attempt, damage } from "./damage.ts";

const root = createRoot();
const url = "http://crl.test/ca.crl";
const intermediate = createIntermediate(root, { extraExtensions: [crlDistributionPointsExtension(url)] });
const { certificate } = intermediate;
const [point] = crlDistributionPoints(certificate);
const responder = createLeaf(root, {
  names: [],
  subject: "Responder",
  extendedKeyUsage: [oid.ocspSigning],
  extraExtensions: [encodeExtension(oid.ocspNoCheck, false, derNull())],
});
const nonce = randomBytes(32);

function drive<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** "good", "revoked", or undefined where the list is refused. */
function byCrl(der: Uint8Array): string | undefined {
  return attempt(() => {
    const crl = parseCrl(der);
    assert.ok(point);
    checkCrlScope(crl, certificate, point);
    drive(verifyCrl(crl, root.certificate));
    return drive(findRevoked(crl, [certificate.serial]))[0] === undefined ? "good" : "revoked";
  });
}

function byOcsp(der: Uint8Array): string | undefined {
  return attempt(() => {
    const question = { certificate, issuer: root.certificate, nonce, now: Date.now() };
    return checkOcspResponse(parseOcspResponse(der), question).status.kind;
  });
}

const others = Array.from({ length: 5 }, () => ({ serial: randomBytes(16), reason: "superseded" as const }));
const scope = crlScope({ uris: [url], flags: [2] });
const samples: readonly (readonly [string, "good" | "revoked", Uint8Array, (der: Uint8Array) => string | undefined])[] =
  [
    [
      "a CRL that lists it",
      "revoked",
      createCrl(root, { revoked: [...others, { serial: certificate.serial, reason: "keyCompromise" }], scope }),
      byCrl,
    ],
    ["a CRL that does not list it", "good", createCrl(root, { revoked: others, scope }), byCrl],
    [
      "an OCSP response of the issuer",
      "revoked",
      createOcspResponse(root, { certificate: intermediate, status: { kind: "revoked" }, nonce }),
      byOcsp,
    ],
    [
      "an OCSP response of a responder",
      "good",
      createOcspResponse(root, { certificate: intermediate, responder, nonce }),
      byOcsp,
    ],
  ];

describe("damaged octets of", () => {
  for (const [name, verdict, der, judge] of samples) {
    it(`${name} never turn ${verdict} into anything but a refusal`, () => {
      assert.equal(judge(der), verdict);
      fc.assert(
        fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), (changes) => {
          const damaged = changes.reduce(apply, der);
          const judged = judge(damaged);
          assert.ok(judged === undefined || judged === verdict, judged);
        }),
        { numRuns: 2000 },
      );
    });
  }

  it("an entry list are walked to an end or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (entries) => {
        attempt(() => drive(findRevoked(parseCrl(createCrl(root, { entries })), [certificate.serial])));
      }),
      { numRuns: 300 },
    );
  });
});
