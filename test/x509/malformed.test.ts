// Certificates that must not be read: each differs from a good one in one point that DER or RFC 5280 section 4 forbids.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  algorithmIdentifier,
  bytesEqual,
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
  derSequence,
  derSet,
  derSmallInteger,
  derTime,
  derUtf8String,
  encodeExtension,
  encodeName,
  fromHex,
  oid,
  parseCertificate,
  publicKeyOf,
  subjectAltNameExtension,
  tag,
} from "../../src/x509/index.ts";
import { createLeaf, createRoot, generalNameDer, nameConstraintsExtension, testKey } from "../support/pki.ts";

const refused = { name: "X509Error", code: "MCA_CERTIFICATE_MALFORMED" };

/** The parts of a certificate, each replaceable. The signature is no signature: reading does not verify. */
function assemble(parts: {
  version?: Uint8Array;
  serial?: Uint8Array;
  inner?: Uint8Array;
  outer?: Uint8Array;
  issuer?: Uint8Array;
  validity?: Uint8Array;
  subject?: Uint8Array;
  spki?: Uint8Array;
  afterSpki?: readonly Uint8Array[];
  signature?: Uint8Array;
  afterTbs?: readonly Uint8Array[];
}): Uint8Array {
  const algorithm = algorithmIdentifier("ecdsa-sha256");
  const tbs = derSequence(
    parts.version ?? derExplicit(0, derSmallInteger(2)),
    parts.serial ?? derSmallInteger(7),
    parts.inner ?? algorithm,
    parts.issuer ?? encodeName({ commonName: "issuer" }),
    parts.validity ?? derSequence(derTime(0), derTime(1e12)),
    parts.subject ?? encodeName({ commonName: "subject" }),
    parts.spki ?? publicKeyOf(testKey()).spki,
    ...(parts.afterSpki ?? []),
  );
  return derSequence(
    tbs,
    parts.outer ?? algorithm,
    parts.signature ?? derBitString(Uint8Array.of(1)),
    ...(parts.afterTbs ?? []),
  );
}

const extensions = (...list: readonly Uint8Array[]): Uint8Array => derExplicit(3, derSequence(...list));
const withExtension = (id: string, value: Uint8Array): Uint8Array =>
  assemble({ afterSpki: [extensions(encodeExtension(id, true, value))] });
const none = new Uint8Array();
const rdn = (value: Uint8Array): Uint8Array => derSet(derSequence(derOid(oid.commonName), value));

