// CRLs (RFC 5280 sections 5 and 6.3.3): what is read, what is refused, how a million entries are walked. @peculiar/x509 reads the
// same lists, as a second opinion.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import "reflect-metadata";
import { X509Crl } from "@peculiar/x509";
import {
  type Certificate,
  checkAllReasons,
  checkCrlScope,
  crlDistributionPoints,
  type DistributionPoint,
  derExplicit,
  derInteger,
  derOctetString,
  derSequence,
  derTime,
  encodeExtension,
  encodeName,
  findRevoked,
  fromHex,
  ocspResponders,
  parseCrl,
  type RevokedEntry,
  verifyCrl,
} from "../../src/x509/index.ts";
import { REVOCATION_REASONS } from "../../src/x509/revocation-reason.ts";
import { cpuMs } from "../support/cpu.ts";
import { createIntermediate, createRoot, freshKey, testKey } from "../support/pki.ts";
import {
  type CrlOptions,
  createCrl,
  crlDistributionPointsExtension,
  crlEntry,
  crlScope,
  ocspAccessExtension,
} from "../support/revocation.ts";
import { refuses } from "./refuses.ts";

const root = createRoot();
const url = "http://crl.test/root.crl";
const intermediate = createIntermediate(root, { extraExtensions: [crlDistributionPointsExtension(url)] });
const { serial } = intermediate.certificate;

/** Runs the steps to the end. */
function drive<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function lookUp(der: Uint8Array, wanted = serial): RevokedEntry | undefined {
  return drive(findRevoked(parseCrl(der), [wanted]))[0];
}

/** Everything that a CRL has to pass. */
function judge(options: CrlOptions, issuer: Certificate = root.certificate, point?: DistributionPoint): void {
  const crl = parseCrl(createCrl(root, options));
  const [own] = crlDistributionPoints(intermediate.certificate);
  assert.ok(own);
  checkCrlScope(crl, intermediate.certificate, point ?? own);
  checkAllReasons(crl, point ?? own);
  drive(verifyCrl(crl, issuer));
}

describe("a CRL", () => {
  it("says who issued it, when, its number, and nothing more than it says", () => {
    const [thisUpdate, nextUpdate] = [Date.UTC(2026, 1, 1), Date.UTC(2060, 1, 8)];
    const crl = parseCrl(createCrl(root, { thisUpdate, nextUpdate, number: 300 }));
    assert.equal(crl.version, 2);
    assert.equal(crl.thisUpdate, thisUpdate);
    assert.equal(crl.nextUpdate, nextUpdate);
    assert.equal(crl.number, 300n);
    assert.equal(crl.isDelta, false);
    assert.deepEqual(crl.issuer, root.subject);
    assert.deepEqual(crl.authorityKeyId, root.certificate.subjectKeyId);
    assert.equal(crl.entries.length, 0);
  });

  it("of version 1, as `openssl ca` writes by default, is read, and has no extensions anywhere", () => {
    const crl = parseCrl(createCrl(root, { version: 1, revoked: [{ serial }] }));
    assert.equal(crl.version, 1);
    assert.equal(crl.number, undefined);
    assert.equal(drive(findRevoked(crl, [serial]))[0]?.reason, "unspecified");
    refuses("MCA_CRL_MALFORMED", /damaged/, () =>
      lookUp(createCrl(root, { version: 1, revoked: [{ serial, reason: "superseded" }] })),
    );
  });

  it("tells time, reason and invalidity date of a revoked certificate, and nothing of others", () => {
    const revokedAt = Date.UTC(2026, 2, 3, 4, 5, 6);
    const invalidityDate = Date.UTC(2026, 2, 1);
    const der = createCrl(root, {
      revoked: [
        { serial: Uint8Array.of(1) },
        { serial, revokedAt, reason: "keyCompromise", invalidityDate },
        { serial: Uint8Array.of(2), reason: "certificateHold" },
      ],
    });
    assert.deepEqual(lookUp(der), { revokedAt, reason: "keyCompromise", invalidityDate });
    assert.equal(lookUp(der, Uint8Array.of(2))?.reason, "certificateHold");
    assert.equal(lookUp(der, Uint8Array.of(3)), undefined);
    assert.equal(lookUp(createCrl(root), serial), undefined);
  });

  it("never takes the negative number of a list for the serial number with the same octets", () => {
    const negative = derSequence(Uint8Array.of(0x02, 0x01, 0x80), derTime(Date.now()));
    assert.equal(lookUp(createCrl(root, { entries: negative }), Uint8Array.of(0x80)), undefined);
    assert.ok(lookUp(createCrl(root, { revoked: [{ serial: Uint8Array.of(0x80) }] }), Uint8Array.of(0x80)));
  });

  it("agrees with @peculiar/x509 on generated lists", () => {
    const reasons = ["unspecified", "keyCompromise", "cACompromise", "superseded", "certificateHold"] as const;
    for (let round = 0; round < 20; round++) {
      const revoked = Array.from({ length: round * 3 }, (_, i) => ({
        serial: Uint8Array.of(1, ...randomBytes(8 + (i % 11))),
        revokedAt: Date.UTC(2020 + (i % 40), i % 12, 1 + (i % 28)),
        ...(i % 2 === 0 ? { reason: reasons[i % reasons.length] ?? "unspecified" } : {}),
      }));
      const der = createCrl(root, { revoked, number: round + 1 });
      const ours = parseCrl(der);
      const theirs = new X509Crl(new Uint8Array(der));
      assert.equal(theirs.thisUpdate.getTime(), ours.thisUpdate);
      assert.equal(theirs.nextUpdate?.getTime(), ours.nextUpdate);
      assert.equal(theirs.entries.length, revoked.length);
      const found = drive(
        findRevoked(
          ours,
          revoked.map((entry) => entry.serial),
        ),
      );
      for (const [i, entry] of theirs.entries.entries()) {
        assert.equal(found[i]?.revokedAt, entry.revocationDate.getTime());
        assert.equal(REVOCATION_REASONS[entry.reason ?? 0], found[i]?.reason);
      }
    }
  });
});

