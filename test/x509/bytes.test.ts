// Hex, hashes and PEM: the edges of src/x509.
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  bytesEqual,
  decodePem,
  encodePem,
  freshBytes,
  fromHex,
  parseCertificate,
  sha256,
  sha256Hex,
  toHex,
} from "../../src/x509/index.ts";
import { chainPem, createLeaf, createRoot } from "../support/pki.ts";

const bytes = fc.uint8Array({ maxLength: 300 });

describe("octets of one's own", () => {
  it("are zero, as many as were asked for, and shared with nobody, whatever is written into them", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 60 }), (lengths) => {
        const all = lengths.map((length, index) => {
          const own = freshBytes(length);
          assert.equal(own.length, length);
          assert.ok(own.every((octet) => octet === 0));
          return own.fill(index + 1);
        });
        for (const [index, own] of all.entries()) assert.ok(own.every((octet) => octet === index + 1));
      }),
    );
  });
});

describe("hex and hashes", () => {
  it("hex goes there and back, and is lower case", () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const text = toHex(value);
        assert.match(text, /^([0-9a-f]{2})*$/);
        assert.deepEqual(fromHex(text), value);
        assert.deepEqual(fromHex(text.toUpperCase()), value);
      }),
    );
  });

  it("refuses text that is not hex", () => {
    for (const text of ["a", "0g", "0x00", "00 11", "é0", "00\n"]) {
      assert.throws(() => fromHex(text), { code: "MCA_DER_MALFORMED" }, text);
    }
  });

  it("SHA-256 is that of node:crypto, also over a view into a larger buffer", () => {
    const view = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4);
    const expected = createHash("sha256").update(view).digest("hex");
    assert.equal(sha256Hex(view), expected);
    assert.equal(toHex(sha256(view)), expected);
  });

  it("octet strings are equal where length and octets are", () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        assert.equal(bytesEqual(a, b), Buffer.compare(a, b) === 0);
        assert.equal(bytesEqual(a, a.slice()), true);
      }),
    );
  });
});

describe("PEM (RFC 7468)", () => {
  it("goes there and back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), (der) => {
        assert.deepEqual(decodePem(encodePem("CERTIFICATE", der)), [{ label: "CERTIFICATE", der }]);
      }),
    );
  });

  it("writes what OpenSSL writes", () => {
    const root = createRoot();
    assert.equal(root.pem, new X509Certificate(root.der).toString());
  });

  it("reads several blocks in their order, with text between them and CRLF line ends", () => {
    const root = createRoot();
    const leaf = createLeaf(root);
    const text = `subject=/CN=x\r\n${chainPem(leaf, root).replaceAll("\n", "\r\n")}the end\r\n`;
    const blocks = decodePem(text);
    assert.deepEqual(
      blocks.map((block) => parseCertificate(block.der).sha256),
      [leaf.certificate.sha256, root.certificate.sha256],
    );
  });

  const good = encodePem("CERTIFICATE", Uint8Array.of(48, 0, 1, 2));
  const malformed: Record<string, string> = {
    "no block at all": "hello",
    nothing: "",
    "no END line": good.replace(/-----END.*\n/, ""),
    "no BEGIN line": good.replace(/-----BEGIN.*\n/, ""),
    "another label at the END": good.replace("END CERTIFICATE", "END X509 CRL"),
    "a second BEGIN inside": `-----BEGIN CERTIFICATE-----\n${good}`,
    "a broken boundary": good.replace("-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE----"),
    "a lower-case label": good.replaceAll("CERTIFICATE", "certificate"),
    "an empty body": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "a header of an encrypted key": good.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n"),
    "characters that are not base64": good.replace("MAAB", "MA*B"),
    "missing padding": good.replace("==", ""),
    "bits set behind the padding": good.replace("Ag==", "Ah=="),
    base64url: encodePem("CERTIFICATE", Uint8Array.of(0xfb, 0xff, 0xfe))
      .replaceAll("+", "-")
      .replaceAll("/", "_"),
  };
  it("says which block has no END line", () => {
    assert.throws(() => decodePem(malformed["no END line"] ?? ""), { message: /"CERTIFICATE" has no END line/ });
    assert.throws(() => decodePem(`${good}${malformed["no END line"]}`), { message: /"CERTIFICATE" has no END line/ });
  });

  for (const [what, text] of Object.entries(malformed)) {
    it(`refuses ${what}`, () => {
      assert.throws(() => decodePem(text), { name: "X509Error", code: "MCA_PEM_MALFORMED" });
    });
  }

  it("refuses text that is too long, and takes time in proportion to the rest", () => {
    assert.throws(() => decodePem("x".repeat(4 * 1024 * 1024 + 1)), {
      code: "MCA_PEM_MALFORMED",
      message: /longer than/,
    });
    assert.throws(() => decodePem("-----BEGIN A-----\n".repeat(100_000)), { code: "MCA_PEM_MALFORMED" });
  });
});
