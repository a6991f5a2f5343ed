import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { type ImportFile, readCertificates, UpstreamError } from "../../../src/ca/upstream/index.ts";
import { createCsr, derOctetString, derSequence, derSmallInteger, encodePem } from "../../../src/x509/index.ts";
import { pkcs7, pkcs7Ber } from "../../support/pkcs7.ts";
import { chainPem, createCertificate, createIntermediate, createRoot, freshKey, testKey } from "../../support/pki.ts";

const root = createRoot();
const issuing = createIntermediate(root);
const authority = createIntermediate(issuing);
const all = [authority, issuing, root];
const certificates = all.map(({ der }) => der);
const pem = chainPem(...all);

const file = (bytes: Uint8Array | string, name = "chain"): ImportFile => ({ name, bytes: Buffer.from(bytes) });
const hashes = (files: readonly ImportFile[]): readonly string[] =>
  readCertificates(files).map(({ certificate }) => certificate.sha256);
const expected = all.map(({ certificate }) => certificate.sha256);
const refused =
  (what: RegExp, code = "MCA_IMPORT_UNREADABLE") =>
  (error: unknown) => {
    assert.ok(error instanceof UpstreamError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, what);
    return true;
  };

test("one chain is read from every form that people have it in", () => {
  const text = all
    .map((each) => `Bag Attributes\n  friendlyName: CA\nsubject=${new X509Certificate(each.pem).subject}\n${each.pem}`)
    .join("\n");
  const forms: Readonly<Record<string, Uint8Array | string>> = {
    PEM: pem,
    "PEM with text around it": `Subject: CN=x\n\n${text}\nthe end`,
    "PEM with CRLF": pem.replaceAll("\n", "\r\n"),
    "PEM with a byte order mark": `\ufeff${pem}`,
    "PEM indented in YAML": `tls.crt: |\n${pem.replace(/^/gm, "    ")}`,
    "PEM in UTF-16 by PowerShell": Buffer.from(`\ufeff${pem}`, "utf16le"),
    "PEM that begins with a digit": `0 s:CN=x\n${pem}`,
    "DER one after the other": Buffer.concat(certificates),
    "DER with a line end": Buffer.concat([...certificates, Buffer.from("\r\n")]),
    "PKCS#7 in DER": pkcs7({ certificates }),
    "PKCS#7 in BER": pkcs7Ber({ certificates }),
    "PKCS#7 in PEM": encodePem("PKCS7", pkcs7({ certificates })),
    "CMS in PEM": encodePem("CMS", pkcs7Ber({ certificates })),
    "PKCS#7 labelled as certutil does": encodePem("CERTIFICATE", pkcs7({ certificates })),
    "an old label": pem.replaceAll("CERTIFICATE", "X509 CERTIFICATE"),
  };
  for (const [name, bytes] of Object.entries(forms)) assert.deepEqual(hashes([file(bytes)]), expected, name);
  assert.deepEqual(hashes([file(authority.der), file(pkcs7({ certificates: certificates.slice(1) }))]), expected);
});

test("each certificate knows its file and its place in it", () => {
  const read = readCertificates([file(pem, "a.pem"), file(pkcs7({ certificates }), "b.p7b")]);
  const places = ["a.pem", "b.p7b"].flatMap((name) =>
    ["1st", "2nd", "3rd"].map((nth) => `${name}, ${nth} certificate`),
  );
  assert.deepEqual(
    read.map(({ source }) => source),
    places,
  );
});

