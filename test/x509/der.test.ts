// The DER reader's strictness (X.690) and the writer, each against the other.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeOid, encodeOid } from "../../src/x509/der/oid.ts";
import { encodeCertificateTime, parseGeneralizedTime, parseUtcTime } from "../../src/x509/der/time.ts";
import { derBitStringHead, derNamedBits } from "../../src/x509/der/writer.ts";
import {
  DerReader,
  derBitString,
  derBoolean,
  derContext,
  derElement,
  derExplicit,
  derIa5String,
  derInteger,
  derNull,
  derOctetString,
  derOid,
  derPrintableString,
  derSequence,
  derSet,
  derSmallInteger,
  derTime,
  derUtf8String,
  fromHex,
  tag,
  toHex,
} from "../../src/x509/index.ts";

const reader = (hex: string): DerReader => new DerReader(fromHex(hex));
const refused = { name: "X509Error", code: "MCA_DER_MALFORMED" };
const ascii = (text: string): Uint8Array => Buffer.from(text, "latin1");

describe("the head of a BIT STRING", () => {
  it("is what stands before its octets, at every form of the length", () => {
    for (const octets of [0, 1, 71, 126, 127, 253, 254, 255, 256, 512, 65_534]) {
      const whole = derBitString(new Uint8Array(octets));
      assert.deepEqual(derBitStringHead(octets), whole.slice(0, whole.length - octets));
    }
    assert.throws(() => derBitStringHead(65_535), TypeError);
  });
});

