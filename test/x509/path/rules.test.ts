// The path validator's verdict on each chain of the corpus, and what its errors say.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Certificate,
  derBitString,
  derInteger,
  derNull,
  derOid,
  derSequence,
  derSmallInteger,
  encodeName,
  oid,
  PathError,
  type PathRequest,
  type PathRule,
  validatePath,
} from "../../../src/x509/index.ts";
import {
  createIntermediate,
  createLeaf,
  createRoot,
  generalNameDer,
  nameConstraintsExtension,
  type TestCertificate,
} from "../../support/pki.ts";
import { corpus } from "./corpus/index.ts";

const read = (list: readonly TestCertificate[]): Certificate[] => list.map((one) => one.certificate);
const broke = (rule: PathRule): object => ({ name: "PathError", code: "MCA_PATH_INVALID", rule });

/** Validates for both purposes, now, unless told otherwise. */
function validate(
  chain: readonly TestCertificate[],
  anchors: readonly TestCertificate[],
  options: Partial<PathRequest> = {},
): readonly Certificate[] {
  return validatePath({
    chain: read(chain),
    anchors: read(anchors),
    time: Date.now(),
    target: "end-entity",
    purposes: ["serverAuth", "clientAuth"],
    ...options,
  }).path;
}

describe("the corpus", () => {
  for (const { name, chain, anchors, verdict, purposes } of corpus) {
    const run = (): readonly Certificate[] => validate(chain, anchors, purposes === undefined ? {} : { purposes });
    if (verdict === "good") {
      it(`accepts ${name}`, () => {
        const path = run();
        assert.equal(path[0], chain[0]?.certificate);
        assert.ok(anchors.some((anchor) => anchor.certificate === path.at(-1)));
      });
    } else {
      it(`refuses ${name}: ${verdict}`, () => {
        assert.throws(run, broke(verdict));
      });
    }
  }
});

describe("time", () => {
  const notBefore = Date.UTC(2030, 0, 1);
  const notAfter = Date.UTC(2030, 0, 2);
  const root = createRoot({ notBefore: notBefore - 1000, notAfter: notAfter + 1000 });
  const leaf = createLeaf(root, { notBefore, notAfter });

  it("is a parameter, and both ends of the validity belong to it", () => {
    for (const time of [notBefore, notBefore + 1, notAfter]) validate([leaf], [root], { time });
    assert.throws(() => validate([leaf], [root], { time: notBefore - 1 }), broke("not-yet-valid"));
    assert.throws(() => validate([leaf], [root], { time: notAfter + 1 }), broke("expired"));
  });

  it("must be a time", () => {
    for (const time of [Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => validate([leaf], [root], { time }), TypeError);
    }
  });
});

describe("a CA as the target", () => {
  const root = createRoot();
  const ca = (options: Partial<PathRequest> = {}): Partial<PathRequest> => ({ target: "ca", ...options });

  it("is accepted where it may issue", () => {
    const authority = createIntermediate(root, { pathLength: 0 });
    assert.equal(validate([authority], [root], ca()).length, 2);
  });

  it("may be an anchor itself", () => {
    assert.deepEqual(validate([root], [root], ca()), [root.certificate]);
    const authority = createIntermediate(root);
    assert.deepEqual(validate([authority], [authority], ca()), [authority.certificate]);
  });

  it("may be an anchor's key under a new certificate", () => {
    const renewed = createRoot({ key: root.key });
    assert.deepEqual(validate([renewed], [root], ca()), [renewed.certificate, root.certificate]);
  });

  it("needs the CA flag, keyCertSign, and room beneath the path length", () => {
    assert.throws(() => validate([createLeaf(root)], [root], ca()), broke("basic-constraints"));
    assert.throws(
      () => validate([createIntermediate(root, { keyUsage: ["cRLSign"] })], [root], ca()),
      broke("key-usage"),
    );
    const short = createRoot({ pathLength: 0 });
    assert.throws(() => validate([createIntermediate(short)], [short], ca()), broke("path-length"));
  });

  it("needs names, its own and its issuer's", () => {
    assert.throws(() => validate([createIntermediate(root, { subject: "" })], [root], ca()), broke("issuer-name"));
    const nameless = createLeaf(root, { issuerName: encodeName({}) });
    assert.throws(() => validate([nameless], [root]), broke("issuer-name"));
  });

  it("is held to the purposes of every CA above it", () => {
    const authority = createIntermediate(root, { extendedKeyUsage: ["1.3.6.1.5.5.7.3.4"] });
    assert.throws(() => validate([authority], [root], ca()), broke("extended-key-usage"));
    validate([authority], [root], ca({ purposes: [] }));
  });
});

describe("purposes", () => {
  it("that are not asked are not checked", () => {
    const root = createRoot({ extendedKeyUsage: ["1.3.6.1.5.5.7.3.4"] });
    const leaf = createLeaf(root, { extendedKeyUsage: ["1.3.6.1.5.5.7.3.4"], keyUsage: ["keyEncipherment"] });
    assert.equal(validate([leaf], [root], { purposes: [] }).length, 2);
    assert.throws(() => validate([leaf], [root], { purposes: ["clientAuth"] }), PathError);
  });
});