describe("the shape of a certificate", () => {
  it("the assembled certificate is good, so that each case below fails for its own reason", () => {
    assert.equal(parseCertificate(assemble({})).serialHex, "07");
    assert.equal(parseCertificate(withExtension("1.2.3", none)).extensions.length, 1);
  });

  it("a serial number of 20 octets, a certificate of exactly the largest size and 64 extensions are good", () => {
    const serial = new Uint8Array(20).fill(1);
    const der = assemble({ serial: derInteger(serial) });
    assert.deepEqual(parseCertificate(der, { maxBytes: der.length }).serial, serial);
    assert.throws(() => parseCertificate(der, { maxBytes: der.length - 1 }), refused);
    const many = Array.from({ length: 64 }, (_, i) => encodeExtension(`1.2.3.${i}`, false, none));
    assert.equal(parseCertificate(assemble({ afterSpki: [extensions(...many)] })).extensions.length, 64);
  });

  it("says that only X.509 v3 is supported where that is the reason", () => {
    for (const version of [none, derExplicit(0, derSmallInteger(0))]) {
      assert.throws(() => parseCertificate(assemble({ version })), {
        ...refused,
        message: /only X\.509 v3 is supported/,
      });
    }
  });

  it("unique identifiers are read past", () => {
    const unique = [derContext(1, Uint8Array.of(0, 1), false), derContext(2, Uint8Array.of(0, 2), false)];
    assert.equal(parseCertificate(assemble({ afterSpki: unique })).serialHex, "07");
  });

  const algorithmWithNull = derSequence(derOid(oid.ecdsaWithSha256), derNull());
  const cases: Record<string, Uint8Array> = {
    nothing: none,
    "an empty sequence": derSequence(),
    "a set for a sequence": derElement(tag.set, assemble({}).subarray(4)),
    "trailing octets": Buffer.concat([assemble({}), Uint8Array.of(0)]),
    "something after the signature": assemble({ afterTbs: [derNull()] }),
    "no version (X.509 v1)": assemble({ version: none }),
    "X.509 v2": assemble({ version: derExplicit(0, derSmallInteger(1)) }),
    "X.509 v4": assemble({ version: derExplicit(0, derSmallInteger(3)) }),
    "two versions in one": assemble({
      version: derExplicit(0, Buffer.concat([derSmallInteger(2), derSmallInteger(2)])),
    }),
    "a negative serial number": assemble({ serial: derElement(tag.integer, Uint8Array.of(0x80)) }),
    "a serial number that is not minimal": assemble({ serial: derElement(tag.integer, Uint8Array.of(0, 1)) }),
    "a serial number of 21 octets": assemble({ serial: derInteger(new Uint8Array(21).fill(1)) }),
    "an empty serial number": assemble({ serial: derElement(tag.integer) }),
    "two signature algorithms that differ": assemble({ inner: algorithmIdentifier("ecdsa-sha384") }),
    "two signature algorithms that differ in their parameters": assemble({ outer: algorithmWithNull }),
    "an issuer that is no name": assemble({ issuer: derNull() }),
    "a name with an empty relative name": assemble({ issuer: derSequence(derSet()) }),
    "a name with an attribute without a value": assemble({
      issuer: derSequence(derSet(derSequence(derOid(oid.commonName)))),
    }),
    "a name with two values in an attribute": assemble({
      issuer: derSequence(derSet(derSequence(derOid(oid.commonName), derNull(), derNull()))),
    }),
    "a name with an attribute that has no OID": assemble({
      issuer: derSequence(derSet(derSequence(derNull(), derNull()))),
    }),
    "a validity with one time": assemble({ validity: derSequence(derTime(0)) }),
    "a validity with three times": assemble({ validity: derSequence(derTime(0), derTime(0), derTime(0)) }),
    "a time that is no time": assemble({ validity: derSequence(derTime(0), derNull()) }),
    "a subject that is missing": assemble({ subject: none }),
    "a key that is missing": assemble({ spki: none }),
    "a signature with unused bits": assemble({ signature: derElement(tag.bitString, Uint8Array.of(1, 2)) }),
    "an empty signature": assemble({ signature: derElement(tag.bitString) }),
    "an empty list of extensions": assemble({ afterSpki: [extensions()] }),
    "something after the extensions": assemble({
      afterSpki: [extensions(encodeExtension("1.2.3", false, none)), derNull()],
    }),
    "two lists of extensions": assemble({
      afterSpki: [derExplicit(3, Buffer.concat([derSequence(encodeExtension("1.2.3", false, none)), derSequence()]))],
    }),
    "an extension twice": assemble({
      afterSpki: [extensions(encodeExtension("1.2.3", false, none), encodeExtension("1.2.3", false, none))],
    }),
    "an encoded critical FALSE": assemble({
      afterSpki: [extensions(derSequence(derOid("1.2.3"), derBoolean(false), derOctetString(none)))],
    }),
    "an extension without a value": assemble({ afterSpki: [extensions(derSequence(derOid("1.2.3")))] }),
    "an extension with more than a value": assemble({
      afterSpki: [extensions(derSequence(derOid("1.2.3"), derOctetString(none), derNull()))],
    }),
    "65 extensions": assemble({
      afterSpki: [extensions(...Array.from({ length: 65 }, (_, i) => encodeExtension(`1.2.3.${i}`, false, none)))],
    }),
  };
  for (const [what, der] of Object.entries(cases)) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseCertificate(der), refused);
    });
  }

  it("refuses a certificate that is larger than it may be, before reading it", () => {
    assert.throws(() => parseCertificate(new Uint8Array(65_537)), {
      ...refused,
      message: /65537 octets; at most 65536/,
    });
    assert.throws(() => parseCertificate(createRoot().der, { maxBytes: 100 }), refused);
  });

  it("nests as deep as an attacker likes without recursion", () => {
    let bomb = derNull();
    for (let depth = 0; depth < 5000; depth++) bomb = derSequence(bomb);
    assert.equal(parseCertificate(withExtension("1.2.3", bomb)).unknownCritical.length, 1);
    assert.throws(() => parseCertificate(bomb), refused);
  });
});