describe("the form of a CRL is refused", () => {
  const malformed: readonly (readonly [string, RegExp, () => unknown])[] = [
    ["without nextUpdate", /nextUpdate/, () => parseCrl(createCrl(root, { nextUpdate: null }))],
    [
      "with nextUpdate before thisUpdate",
      /nextUpdate lies before/,
      () => parseCrl(createCrl(root, { nextUpdate: Date.now() - 7_200_000 })),
    ],
    ["with octets after its end", /after its end/, () => parseCrl(Buffer.concat([createCrl(root), Uint8Array.of(0)]))],
    ["that is larger than the bound", /at most 100 are read/, () => parseCrl(createCrl(root), { maxBytes: 100 })],
    [
      "with an issuer of many kilobytes",
      /the issuer has more than/,
      () => parseCrl(createCrl(root, { issuerName: encodeName({ commonName: "x".repeat(10_000) }) })),
    ],
    [
      "with extensions of many kilobytes",
      /extensions has more than/,
      () => parseCrl(createCrl(root, { extraExtensions: [encodeExtension("1.2.3", false, new Uint8Array(70_000))] })),
    ],
    [
      "with the reason removeFromCRL in a complete list",
      /removeFromCRL/,
      () => lookUp(createCrl(root, { revoked: [{ serial, reason: "removeFromCRL" }] })),
    ],
    [
      "with a critical entry extension, as indirect CRLs have, on any entry",
      /not understood/,
      () =>
        lookUp(
          createCrl(root, {
            revoked: [
              { serial: Uint8Array.of(9), extraExtensions: [encodeExtension("2.5.29.29", true, derSequence())] },
              { serial },
            ],
          }),
        ),
    ],
    [
      "with an entry that is damaged, wherever it is",
      /damaged/,
      () =>
        lookUp(createCrl(root, { entries: Buffer.concat([crlEntry({ serial }), derSequence(derInteger(serial))]) })),
    ],
    [
      "with a serial number that is not minimal",
      /damaged/,
      () => lookUp(createCrl(root, { entries: derSequence(Uint8Array.of(2, 2, 0, 1), derTime(Date.now())) })),
    ],
    [
      "with an entry of kilobytes",
      /damaged/,
      () =>
        lookUp(
          createCrl(root, {
            revoked: [{ serial, extraExtensions: [encodeExtension("1.2.3", false, new Uint8Array(5000))] }],
          }),
        ),
    ],
  ];
  for (const [name, sentence, run] of malformed) it(name, () => refuses("MCA_CRL_MALFORMED", sentence, run));

  it("where the two signature algorithms differ", () => {
    const der = createCrl(root);
    const at = der.length - 100;
    const inner = Buffer.from(der).lastIndexOf(fromHex("06082a8648ce3d040302"));
    assert.ok(inner > at - 60);
    der[inner + 9] = 0x03;
    refuses("MCA_CRL_MALFORMED", /algorithms differ/, () => parseCrl(der));
  });
});