describe("RSA keys", () => {
  const root = createRoot();
  const rsa = (bits: number, exponent: number): TestCertificate => {
    const modulus = new Uint8Array(Math.ceil(bits / 8)).fill(0xff);
    modulus[0] = 0xff >> ((8 - (bits % 8)) % 8);
    const key = derSequence(derInteger(modulus), derSmallInteger(exponent));
    return createLeaf(root, {
      spki: derSequence(derSequence(derOid(oid.rsaEncryption), derNull()), derBitString(key)),
    });
  };

  it("have 2048 to 8192 bits, and an odd exponent from 3 on", () => {
    for (const [bits, exponent] of [
      [2048, 65_537],
      [2048, 3],
      [8192, 65_537],
    ] as const)
      validate([rsa(bits, exponent)], [root]);
    for (const [bits, exponent] of [
      [2047, 65_537],
      [8193, 65_537],
      [2048, 1],
      [2048, 2],
      [2048, 65_536],
    ] as const) {
      assert.throws(() => validate([rsa(bits, exponent)], [root]), broke("key-strength"), `${bits} ${exponent}`);
    }
  });
});

describe("the profile for issuers", () => {
  const strict = { conformingIssuers: true };

  it("is asked for by name: peers are not held to it, our own chain is", () => {
    const root = createRoot();
    const cases = [
      createLeaf(root, { authorityKeyId: null }),
      createLeaf(root, { namesCritical: false }),
      createLeaf(root, { serial: Uint8Array.of(0) }),
    ];
    for (const leaf of cases) {
      validate([leaf], [root]);
      assert.throws(() => validate([leaf], [root], strict), broke("issuer-profile"));
    }
    for (const special of [
      createRoot({ subjectKeyId: null }),
      createRoot({ keyUsage: null }),
      createRoot({ basicConstraints: "not-critical" }),
      createRoot({
        nameConstraints: nameConstraintsExtension({ permitted: [generalNameDer.uri("example.test")] }, false),
      }),
    ]) {
      const leaf = createLeaf(special);
      validate([leaf], [special]);
      assert.throws(() => validate([leaf], [special], strict), broke("issuer-profile"));
    }
  });

  it("is met by what the test PKI makes, and does not ask an anchor for an authority key identifier", () => {
    const root = createRoot({ authorityKeyId: null });
    const authority = createIntermediate(root, { pathLength: 0 });
    validate([createLeaf(authority), authority], [root], strict);
  });
});

describe("errors", () => {
  it("say which certificate, which rule, what was found and what was expected", () => {
    const root = createRoot();
    const leaf = createLeaf(root, { notAfter: Date.UTC(2020, 0, 1), notBefore: 0 });
    assert.throws(
      () => validate([leaf], [root], { time: Date.UTC(2021, 0, 1) }),
      (error: unknown) => {
        assert.ok(error instanceof PathError);
        assert.deepEqual(error.details, {
          rule: "expired",
          certificate: "spiffe://example.test/workload",
          found: "notAfter 2020-01-01T00:00:00.000Z",
          expected: "a time after 2021-01-01T00:00:00.000Z",
        });
        assert.match(error.message, /spiffe:\/\/example\.test\/workload.*notAfter 2020/);
        return true;
      },
    );
  });

  it("name a certificate by its subject, by its first name, or by its serial number, at a bounded length", () => {
    const root = createRoot();
    const labelOf = (leaf: TestCertificate): string | undefined => {
      try {
        validate([leaf], []);
      } catch (error) {
        if (error instanceof PathError) return error.details["certificate"];
      }
      return undefined;
    };
    assert.equal(labelOf(createLeaf(root, { subject: "x" })), "CN=x");
    assert.equal(labelOf(createLeaf(root, { names: [{ kind: "dns", value: "a\u001bb" }] })), "a\\u001bb");
    assert.equal(labelOf(createLeaf(root, { names: [], serial: Uint8Array.of(0xab) })), "serial ab");
    assert.equal(labelOf(createLeaf(root, { subject: "y".repeat(500) }))?.length, 203);
  });

  it("show hostile text escaped and at a bounded length", () => {
    const root = createRoot({
      nameConstraints: nameConstraintsExtension({ permitted: [generalNameDer.dns("example.test")] }),
    });
    for (const value of ["a\u001b[31m\n", "x".repeat(9000)]) {
      const leaf = createLeaf(root, { names: [{ kind: "dns", value }] });
      assert.throws(
        () => validate([leaf], [root]),
        (error: unknown) => {
          assert.ok(error instanceof PathError && error.rule === "name-constraints");
          assert.match(error.message, /^[ -~]{20,900}$/);
          return true;
        },
      );
    }
  });

  it("an empty chain and an empty set of anchors are refused", () => {
    assert.throws(() => validate([], [createRoot()]), broke("chain-empty"));
    assert.throws(() => validate([createLeaf(createRoot())], []), broke("issuer-unknown"));
  });

  it("the reason of a complete path wins over that of a dead end", () => {
    const root = createRoot({ pathLength: 0 });
    const authority = createIntermediate(root);
    const stranger = createIntermediate(createRoot(), { subject: authority.subject, key: authority.key });
    assert.throws(() => validate([createLeaf(authority), stranger, authority], [root]), broke("path-length"));
  });
});