test("what is no certificate is told what it is", () => {
  const spki = issuing.certificate.publicKey.spki;
  const pkcs12 = derSequence(derSmallInteger(3), derSequence(derOctetString(Buffer.alloc(200))));
  const others: readonly (readonly [RegExp, Uint8Array | string])[] = [
    [/certificate request/, createCsr({ key: freshKey(), subject: "x" })],
    [/certificate request/, encodePem("CERTIFICATE REQUEST", createCsr({ key: freshKey(), subject: "x" }))],
    [/certificate request/, encodePem("CERTIFICATE", createCsr({ key: freshKey(), subject: "x" }))],
    [/PKCS#12.*openssl pkcs12/, pkcs12],
    [/web page/, "<!DOCTYPE html>\n<html><body>Sign in</body></html>"],
    [/JSON.*jq/, JSON.stringify({ data: { certificate: pem } })],
    [/base64 without/, Buffer.from(root.der).toString("base64")],
    [/empty/, ""],
    [/empty/, " \n"],
    [/neither/, "hello"],
    [/public key/, encodePem("PUBLIC KEY", spki)],
    [/TRUSTED CERTIFICATE.*openssl x509/, root.pem.replaceAll("CERTIFICATE", "TRUSTED CERTIFICATE")],
    [
      /v3/,
      createCertificate(undefined, {
        version: 1,
        subject: "old",
        basicConstraints: null,
        subjectKeyId: null,
        authorityKeyId: null,
      }).pem,
    ],
    [/END/, pem.slice(0, 200)],
    [/openssl pkcs7/, Buffer.concat([pkcs7Ber({ certificates }).subarray(0, 40), Buffer.alloc(40, 0x80)])],
    [/no certificate/, pkcs7({ certificates: [] })],
    [/CMS message/, pkcs7({ certificates, type: "1.2.840.113549.1.7.3" })],
    [/at most/, Buffer.alloc(2_000_000, 0x30)],
  ];
  for (const [what, bytes] of others) assert.throws(() => readCertificates([file(bytes)]), refused(what), String(what));
  assert.throws(() => readCertificates([]), refused(/0 files/));
});

test("all that cannot be read is told at once, by file and place", () => {
  const csr = encodePem("CERTIFICATE REQUEST", createCsr({ key: freshKey() }));
  try {
    readCertificates([file(pem + csr, "a.pem"), file("<html>", "b.html"), file(root.pem, "c.pem")]);
    assert.fail("it was read");
  } catch (error) {
    assert.ok(error instanceof UpstreamError);
    assert.deepEqual(
      error.findings.map(({ certificate }) => certificate),
      ["a.pem, 4th block", "b.html"],
    );
    assert.match(error.message, /and 1 more/);
  }
});

test("a private key is refused in every form, alone or among certificates, and nothing of it is repeated", () => {
  const ec = freshKey();
  const rsa = testKey("rsa-2048", "import");
  const secret = { cipher: "aes-256-cbc", passphrase: "x" };
  const forms: readonly (Uint8Array | string)[] = [
    ec.export({ format: "pem", type: "pkcs8" }).toString(),
    ec.export({ format: "pem", type: "sec1" }).toString(),
    rsa.export({ format: "pem", type: "pkcs1" }).toString(),
    ec.export({ format: "pem", type: "pkcs8", ...secret }).toString(),
    rsa.export({ format: "pem", type: "pkcs1", ...secret }).toString(),
    ec.export({ format: "der", type: "pkcs8" }),
    ec.export({ format: "der", type: "sec1" }),
    rsa.export({ format: "der", type: "pkcs1" }),
    rsa.export({ format: "der", type: "pkcs8" }),
    ec.export({ format: "der", type: "pkcs8", ...secret }),
    freshKey("ed25519").export({ format: "der", type: "pkcs8" }),
    ec.export({ format: "der", type: "pkcs8" }).subarray(0, 60),
    encodePem("CERTIFICATE", ec.export({ format: "der", type: "pkcs8" })),
    Buffer.from(`\ufeff${ec.export({ format: "pem", type: "pkcs8" })}`, "utf16le"),
    JSON.stringify({ key: ec.export({ format: "pem", type: "pkcs8" }) }),
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\n-----END OPENSSH PRIVATE KEY-----\n",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\nb3Blb\n-----END PGP PRIVATE KEY BLOCK-----\n",
    "PuTTY-User-Key-File-3: ssh-ed25519\n",
  ];
  for (const [i, form] of forms.entries()) {
    for (const bytes of typeof form === "string"
      ? [form, pem + form, form + pem]
      : [form, Buffer.concat([form, root.der])]) {
      const check = refused(/holds a private key/, "MCA_IMPORT_PRIVATE_KEY");
      // A PuTTY key begins its file; elsewhere it is text.
      assert.throws(() => readCertificates([file(root.pem), file(bytes)]), check, String(i));
      try {
        readCertificates([file(bytes)]);
      } catch (error) {
        assert.ok(error instanceof UpstreamError && error.cause === undefined);
        assert.doesNotMatch(
          JSON.stringify([error.message, error.details, error.findings]),
          /M[A-I][A-Za-z0-9+/]{8}|BEGIN/,
        );
      }
    }
  }
});

test("a file's name reaches the terminal without its control characters", () => {
  const name = `\u001b[2J${"x".repeat(500)}\u202e.pem`;
  assert.throws(
    () => readCertificates([file("", name)]),
    (error) => {
      assert.ok(error instanceof UpstreamError && error.message.length < 400);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      return !/[\u0000-\u001f\u202e]/.test(error.message);
    },
  );
});

test("too many files and too many certificates are refused", () => {
  assert.throws(() => readCertificates(Array.from({ length: 65 }, () => file(pem))), refused(/65 files/));
  assert.throws(() => readCertificates([file(pem.repeat(100))]), refused(/more than 256 certificates/));
});

test("whatever the octets are, they are read or refused as an import, and nothing else happens", () => {
  const key = freshKey();
  const originals = [
    ...[pem, encodePem("PKCS7", pkcs7({ certificates })), key.export({ format: "pem", type: "pkcs8" }).toString()].map(
      (text) => Buffer.from(text),
    ),
    Buffer.concat(certificates),
    ...[pkcs7({ certificates }), pkcs7Ber({ certificates }), createCsr({ key })],
  ];
  const mutated = fc
    .tuple(fc.constantFrom(...originals), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }), fc.nat())
    .map(([original, changes, cut]) => {
      const bytes = Uint8Array.from(original);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return cut % 4 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes;
    });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      try {
        assert.ok(readCertificates([file(bytes)]).length > 0);
      } catch (error) {
        assert.ok(error instanceof UpstreamError, String(error));
        assert.ok(error.code === "MCA_IMPORT_UNREADABLE" || error.code === "MCA_IMPORT_PRIVATE_KEY");
      }
    }),
    { numRuns: 1500 },
  );
});