describe("the DER reader", () => {
  it("reads lengths of every form", () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
      const contents = new Uint8Array(length).fill(7);
      const element = derOctetString(contents);
      const read = new DerReader(element);
      assert.deepEqual(read.contents(tag.octetString, "x"), contents);
      read.end("x");
      assert.deepEqual(new DerReader(element).element(undefined, "x"), element);
    }
  });

  const badHeaders: Record<string, readonly [hex: string, reason: RegExp]> = {
    "nothing at all": ["", /is missing/],
    "a tag alone": ["04", /cut off in its length/],
    "an indefinite length": ["0480010000", /indefinite length/],
    "a long form where the short one does": ["048101aa", /not minimal/],
    "a leading zero octet in the length": [`04820080${"00".repeat(128)}`, /not minimal/],
    "a length cut off": ["0482", /cut off in its length/],
    "a length of five octets": ["048500000000010a", /length of 5 octets/],
    "the reserved length octet": ["04ff", /length of 127 octets/],
    "contents cut off": ["0403aabb", /longer than what contains it/],
    "a length of 4 GiB": ["0484ffffffff00", /longer than what contains it/],
    "a tag of several octets": ["1f01aa", /tag of several octets/],
  };
  for (const [what, [hex, message]] of Object.entries(badHeaders)) {
    it(`refuses ${what}`, () => {
      assert.throws(() => reader(hex).element(undefined, "the value"), { ...refused, message });
    });
  }

  it("never looks past the end of what it reads, into what comes after", () => {
    for (const hex of ["3001040100", "3002048100", "300304820100", "30020402aabb"]) {
      const inner = reader(hex).enter(tag.sequence, "x");
      assert.throws(() => inner.element(undefined, "x"), refused, hex);
    }
  });

  it("refuses another tag, and a child that is longer than its parent", () => {
    assert.throws(() => reader("0401aa").contents(tag.integer, "x"), refused);
    const parent = reader("30030402aabbcc").enter(tag.sequence, "x");
    assert.throws(() => parent.contents(tag.octetString, "x"), refused);
  });

  it("refuses octets after the end", () => {
    const read = reader("050000");
    read.contents(tag.null, "x");
    assert.throws(() => read.end("x"), refused);
  });

  it("BOOLEAN is 00 or ff, and an encoded default is refused", () => {
    assert.equal(reader("0101ff").boolean("x"), true);
    assert.equal(reader("010100").boolean("x"), false);
    for (const hex of ["010101", "0100", "0102ffff"]) assert.throws(() => reader(hex).boolean("x"), refused, hex);
    assert.equal(reader("").defaultFalse("x"), false);
    assert.equal(reader("0500").defaultFalse("x"), false);
    assert.equal(reader("0101ff").defaultFalse("x"), true);
    assert.throws(() => reader("010100").defaultFalse("x"), refused);
  });

  it("INTEGER is minimal and not negative", () => {
    assert.equal(toHex(reader("020100").unsigned("x")), "00");
    assert.equal(toHex(reader("02020080").unsigned("x")), "80");
    for (const hex of ["0200", "020180", "0202007f", "0202ff80"])
      assert.throws(() => reader(hex).unsigned("x"), refused, hex);
    assert.equal(reader("02047fffffff").smallInteger("x"), 0x7fffffff);
    for (const hex of ["02050080000000", "02050100000000"])
      assert.throws(() => reader(hex).smallInteger("x"), refused, hex);
  });

  it("BIT STRING of whole octets has no unused bits", () => {
    assert.equal(toHex(reader("030300aabb").octetBits("x")), "aabb");
    for (const hex of ["0300", "030204f0", "030208f0"]) assert.throws(() => reader(hex).octetBits("x"), refused, hex);
  });

  it("named bits have no trailing zeros, no padding bits, and a bound", () => {
    assert.deepEqual(reader("03020780").namedBits("x"), [0]);
    assert.deepEqual(reader("0303070080").namedBits("x"), [8]);
    assert.deepEqual(reader("030100").namedBits("x"), []);
    for (const hex of [
      "0300",
      "030101",
      "03020880",
      "03020680",
      "030207c0",
      "0303000100",
      "030600ffffffffff",
      "0300",
      "030208ff",
    ]) {
      assert.throws(() => reader(hex).namedBits("x"), refused, hex);
    }
  });

  it("named bits go there and back", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat({ max: 31 })), (bits) => {
        const sorted = [...bits].sort((a, b) => a - b);
        assert.deepEqual(new DerReader(derNamedBits(bits)).namedBits("x"), sorted);
      }),
    );
  });

  it("never returns anything for random octets that is not within them, and throws nothing but X509Error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (input) => {
        const read = new DerReader(input);
        try {
          while (!read.isDone) assert.ok(read.element(undefined, "x").length >= 2);
        } catch (error) {
          assert.equal((error as Error).name, "X509Error");
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("OBJECT IDENTIFIER", () => {
  const arc = fc.oneof(fc.nat({ max: 300 }), fc.maxSafeNat(), fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }));
  const oids = fc
    .tuple(fc.constantFrom(0, 1, 2), fc.nat({ max: 39 }), fc.array(arc, { maxLength: 2 }))
    .map(([root, second, rest]) => [root, second, ...rest].join("."));

  it("goes there and back", () => {
    fc.assert(
      fc.property(oids, (text) => {
        assert.equal(decodeOid(encodeOid(text), "x"), text);
        assert.equal(new DerReader(derOid(text)).oid("x"), text);
      }),
    );
  });

  it("knows the OIDs of the standards", () => {
    assert.equal(toHex(encodeOid("1.2.840.113549.1.1.11")), "2a864886f70d01010b");
    assert.equal(toHex(encodeOid("2.999.3")), "883703");
    assert.equal(decodeOid(fromHex("883703"), "x"), "2.999.3");
    assert.equal(
      decodeOid(encodeOid("2.25.329800735698586629295641978511506172918"), "x"),
      "2.25.329800735698586629295641978511506172918",
    );
  });

  it("refuses what is not minimal, cut off, empty or endless", () => {
    for (const hex of ["", "80", "2a80", "2a8001", "2a8086", "8001", "2a".repeat(65)]) {
      assert.throws(() => decodeOid(fromHex(hex), "x"), refused, hex);
    }
  });

  it("does not write text that is no OID", () => {
    for (const text of ["", "1", "3.1", "1.40", "0.40", "1.02", "1..2", "1.2.", "a.b", "1.-2"]) {
      assert.throws(() => encodeOid(text), TypeError, text);
    }
  });
});

