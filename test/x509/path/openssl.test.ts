// Our verdict beside OpenSSL's (a TLS handshake that trusts the same anchors): we must never accept what OpenSSL refuses.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  encodeName,
  type GeneralName,
  type KeyUsage,
  oid,
  PathError,
  type PathRule,
  type Purpose,
  validatePath,
} from "../../../src/x509/index.ts";
import { openSslVerdict } from "../../support/openssl-verdict.ts";
import {
  type CertificateOptions,
  createIntermediate,
  createLeaf,
  createRoot,
  generalNameDer,
  nameConstraintsExtension,
  type TestCertificate,
  testKey,
} from "../../support/pki.ts";
import { corpus } from "./corpus/index.ts";

/** The path that we accept, as the test PKI's objects; or the rule that was broken. */
function ourVerdict(
  chain: readonly TestCertificate[],
  anchors: readonly TestCertificate[],
  purpose: Purpose,
): TestCertificate[] | PathRule {
  try {
    const { path } = validatePath({
      chain: chain.map((one) => one.certificate),
      anchors: anchors.map((one) => one.certificate),
      time: Date.now(),
      target: "end-entity",
      purposes: [purpose],
    });
    return path.flatMap((step) => [...chain, ...anchors].find((one) => one.certificate === step) ?? []);
  } catch (error) {
    if (error instanceof PathError) return error.rule;
    throw error;
  }
}

/**
 * What OpenSSL says of exactly that path. (Given a whole chain with several ways up, OpenSSL takes the first one and does
 * not come back; we do.)
 */
async function openSslOf(path: readonly TestCertificate[], purpose: Purpose): Promise<string> {
  const anchor = path.at(-1);
  assert.ok(anchor !== undefined);
  return openSslVerdict(path.slice(0, -1), [anchor], purpose === "serverAuth" ? "server" : "client");
}

const BOTH: readonly Purpose[] = ["serverAuth", "clientAuth"];

describe("the corpus beside OpenSSL", () => {
  for (const { name, chain, anchors, verdict, purposes } of corpus) {
    it(`${name}: ${verdict}`, async () => {
      for (const purpose of purposes ?? BOTH) {
        const ours = ourVerdict(chain, anchors, purpose);
        if (typeof ours !== "string") assert.equal(await openSslOf(ours, purpose), "ok", purpose);
      }
    });
  }
});

/** Random CAs and leaves: mostly plain, now and then with something unusual. */
const now = Date.now();
const seldom = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 24, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const dnsName = fc.constantFrom(
  "example.test",
  "a.example.test",
  "*.example.test",
  "b.a.example.test",
  "other.test",
  "EXAMPLE.test",
  "example.test.",
  "",
);
const uriName = fc.constantFrom(
  "spiffe://example.test/a",
  "spiffe://a.example.test/x",
  "spiffe://other.test",
  "spiffe://10.0.0.1/",
  "urn:x:y",
  "spiffe://u@example.test/",
);
const emailName = fc.constantFrom("a@example.test", "A@a.example.test", "b@other.test", "nobody");
const ipName = fc
  .constantFrom([10, 1, 2, 3], [192, 0, 2, 1], new Array<number>(16).fill(32))
  .map((list) => Uint8Array.from(list));
const directoryName = fc.constantFrom(
  {},
  { organization: "Example" },
  { organization: "example", commonName: "x" },
  { commonName: "other.test" },
);
const anyName: fc.Arbitrary<GeneralName> = fc.oneof(
  dnsName.map((value) => ({ kind: "dns" as const, value })),
  uriName.map((value) => ({ kind: "uri" as const, value })),
  emailName.map((value) => ({ kind: "email" as const, value })),
  ipName.map((bytes) => ({ kind: "ip" as const, bytes })),
  directoryName.map((name) => ({ kind: "directory" as const, der: encodeName(name) })),
);
const base = fc.oneof(
  fc
    .constantFrom("example.test", ".example.test", "a.example.test", "", "test")
    .map((text) => generalNameDer.dns(text)),
  fc.constantFrom("example.test", ".example.test", "other.test", "").map((text) => generalNameDer.uri(text)),
  fc
    .constantFrom("example.test", ".example.test", "a@example.test", "@example.test")
    .map((text) => generalNameDer.email(text)),
  fc.constantFrom([10, 0, 0, 0, 255, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]).map((octets) => generalNameDer.ip(...octets)),
  directoryName.map((name) => generalNameDer.directory(encodeName(name))),
);
const constraints = fc
  .record({
    permitted: fc.array(base, { maxLength: 2 }),
    excluded: fc.array(base, { maxLength: 2 }),
    critical: fc.boolean(),
  })
  .filter(({ permitted, excluded }) => permitted.length + excluded.length > 0)
  .map(({ critical, ...lists }) => nameConstraintsExtension(lists, critical));
