// OCSP (RFC 6960, RFC 9654): the request byte for byte, the responses that answer, and every one that must not be believed.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import {
  checkOcspResponse,
  createOcspRequest,
  DerReader,
  derElement,
  derExplicit,
  derNull,
  derOctetString,
  derSequence,
  encodeExtension,
  fromHex,
  type OcspAnswer,
  oid,
  parseOcspResponse,
  tag,
  toHex,
} from "../../src/x509/index.ts";
import {
  type CertificateOptions,
  createIntermediate,
  createLeaf,
  createRoot,
  freshKey,
  testKey,
} from "../support/pki.ts";
import { createOcspResponse, type OcspOptions } from "../support/revocation.ts";
import { refuses } from "./refuses.ts";

const DAY_MS = 86_400_000;
const root = createRoot();
const intermediate = createIntermediate(root);
const { certificate } = intermediate;
const nonce = randomBytes(32);

const responderOptions: CertificateOptions = {
  subject: "Responder",
  names: [],
  extendedKeyUsage: [oid.ocspSigning],
  extraExtensions: [encodeExtension(oid.ocspNoCheck, false, derNull())],
};
const responder = createLeaf(root, responderOptions);

function ask(options: Partial<OcspOptions> = {}, asked: Uint8Array = nonce): OcspAnswer {
  const response = parseOcspResponse(createOcspResponse(root, { certificate: intermediate, ...options }));
  return checkOcspResponse(response, { certificate, issuer: root.certificate, nonce: asked, now: Date.now() });
}

describe("an OCSP request", () => {
  it("names the certificate by SHA-1 hashes and serial number, and carries the nonce", () => {
    const der = createOcspRequest({ certificate, issuer: root.certificate, nonce });
    const request = new DerReader(der).enter(tag.sequence, "").enter(tag.sequence, "");
    const certId = request.enter(tag.sequence, "").enter(tag.sequence, "").enter(tag.sequence, "");
    assert.equal(toHex(certId.element(tag.sequence, "")), "300906052b0e03021a0500");
    const sha1 = (bytes: Uint8Array): string => createHash("sha1").update(bytes).digest("hex");
    assert.equal(toHex(certId.contents(tag.octetString, "")), sha1(certificate.issuer));
    assert.equal(toHex(certId.contents(tag.octetString, "")), sha1(root.certificate.publicKey.keyBits));
    assert.equal(toHex(certId.unsigned("")), certificate.serialHex);
    certId.end("");
    assert.ok(Buffer.from(der).includes(Buffer.concat([fromHex("0420"), nonce])));
  });

  it("goes without a nonce where none is given", () => {
    const der = createOcspRequest({ certificate, issuer: root.certificate });
    assert.ok(!Buffer.from(der).includes(Buffer.from("2b0601050507300102", "hex")));
  });
});