describe("times", () => {
  it("certificate times go there and back, in the form that their year asks for", () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date("1950-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true }),
        (date) => {
          const seconds = Math.floor(date.getTime() / 1000) * 1000;
          const { generalized } = encodeCertificateTime(date.getTime());
          assert.equal(generalized, date.getUTCFullYear() >= 2050);
          assert.equal(new DerReader(derTime(date.getTime())).time("x"), seconds);
        },
      ),
    );
  });

  it("two-digit years pivot at 50", () => {
    assert.equal(parseUtcTime(ascii("500101000000Z"), "x"), Date.UTC(1950, 0, 1));
    assert.equal(parseUtcTime(ascii("491231235959Z"), "x"), Date.UTC(2049, 11, 31, 23, 59, 59));
  });

  it("reads the years that Date.UTC would misread, and the day that never comes", () => {
    assert.equal(
      new Date(parseGeneralizedTime(ascii("00500301000000Z"), "x")).toISOString(),
      "0050-03-01T00:00:00.000Z",
    );
    assert.equal(parseGeneralizedTime(ascii("99991231235959Z"), "x"), Date.UTC(9999, 11, 31, 23, 59, 59));
    assert.equal(parseGeneralizedTime(ascii("20000229000000Z"), "x"), Date.UTC(2000, 1, 29));
  });

  for (const text of [
    "2601010000Z",
    "260101000000",
    "260101000000+0000",
    "261301000000Z",
    "260001000000Z",
    "260100000000Z",
    "260132000000Z",
    "260229000000Z",
    "260431000000Z",
    "260101240000Z",
    "260101006000Z",
    "260101000060Z",
    "26010100000aZ",
    " 60101000000Z",
    "260101000000z",
    "260101000000Z0",
  ]) {
    it(`refuses the UTCTime ${text}`, () => {
      assert.throws(() => parseUtcTime(ascii(text), "x"), refused);
    });
  }

  for (const text of [
    "20260101000000.5Z",
    "202601010000Z",
    "20260101000000",
    "21000229000000Z",
    "20260101000000+0100",
    "2026010100000",
    "20260101000000Z0",
    "2x260101000000Z",
  ]) {
    it(`refuses the GeneralizedTime ${text}`, () => {
      assert.throws(() => parseGeneralizedTime(ascii(text), "x"), refused);
    });
  }

  it("does not write times that a certificate cannot carry", () => {
    for (const time of [Date.UTC(1949, 11, 31), Date.UTC(10_000, 0, 1), Number.NaN])
      assert.throws(() => derTime(time), TypeError);
  });
});

describe("the DER writer", () => {
  it("writes the examples of the standard", () => {
    assert.equal(toHex(derNull()), "0500");
    assert.equal(toHex(derBoolean(true)), "0101ff");
    assert.equal(toHex(derBoolean(false)), "010100");
    assert.equal(toHex(derInteger(new Uint8Array())), "020100");
    assert.equal(toHex(derInteger(Uint8Array.of(0, 0, 0x80))), "02020080");
    assert.equal(toHex(derInteger(Uint8Array.of(0x7f))), "02017f");
    assert.equal(toHex(derSmallInteger(256)), "02020100");
    assert.equal(toHex(derBitString(Uint8Array.of(0xaa))), "030200aa");
    assert.equal(toHex(derUtf8String("é")), "0c02c3a9");
    assert.equal(toHex(derPrintableString("A b")), "1303412062");
    assert.equal(toHex(derIa5String("a@b")), "1603614062");
    assert.equal(toHex(derExplicit(3, derNull())), "a3020500");
    assert.equal(toHex(derContext(6, Uint8Array.of(1), false)), "860101");
    assert.equal(toHex(derContext(0, Uint8Array.of(5, 0), true)), "a0020500");
    assert.equal(toHex(derElement(0x04, Uint8Array.of(1), Uint8Array.of(2))), "04020102");
  });

  it("sorts a SET OF", () => {
    assert.equal(toHex(derSet(fromHex("0201ff"), fromHex("020101"), fromHex("0500"))), "31080201010201ff0500");
  });

  it("nests", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (parts) => {
        const read = new DerReader(derSequence(...parts.map(derOctetString))).enter(tag.sequence, "x");
        for (const part of parts) assert.deepEqual(read.contents(tag.octetString, "x"), part);
        read.end("x");
      }),
    );
  });

  it("refuses text that the type cannot hold", () => {
    assert.throws(() => derPrintableString("a@b"), TypeError);
    assert.throws(() => derIa5String("é"), TypeError);
    assert.throws(() => derUtf8String("\ud800"), TypeError);
    assert.throws(() => derSmallInteger(-1), TypeError);
  });
});