describe("a CRL answers for a certificate", () => {
  it("that its issuer signed, without a scope, for CA certificates, or for this distribution point", () => {
    judge({});
    judge({ version: 1 });
    judge({ scope: crlScope({ flags: [2] }) });
    judge({ scope: crlScope({ uris: ["http://elsewhere.test", url], flags: [2] }) });
    for (const kind of ["rsa-2048", "ec-p384", "ed25519"] as const) {
      const other = createRoot({ key: testKey(kind) });
      drive(verifyCrl(parseCrl(createCrl(other)), other.certificate));
    }
    const rsa = createRoot({ key: testKey("rsa-2048") });
    drive(verifyCrl(parseCrl(createCrl(rsa, { signatureAlgorithm: "rsa-pss-sha256" })), rsa.certificate));
  });

  const [own] = crlDistributionPoints(intermediate.certificate);
  assert.ok(own);
  const unusable: readonly (readonly [string, RegExp, () => void])[] = [
    [
      "another name issued it",
      /expected "CN=Test Root"/,
      () => judge({ issuerName: encodeName({ commonName: "Other" }) }),
    ],
    ["another key signed it", /signature does not hold/, () => judge({ signWith: freshKey() })],
    ["its key identifier is another", /another key/, () => judge({ authorityKeyId: new Uint8Array(20) })],
    [
      "its issuer may not sign CRLs",
      /cRLSign/,
      () => judge({}, createRoot({ key: root.key, keyUsage: ["keyCertSign"] }).certificate),
    ],
    ["it is a delta CRL", /delta/, () => judge({ deltaBase: 1 })],
    ["it is for user certificates", /end-entity/, () => judge({ scope: crlScope({ flags: [1] }) })],
    ["it is indirect", /indirect/, () => judge({ scope: crlScope({ flags: [4] }) })],
    ["it is for attribute certificates", /attribute/, () => judge({ scope: crlScope({ flags: [5] }) })],
    ["it covers some reasons", /some reasons/, () => judge({ scope: crlScope({ someReasons: true }) })],
    [
      "it is of another distribution point",
      /distribution point/,
      () => judge({ scope: crlScope({ uris: ["http://crl.test/other.crl"] }) }),
    ],
    [
      "a critical extension is unknown",
      /1\.2\.3/,
      () => judge({ extraExtensions: [encodeExtension("1.2.3", true, derOctetString(serial))] }),
    ],
    ["the point covers some reasons", /some reasons/, () => judge({}, root.certificate, { ...own, someReasons: true })],
    ["the point is of an indirect CRL", /indirect/, () => judge({}, root.certificate, { ...own, indirect: true })],
  ];
  for (const [name, sentence, run] of unusable) {
    it(`but not where ${name}`, () => refuses("MCA_CRL_UNUSABLE", sentence, run));
  }
});

describe("a million entries", () => {
  const count = 1_000_000;
  // Serial numbers of 16 octets and a reason: 48 octets an entry.
  const sample = crlEntry({ serial: Uint8Array.of(1, ...new Uint8Array(15)), reason: "superseded" });
  const entries = Buffer.alloc(sample.length * count);
  for (let i = 0; i < count; i++) {
    entries.set(sample, i * sample.length);
    entries.writeUInt32BE(i, i * sample.length + 4 + 12);
  }
  const last = Uint8Array.of(1, ...new Uint8Array(11), ...fromHex((count - 1).toString(16).padStart(8, "0")));

  it("are verified and searched in steps of a few milliseconds, without holding objects", { timeout: 60_000 }, () => {
    const der = createCrl(root, { entries });
    assert.ok(der.length > 48_000_000, `${der.length}`);
    const crl = parseCrl(der);
    let longest = 0;
    let steps = 0;
    const timed = <T>(generator: Generator<void, T>): T => {
      for (;;) {
        const before = cpuMs();
        const step = generator.next();
        longest = Math.max(longest, cpuMs() - before);
        steps++;
        if (step.done === true) return step.value;
      }
    };
    const heap = process.memoryUsage().heapUsed;
    timed(verifyCrl(crl, root.certificate));
    const [found, missing] = timed(findRevoked(crl, [last, serial]));
    assert.equal(found?.reason, "superseded");
    assert.equal(missing, undefined);
    assert.ok(process.memoryUsage().heapUsed - heap < 20_000_000);
    assert.ok(steps > 150, `${steps} steps`);
    // 2 to 4 ms where this was written; a bound that a slow machine keeps too.
    assert.ok(longest < 100, `the longest step took ${longest} ms`);
  });
});

describe("where a certificate says that revocation can be learnt", () => {
  it("is read from its distribution points and its authority information access", () => {
    const { certificate } = createIntermediate(root, {
      extraExtensions: [
        crlDistributionPointsExtension(
          { uris: ["ldap://x/y", url] },
          { uris: ["http://b"], someReasons: true, indirect: true },
        ),
        ocspAccessExtension("http://ocsp.test", "http://ocsp2.test/x"),
      ],
    });
    const points = crlDistributionPoints(certificate);
    assert.deepEqual(
      points.map(({ names, ...rest }) => ({
        ...rest,
        names: names.map((name) => (name.kind === "uri" ? name.value : name.kind)),
      })),
      [
        { names: ["ldap://x/y", url], someReasons: false, indirect: false },
        { names: ["http://b"], someReasons: true, indirect: true },
      ],
    );
    assert.deepEqual(ocspResponders(certificate), ["http://ocsp.test", "http://ocsp2.test/x"]);
    assert.deepEqual(crlDistributionPoints(root.certificate), []);
    assert.deepEqual(ocspResponders(root.certificate), []);
  });

  it("is refused where it is no such extension, and the certificate is read all the same", () => {
    for (const id of ["2.5.29.31", "1.3.6.1.5.5.7.1.1"]) {
      for (const value of [
        Uint8Array.of(),
        derSequence(),
        derExplicit(0, derSequence()),
        derSequence(derSequence(derInteger(Uint8Array.of(1)))),
      ]) {
        const { certificate } = createIntermediate(root, { extraExtensions: [encodeExtension(id, false, value)] });
        const read = id === "2.5.29.31" ? crlDistributionPoints : ocspResponders;
        refuses("MCA_CERTIFICATE_MALFORMED", /./, () => read(certificate));
      }
    }
  });
});