describe("the extensions of a certificate", () => {
  const sequenceOf = (...parts: readonly Uint8Array[]): Uint8Array => derSequence(...parts);
  const cases: readonly [string, string, Uint8Array][] = [
    ["basic constraints", "a path length without cA", sequenceOf(derSmallInteger(0))],
    ["basic constraints", "an encoded cA FALSE", sequenceOf(derBoolean(false))],
    [
      "basic constraints",
      "a negative path length",
      sequenceOf(derBoolean(true), derElement(tag.integer, Uint8Array.of(0xff))),
    ],
    ["basic constraints", "a path length above 2^31", sequenceOf(derBoolean(true), derInteger(fromHex("80000000")))],
    ["basic constraints", "a third field", sequenceOf(derBoolean(true), derSmallInteger(0), derNull())],
    ["basic constraints", "trailing octets", Buffer.concat([sequenceOf(), Uint8Array.of(5, 0)])],
    ["key usage", "no bit", fromHex("030100")],
    ["key usage", "a bit without a name", fromHex("0303060040")],
    ["key usage", "trailing zero bits", fromHex("03020080")],
    ["key usage", "trailing octets", fromHex("030207800500")],
    ["extended key usage", "no purpose", sequenceOf()],
    ["extended key usage", "something that is no OID", sequenceOf(derNull())],
    ["subject alternative name", "no name", sequenceOf()],
    ["subject alternative name", "a universal tag", sequenceOf(derIa5String("example.test"))],
    ["subject alternative name", "an unknown kind", sequenceOf(derContext(9, none, false))],
    ["subject alternative name", "a URI that is constructed", sequenceOf(derContext(6, derNull(), true))],
    ["subject alternative name", "a DNS name that is constructed", sequenceOf(derContext(2, derNull(), true))],
    [
      "subject alternative name",
      "a directory name that is primitive",
      sequenceOf(derContext(4, encodeName({}), false)),
    ],
    [
      "subject alternative name",
      "a URI that is not ASCII",
      sequenceOf(derContext(6, Uint8Array.of(0x61, 0xe9), false)),
    ],
    ["subject alternative name", "an IP address of 5 octets", sequenceOf(derContext(7, new Uint8Array(5), false))],
    ["subject alternative name", "an IP address of no octets", sequenceOf(derContext(7, none, false))],
    [
      "subject alternative name",
      "two directory names in one",
      sequenceOf(derContext(4, Buffer.concat([encodeName({}), encodeName({})]), true)),
    ],
    ["subject key identifier", "something else than octets", derNull()],
    ["authority key identifier", "an unknown field", sequenceOf(derContext(3, none, false))],
    [
      "authority key identifier",
      "fields in the wrong order",
      sequenceOf(derContext(2, Uint8Array.of(1), false), derContext(0, none, false)),
    ],
    ["authority key identifier", "an empty list of issuers", sequenceOf(derContext(1, none, true))],
    ["name constraints", "nothing", sequenceOf()],
    ["name constraints", "an empty list", sequenceOf(derContext(0, none, true))],
    [
      "name constraints",
      "the lists in the wrong order",
      sequenceOf(
        derContext(1, sequenceOf(generalNameDer.dns("a")), true),
        derContext(0, sequenceOf(generalNameDer.dns("a")), true),
      ),
    ],
    [
      "name constraints",
      "a minimum",
      sequenceOf(derContext(0, sequenceOf(generalNameDer.dns("a"), derContext(0, Uint8Array.of(1), false)), true)),
    ],
    [
      "name constraints",
      "a maximum",
      sequenceOf(derContext(0, sequenceOf(generalNameDer.dns("a"), derContext(1, Uint8Array.of(1), false)), true)),
    ],
    [
      "name constraints",
      "an IP range of 4 octets",
      sequenceOf(derContext(0, sequenceOf(generalNameDer.ip(10, 0, 0, 0)), true)),
    ],
    [
      "name constraints",
      "an IP mask with a hole",
      sequenceOf(derContext(0, sequenceOf(generalNameDer.ip(10, 0, 0, 0, 255, 0, 255, 0)), true)),
    ],
    ["certificate policies", "no policy", sequenceOf()],
    ["certificate policies", "a policy twice", sequenceOf(sequenceOf(derOid("1.2.3")), sequenceOf(derOid("1.2.3")))],
    ["certificate policies", "qualifiers that are no sequence", sequenceOf(sequenceOf(derOid("1.2.3"), derNull()))],
    ["policy mappings", "no mapping", sequenceOf()],
    ["policy mappings", "a mapping of one policy", sequenceOf(sequenceOf(derOid("1.2.3")))],
    ["policy mappings", "more than mappings", sequenceOf(sequenceOf(derOid("1.2.3"), derOid("1.2.4"), derNull()))],
    ["policy constraints", "nothing", sequenceOf()],
    ["policy constraints", "a negative number", sequenceOf(derContext(0, Uint8Array.of(0xff), false))],
    ["inhibitAnyPolicy", "a negative number", derElement(tag.integer, Uint8Array.of(0xff))],
    ["inhibitAnyPolicy", "trailing octets", Buffer.concat([derSmallInteger(1), derNull()])],
  ];
  const ids: Record<string, string> = {
    "basic constraints": oid.basicConstraints,
    "key usage": oid.keyUsage,
    "extended key usage": oid.extendedKeyUsage,
    "subject alternative name": oid.subjectAltName,
    "subject key identifier": oid.subjectKeyId,
    "authority key identifier": oid.authorityKeyId,
    "name constraints": oid.nameConstraints,
    "certificate policies": oid.certificatePolicies,
    "policy mappings": oid.policyMappings,
    "policy constraints": oid.policyConstraints,
    inhibitAnyPolicy: oid.inhibitAnyPolicy,
  };
  for (const [extension, what, value] of cases) {
    it(`refuses ${extension} with ${what}`, () => {
      assert.throws(() => parseCertificate(withExtension(ids[extension] ?? "", value)), refused);
    });
  }

  it("reads the good ones", () => {
    const read = (id: string, value: Uint8Array): ReturnType<typeof parseCertificate> =>
      parseCertificate(withExtension(id, value));
    assert.deepEqual(read(oid.basicConstraints, sequenceOf()).basicConstraints, {
      critical: true,
      ca: false,
      pathLength: undefined,
    });
    assert.deepEqual([...(read(oid.keyUsage, fromHex("0303070080")).keyUsage?.usages ?? [])], ["decipherOnly"]);
    const name = encodeName({ commonName: "x" });
    const aki = sequenceOf(
      derContext(0, Uint8Array.of(7), false),
      derContext(1, derContext(4, name, true), true),
      derContext(2, Uint8Array.of(1), false),
    );
    assert.deepEqual(read(oid.authorityKeyId, aki).authorityKeyId, Uint8Array.of(7));
    assert.equal(read(oid.authorityKeyId, sequenceOf()).authorityKeyId, undefined);
    const other = derContext(0, Buffer.concat([derOid("1.2.3"), derExplicit(0, derUtf8String("x"))]), true);
    const names = read(
      oid.subjectAltName,
      sequenceOf(other, derContext(8, Uint8Array.of(42), false), derContext(4, name, true)),
    ).subjectAltName?.names;
    assert.deepEqual(names, [
      { kind: "other", tag: 0, der: other },
      { kind: "other", tag: 8, der: derContext(8, Uint8Array.of(42), false) },
      { kind: "directory", der: name },
    ]);
    assert.deepEqual(
      read(oid.certificatePolicies, sequenceOf(sequenceOf(derOid("1.2.3"), sequenceOf(derNull())))).policy,
      {
        mappings: false,
        policies: ["1.2.3"],
      },
    );
    assert.deepEqual(read(oid.policyConstraints, sequenceOf(derContext(1, Uint8Array.of(2), false))).policy, {
      mappings: false,
      requireExplicitPolicy: undefined,
      inhibitPolicyMapping: 2,
    });
    assert.equal(read(oid.inhibitAnyPolicy, derSmallInteger(3)).policy?.inhibitAnyPolicy, 3);
    const mapping = sequenceOf(sequenceOf(derOid("1.2.3"), derOid("1.2.4")));
    assert.equal(read(oid.policyMappings, mapping).policy?.mappings, true);
  });

  it("reads name constraints of every kind", () => {
    const extension = nameConstraintsExtension({
      permitted: [
        generalNameDer.dns("a.test"),
        generalNameDer.ip(10, 0, 0, 0, 255, 128, 0, 0),
        generalNameDer.directory(encodeName({ commonName: "x" })),
      ],
      excluded: [
        generalNameDer.uri("b.test"),
        generalNameDer.email("@c.test"),
        derContext(8, Uint8Array.of(42), false),
      ],
    });
    const { nameConstraints } = createLeaf(createRoot(), { extraExtensions: [extension] }).certificate;
    assert.deepEqual(
      nameConstraints?.permitted.map((base) => base.kind),
      ["dns", "ip", "directory"],
    );
    assert.deepEqual(
      nameConstraints?.excluded.map((base) => base.kind),
      ["uri", "email", "other"],
    );
    const ip = nameConstraints?.permitted[1];
    assert.ok(ip?.kind === "ip" && bytesEqual(ip.mask, Uint8Array.of(255, 128, 0, 0)));
  });

  it("keeps text of names exactly as encoded, with NUL and all", () => {
    const names = [
      { kind: "dns" as const, value: "good.test\0.evil.test" },
      { kind: "uri" as const, value: "spiffe://X.test/ a" },
    ];
    const der = assemble({ afterSpki: [extensions(subjectAltNameExtension(names, true))] });
    assert.deepEqual(parseCertificate(der).subjectAltName?.names, names);
  });

  it("does not trip over text of any string type in a name, well formed or not", () => {
    const values = [
      derUtf8String("中"),
      derElement(tag.utf8String, Uint8Array.of(0xff, 0xfe)),
      derElement(tag.bmpString, Uint8Array.of(0x4e)),
      derNull(),
      derElement(tag.printableString, Uint8Array.of(0xff)),
    ];
    for (const value of values)
      assert.equal(parseCertificate(assemble({ subject: derSequence(rdn(value)) })).serialHex, "07");
  });
});