describe("an OCSP response", () => {
  it("of the issuer itself says good, revoked with time and reason, or unknown", () => {
    assert.equal(ask().status.kind, "good");
    assert.equal(ask({ status: { kind: "unknown" } }).status.kind, "unknown");
    const revokedAt = Date.UTC(2026, 4, 5, 6, 7, 8);
    assert.deepEqual(ask({ status: { kind: "revoked", revokedAt, reason: "cACompromise" } }).status, {
      kind: "revoked",
      revokedAt,
      reason: "cACompromise",
    });
    assert.deepEqual(ask({ status: { kind: "revoked", revokedAt } }).status, {
      kind: "revoked",
      revokedAt,
      reason: "unspecified",
    });
  });

  it("says from when and until when it holds, and whether it was made for this question", () => {
    const [thisUpdate, nextUpdate] = [Date.UTC(2026, 1, 1), Date.UTC(2060, 1, 8)];
    const answer = ask({ thisUpdate, nextUpdate, nonce });
    assert.deepEqual([answer.thisUpdate, answer.nextUpdate, answer.fresh], [thisUpdate, nextUpdate, true]);
    assert.deepEqual([ask({ nextUpdate: null }).nextUpdate, ask().fresh], [undefined, false]);
  });

  it("counts by name or key of the responder, with SHA-1 and SHA-256, under RSA and EC issuers", () => {
    for (const responderId of ["name", "key"] as const) {
      for (const hash of ["sha1", "sha256"] as const) {
        assert.equal(ask({ responderId, hash }).status.kind, "good");
        assert.equal(ask({ responder, responderId, hash }).status.kind, "good");
      }
    }
    const rsa = createRoot({ key: testKey("rsa-2048") });
    const under = createIntermediate(rsa);
    const response = parseOcspResponse(createOcspResponse(rsa, { certificate: under }));
    const question = { certificate: under.certificate, issuer: rsa.certificate, now: Date.now() };
    assert.equal(checkOcspResponse(response, question).status.kind, "good");
  });

  const delegate = (options: CertificateOptions, issuer = root): Partial<OcspOptions> => ({
    responder: createLeaf(issuer, { ...responderOptions, ...options }),
  });
  const unusable: readonly (readonly [string, RegExp, () => unknown])[] = [
    ["for another serial number", /serial number 05 and not/, () => ask({ serial: Uint8Array.of(5) })],
    [
      "for the same serial number of another issuer",
      /of the same issuer/,
      () => ask({ keyOf: createRoot().certificate }),
    ],
    ["that names the certificate twice", /more than once/, () => ask({ times: 2 })],
    ["with the nonce of another request", /nonce/, () => ask({ nonce: randomBytes(32) })],
    [
      "with a nonce where none was sent",
      /nonce/,
      () => {
        const response = parseOcspResponse(createOcspResponse(root, { certificate: intermediate, nonce }));
        checkOcspResponse(response, { certificate, issuer: root.certificate, now: Date.now() });
      },
    ],
    ["signed by another key in the issuer's name", /does not hold/, () => ask({ signWith: freshKey() })],
    ["signed by a responder whose certificate is missing", /neither/, () => ask({ responder, certificates: [] })],
    [
      "with a certificate that cannot be read",
      /cannot be read/,
      () => ask({ responder, certificates: [derSequence()] }),
    ],
    ["of a responder without OCSPSigning", /OCSPSigning/, () => ask(delegate({ extendedKeyUsage: [oid.serverAuth] }))],
    ["of a responder with no extended key usage", /OCSPSigning/, () => ask(delegate({ extendedKeyUsage: null }))],
    [
      "of a responder for any extended key usage",
      /OCSPSigning/,
      () => ask(delegate({ extendedKeyUsage: [oid.anyExtendedKeyUsage] })),
    ],
    ["of a responder without nocheck", /nocheck/, () => ask(delegate({ extraExtensions: [] }))],
    ["of a responder of another issuer", /not issued by the issuer/, () => ask(delegate({}, intermediate))],
    [
      "of a responder of another issuer with the same name",
      /not signed by the issuer/,
      () => ask(delegate({}, createRoot())),
    ],
    ["of a responder that has expired", /not acceptable/, () => ask(delegate({ notAfter: Date.now() - 1000 }))],
    [
      "of a responder that does not sign data",
      /digitalSignature/,
      () => ask(delegate({ keyUsage: ["keyEncipherment"] })),
    ],
    ["of a responder with a weak key", /not acceptable/, () => ask(delegate({ key: testKey("rsa-1024") }))],
    [
      "with a critical extension that is not understood",
      /1\.2\.3/,
      () => ask({ extraExtensions: [encodeExtension("1.2.3", true, derNull())] }),
    ],
    ["that says tryLater", /tryLater/, () => ask({ failure: 3 })],
    ["that says unauthorized", /unauthorized/, () => ask({ failure: 6 })],
  ];
  for (const [name, sentence, run] of unusable) {
    it(`is not believed ${name}`, () => refuses("MCA_OCSP_UNUSABLE", sentence, run));
  }

  const whole = createOcspResponse(root, { certificate: intermediate, nonce });
  const malformed: readonly (readonly [string, RegExp, () => Uint8Array])[] = [
    ["with octets after its end", /after its end/, () => Buffer.concat([whole, Uint8Array.of(0)])],
    ["larger than 64 KiB", /at most 65536/, () => Buffer.concat([whole, new Uint8Array(65_536)])],
    ["that is a web page", /tag 0x3c/, () => Buffer.from("<html>")],
    ["with an unknown status", /not one of RFC 6960/, () => derSequence(derElement(tag.enumerated, Uint8Array.of(4)))],
    ["that is successful and empty", /missing/, () => derSequence(derElement(tag.enumerated, Uint8Array.of(0)))],
    [
      "of another type",
      /not id-pkix-ocsp-basic/,
      () => {
        const type = Buffer.from(whole).indexOf(fromHex("06092b0601050507300101"));
        const other = Uint8Array.from(whole);
        other[type + 10] = 0x09;
        return other;
      },
    ],
    [
      "whose revoked certificate has the reason removeFromCRL",
      /removeFromCRL/,
      () =>
        createOcspResponse(root, { certificate: intermediate, status: { kind: "revoked", reason: "removeFromCRL" } }),
    ],
    [
      "with nextUpdate before thisUpdate",
      /nextUpdate lies before/,
      () => createOcspResponse(root, { certificate: intermediate, nextUpdate: Date.now() - DAY_MS }),
    ],
    [
      "with more than 64 single responses",
      /more than 64/,
      () => createOcspResponse(root, { certificate: intermediate, times: 65 }),
    ],
    [
      "with more than 8 certificates",
      /more than 8/,
      () =>
        createOcspResponse(root, {
          certificate: intermediate,
          certificates: Array.from({ length: 9 }, () => root.der),
        }),
    ],
    [
      "with response bytes that are no BasicOCSPResponse",
      /BasicOCSPResponse/,
      () =>
        derSequence(
          derElement(tag.enumerated, Uint8Array.of(0)),
          derExplicit(0, derSequence(fromHex("06092b0601050507300101"), derOctetString(derNull()))),
        ),
    ],
  ];
  for (const [name, sentence, make] of malformed) {
    it(`is refused ${name}`, () => refuses("MCA_OCSP_MALFORMED", sentence, () => parseOcspResponse(make())));
  }
});
