// Distinguished names: shown to people (RFC 4514) and compared (RFC 5280 section 7.1).
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  derElement,
  derIa5String,
  derOid,
  derPrintableString,
  derSequence,
  derSet,
  derUtf8String,
  encodeName,
  isEmptyName,
  nameToString,
  oid,
  sameName,
  tag,
} from "../../src/x509/index.ts";

const attribute = (type: string, value: Uint8Array): Uint8Array => derSequence(derOid(type), value);
const name = (...rdns: readonly Uint8Array[]): Uint8Array => derSequence(...rdns);
const commonName = (value: Uint8Array): Uint8Array => name(derSet(attribute(oid.commonName, value)));
const latin1 = (identifier: number, text: string): Uint8Array => derElement(identifier, Buffer.from(text, "latin1"));
const utf16 = (text: string): Uint8Array => derElement(tag.bmpString, Buffer.from(text, "utf16le").swap16());

describe("names for people", () => {
  it("are written last attribute first, with short names where they have one", () => {
    const der = name(
      derSet(attribute(oid.country, derPrintableString("DE"))),
      derSet(attribute(oid.domainComponent, derIa5String("example"))),
      derSet(
        attribute(oid.organization, derUtf8String("Ex")),
        attribute(oid.organizationalUnit, derUtf8String("Unit")),
      ),
      derSet(attribute("1.2.3", derUtf8String("?"))),
    );
    assert.equal(nameToString(der), "1.2.3=#0c013f,O=Ex+OU=Unit,DC=example,C=DE");
    assert.equal(nameToString(encodeName({})), "");
    assert.equal(isEmptyName(encodeName({})), true);
    assert.equal(isEmptyName(encodeName({ commonName: "" })), false);
  });

  it("escape what has a meaning, and what would deceive a reader", () => {
    const shown = (text: string): string => nameToString(encodeName({ commonName: text }));
    assert.equal(shown('a,b+c"d\\e<f>g;h'), 'CN=a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h');
    assert.equal(shown(" # "), "CN=\\ #\\ ");
    assert.equal(shown("#a"), "CN=\\#a");
    assert.equal(shown("a\nb\u0007\u202e"), "CN=a\\0ab\\07\\e2\\80\\ae");
    assert.equal(shown("\u001b[31m"), "CN=\\1b[31m");
  });

  it("show octets where the text cannot be decoded", () => {
    assert.equal(nameToString(commonName(derElement(tag.utf8String, Uint8Array.of(0xff)))), "CN=#0c01ff");
    assert.equal(nameToString(commonName(derElement(tag.bmpString, Uint8Array.of(0xd8, 0)))), "CN=#1e02d800");
    assert.equal(nameToString(commonName(latin1(tag.printableString, "é"))), "CN=#1301e9");
    assert.equal(nameToString(commonName(latin1(tag.teletexString, "é"))), "CN=é");
    assert.equal(nameToString(commonName(derElement(tag.universalString, Uint8Array.of(0, 1, 0xf6, 0)))), "CN=😀");
    assert.equal(
      nameToString(commonName(derElement(tag.universalString, Uint8Array.of(0, 0x11, 0, 0)))),
      "CN=#1c0400110000",
    );
  });

  it("are refused where they are no name", () => {
    for (const der of [derSet(), derSequence(derSequence()), Uint8Array.of(0x30)]) {
      assert.throws(() => nameToString(der), { code: "MCA_DER_MALFORMED" });
    }
  });

  it("never contain a control character, whatever text is in them", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 30 }), (text) => {
        assert.doesNotMatch(nameToString(encodeName({ commonName: text })), /[\p{Cc}\p{Cf}]/u);
      }),
    );
  });
});

describe("names compared", () => {
  const plain = encodeName({ commonName: "Example Root" });

  it("are the same in every string type, letter case and spacing", () => {
    const same = [
      commonName(derPrintableString("Example Root")),
      commonName(derUtf8String("EXAMPLE  root")),
      commonName(derUtf8String("  example root ")),
      commonName(latin1(tag.teletexString, "example\troot")),
      commonName(utf16("Example Root")),
    ];
    for (const other of same) {
      assert.equal(sameName(plain, other), true);
      assert.equal(sameName(other, plain), true);
    }
  });

  it("differ in text, type of attribute, number and order", () => {
    const rdn = derSet(attribute(oid.commonName, derUtf8String("Example Root")));
    const different = [
      encodeName({ commonName: "ExampleRoot" }),
      encodeName({ organization: "Example Root" }),
      encodeName({}),
      name(rdn, rdn),
      encodeName({ commonName: "Éxample Root" }),
      commonName(derElement(tag.octetString, Buffer.from("Example Root"))),
      commonName(derUtf8String('Example Root"+2.5.4.3="x')),
    ];
    for (const other of different) {
      assert.equal(sameName(plain, other), false);
      assert.equal(sameName(other, plain), false);
    }
    const a = derSet(attribute(oid.organization, derUtf8String("a")));
    const b = derSet(attribute(oid.organizationalUnit, derUtf8String("b")));
    assert.equal(sameName(name(a, b), name(b, a)), false);
    const both = derSet(
      attribute(oid.organization, derUtf8String("a")),
      attribute(oid.organizationalUnit, derUtf8String("b")),
    );
    assert.equal(sameName(name(a, b), name(both)), false);
  });

  it("compare a set of attributes whatever their order", () => {
    const o = attribute(oid.organization, derUtf8String("a"));
    const u = attribute(oid.organizationalUnit, derUtf8String("b"));
    assert.equal(sameName(name(derElement(tag.set, o, u)), name(derElement(tag.set, u, o))), true);
  });

  it("cost time in proportion to their length, white space and all", () => {
    const long = (text: string): Uint8Array => encodeName({ commonName: text });
    const start = process.cpuUsage();
    assert.equal(sameName(long(`a${" ".repeat(60_000)}b`), long("a b")), true);
    assert.equal(sameName(long(`${" \t".repeat(30_000)}b`), long("b ")), true);
    nameToString(long(" ".repeat(60_000)));
    const { user, system } = process.cpuUsage(start);
    assert.ok(user + system < 200_000, `${user + system} us`);
  });

  it("letters outside of ASCII count exactly, as for OpenSSL", () => {
    assert.equal(sameName(encodeName({ commonName: "é" }), encodeName({ commonName: "É" })), false);
  });
});