const usages = fc.constantFrom<readonly KeyUsage[] | null>(
  null,
  ["digitalSignature"],
  ["keyCertSign"],
  ["keyAgreement"],
  ["keyEncipherment"],
  ["cRLSign"],
  ["digitalSignature", "keyCertSign"],
);
const purposeLists = fc.constantFrom<readonly string[] | null>(
  null,
  [oid.serverAuth],
  [oid.clientAuth],
  [oid.serverAuth, oid.clientAuth],
  [oid.anyExtendedKeyUsage],
  ["1.3.6.1.5.5.7.3.4"],
);
const common = {
  keyUsage: seldom(usages),
  extendedKeyUsage: seldom(purposeLists),
  notAfter: seldom(fc.constant(now - 5000)),
  notBefore: seldom(fc.constant(now + 3_600_000)),
  authorityKeyId: seldom(fc.constantFrom(null, Uint8Array.of(1))),
  subjectKeyId: seldom(fc.constantFrom(null, Uint8Array.of(1))),
  basicConstraints: seldom(fc.constantFrom<"not-critical" | null>("not-critical", null)),
  signWith: seldom(fc.constantFrom(testKey("ec-p256", "stranger"), testKey("rsa-2048"))),
  key: seldom(fc.constantFrom(testKey("rsa-1024"), testKey("rsa-2048"), testKey("ec-p384"), testKey("ed25519"))),
};
// Each CA has a name of its own: among several of one name OpenSSL takes the first it meets and does not come back.
const caOptions = fc.record({
  ...common,
  ca: seldom(fc.constant(false)),
  pathLength: fc.option(fc.nat({ max: 2 }), { nil: undefined, freq: 3 }),
  organization: fc.option(fc.constantFrom("Example", "Other"), { nil: undefined, freq: 3 }),
  nameConstraints: fc.option(constraints, { nil: undefined, freq: 3 }),
});
const leafOptions = fc.record({
  ...common,
  names: fc.option(fc.array(anyName, { minLength: 1, maxLength: 3 }), { nil: undefined, freq: 2 }),
  subject: seldom(directoryName.map(encodeName)),
});

let serial = 0;

/** A subject in an organization, different each time. */
function named(given: CertificateOptions & { readonly organization?: string }): CertificateOptions {
  const { organization, ...rest } = given;
  serial++;
  return organization === undefined
    ? rest
    : { ...rest, subject: encodeName({ organization, commonName: `CA ${serial}` }) };
}

/** Leaves out what is undefined, and what cannot be written. */
function options(record: object): CertificateOptions {
  const given = Object.fromEntries(
    Object.entries(record).filter(([, value]) => value !== undefined),
  ) as CertificateOptions;
  const { pathLength, ...rest } = named(given);
  return given.ca === false || pathLength === undefined ? rest : { ...rest, pathLength };
}

describe("random chains beside OpenSSL", () => {
  it("we never accept what OpenSSL refuses, as a server or as a client", async () => {
    let accepted = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        caOptions,
        fc.array(caOptions, { maxLength: 3 }),
        leafOptions,
        fc.boolean(),
        async (top, middle, last, asServer) => {
          // The anchor is self-signed, and says so: OpenSSL takes no other.
          const { signWith: _, authorityKeyId: __, subjectKeyId: ___, ...rootOptions } = options(top);
          const root = createRoot({ subject: "Random Root", ...rootOptions });
          const cas: TestCertificate[] = [];
          for (const one of middle) cas.unshift(createIntermediate(cas[0] ?? root, options(one)));
          const chain = [createLeaf(cas[0] ?? root, options(last)), ...cas];
          const purpose = asServer ? "serverAuth" : "clientAuth";
          const ours = ourVerdict(chain, [root], purpose);
          if (typeof ours === "string") {
            refused++;
            return;
          }
          accepted++;
          assert.equal(await openSslOf(ours, purpose), "ok");
        },
      ),
      { numRuns: 800 },
    );
    assert.ok(accepted > 50 && refused > 50, `the generator must make both: ${accepted} accepted, ${refused} refused`);
  });
});
