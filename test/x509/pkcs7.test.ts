import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseCertificate, readPkcs7Certificates, X509Error } from "../../src/x509/index.ts";
import { pkcs7, pkcs7Ber } from "../support/pkcs7.ts";
import { createIntermediate, createRoot } from "../support/pki.ts";

// openssl crl2pkcs7 -nocrl -certfile root.pem -outform DER
const BY_OPENSSL =
  "MIIBogYJKoZIhvcNAQcCoIIBkzCCAY8CAQExADALBgkqhkiG9w0BBwGgggF3MIIBczCCARmgAwIBAgIUV++GxbyswcSP53GAC8KK" +
  "zHG5bEEwCgYIKoZIzj0EAwIwDzENMAsGA1UEAwwEUm9vdDAeFw0yNjExMjExMjExMTFaFw0yNzAzMDExMjExMTFaMA8xDTALBgNV" +
  "BAMMBFJvb3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASaXzkut69YLWWPC7A0RM1ed1MGVBwtTjTLjhwQzSSJNMtaZhddBN71" +
  "1QcpnGpQ+o9m/GY8ssIpsbTCnFjWUhW/o1MwUTAdBgNVHQ4EFgQUTLW2PV054T3yN9yCd0fI5aScSlYwHwYDVR0jBBgwFoAUTLW2" +
  "PV054T3yN9yCd0fI5aScSlYwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEA9giEGDGFt9DvOuj8AG6K53j1Opq+" +
  "q2Si+oO5A2ZgAaICIBXT77rDO610hQye2X67ThYojwmkf0GYjOprj73EI7+zMQA=";
// openssl cms -sign -signer root.pem -inkey root.key -stream -nodetach -noattr -outform DER: BER, with content and a signer
const BER_BY_OPENSSL =
  "MIAGCSqGSIb3DQEHAqCAMIACAQExDTALBglghkgBZQMEAgEwgAYJKoZIhvcNAQcBoIAkgAQEaGkNCgAAAAAAAKCCAXcwggFzMIIB" +
  "GaADAgECAhRX74bFvKzBxI/ncYALworMcblsQTAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARSb290MB4XDTI2MTEyMTEyMTExMVoX" +
  "DTI3MDMwMTEyMTExMVowDzENMAsGA1UEAwwEUm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJpfOS63r1gtZY8LsDREzV53" +
  "UwZUHC1ONMuOHBDNJIk0y1pmF10E3vXVBymcalD6j2b8ZjyywimxtMKcWNZSFb+jUzBRMB0GA1UdDgQWBBRMtbY9XTnhPfI33IJ3" +
  "R8jlpJxKVjAfBgNVHSMEGDAWgBRMtbY9XTnhPfI33IJ3R8jlpJxKVjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUC" +
  "IQD2CIQYMYW30O866PwAbornePU6mr6rZKL6g7kDZmABogIgFdPvusM7rXSFDJ7ZfrtOFiiPCaR/QZiM6muPvcQjv7MxgZIwgY8C" +
  "AQEwJzAPMQ0wCwYDVQQDDARSb290AhRX74bFvKzBxI/ncYALworMcblsQTALBglghkgBZQMEAgEwCgYIKoZIzj0EAwIESDBGAiEA" +
  "7B5kECAozaat8rdG5N3PaQKfjyq+LuTnRlv5nkcnb+sCIQCAs9zbR8+uqP8Q7XRmBeq0XZZyqvgXIa/ypr0BPlCM9gAAAAAAAA==";

const root = createRoot();
const issuing = createIntermediate(root);
const certificates = [issuing.der, root.der];
const refused = (what: RegExp) => (error: unknown) =>
  error instanceof X509Error && error.code === "MCA_PKCS7_MALFORMED" && what.test(error.message);

test("certificates come out of DER and BER octet for octet, in the order of encoding", () => {
  for (const write of [pkcs7, pkcs7Ber]) {
    const read = readPkcs7Certificates(write({ certificates }));
    assert.deepEqual(
      read.map((der) => Buffer.from(der)),
      certificates.map((der) => Buffer.from(der)),
    );
  }
});

test("what OpenSSL wraps in DER, and signs in BER while it streams, is read", () => {
  for (const text of [BY_OPENSSL, BER_BY_OPENSSL]) {
    const [der, ...others] = readPkcs7Certificates(Buffer.from(text, "base64"));
    assert.equal(others.length, 0);
    assert.ok(der !== undefined && parseCertificate(der).basicConstraints?.ca);
  }
});

test("CRLs beside the certificates are passed over", () => {
  const crls = [Uint8Array.of(0x30, 0x00)];
  for (const write of [pkcs7, pkcs7Ber]) assert.equal(readPkcs7Certificates(write({ certificates, crls })).length, 2);
});

test("other content, no certificate, too many of them, attribute certificates and rests are refused", () => {
  assert.throws(
    () => readPkcs7Certificates(pkcs7({ certificates, type: "1.2.840.113549.1.7.3" })),
    refused(/signed data/),
  );
  assert.throws(() => readPkcs7Certificates(pkcs7({ certificates: [] })), refused(/no certificate/));
  assert.throws(() => readPkcs7Certificates(pkcs7({ certificates }), { maxCertificates: 1 }), refused(/more than 1/));
  assert.throws(() => readPkcs7Certificates(pkcs7({ certificates }), { maxBytes: 100 }), refused(/at most 100/));
  const attribute = Uint8Array.of(0xa2, 0x00);
  assert.throws(() => readPkcs7Certificates(pkcs7({ certificates: [attribute] })), refused(/attribute certificate/));
  for (const write of [pkcs7, pkcs7Ber]) {
    const rest = Buffer.concat([write({ certificates }), Uint8Array.of(0)]);
    assert.throws(() => readPkcs7Certificates(rest), refused(/after/));
    assert.throws(() => readPkcs7Certificates(rest.subarray(0, -2)), refused(/./));
  }
});

test("nesting and crowds cost bounded work", () => {
  const deep = Buffer.alloc(200_000, Uint8Array.of(0x30, 0x80));
  assert.throws(() => readPkcs7Certificates(deep), refused(/nested/));
  const crowd = Buffer.concat([
    Uint8Array.of(0x30, 0x80),
    Buffer.alloc(900_000, Uint8Array.of(0x05, 0x00)),
    Uint8Array.of(0, 0),
  ]);
  assert.throws(() => readPkcs7Certificates(crowd), refused(/nested/));
});

test("changed, cut and invented octets give certificates or an error of this code, and nothing else", () => {
  const originals = [pkcs7({ certificates }), pkcs7Ber({ certificates })];
  const mutated = fc
    .tuple(fc.constantFrom(...originals), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }), fc.nat())
    .map(([original, changes, cut]) => {
      const bytes = Uint8Array.from(original);
      for (const [at, value] of changes) bytes[at % Math.min(80, bytes.length)] = value;
      return cut % 3 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes;
    });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 400 })), (bytes) => {
      try {
        readPkcs7Certificates(bytes);
      } catch (error) {
        assert.ok(error instanceof X509Error && error.code === "MCA_PKCS7_MALFORMED", String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
