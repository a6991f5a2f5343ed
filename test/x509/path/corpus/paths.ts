// The corpus: everything but name constraints.
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import {
  derContext,
  derNull,
  derOid,
  derSequence,
  derUtf8String,
  encodeExtension,
  encodeName,
  oid,
  publicKeyOf,
} from "../../../../src/x509/index.ts";
import {
  type CertificateOptions,
  createCertificate,
  createIntermediate,
  createLeaf,
  createRoot,
  type ForeignAlgorithm,
  TestCertificate,
  testKey,
} from "../../../support/pki.ts";
import { bad, type Chain, good, line, root, type Specimen, two, underRoot } from "./specimen.ts";

const DAY_MS = 86_400_000;
const authority = createIntermediate(root, { subject: "Corpus Authority", pathLength: 0 });
const leaf = createLeaf(authority);
const namedLeaf = createLeaf(authority, { subject: "A leaf" });

function weakHash(hash: string, id: string): ForeignAlgorithm {
  const rsa = id.startsWith("1.2.840.113549.1.1.");
  return {
    der: rsa ? derSequence(derOid(id), derNull()) : derSequence(derOid(id)),
    sign: (key: KeyObject, tbs) => new Uint8Array(sign(hash, tbs, key)),
  };
}
const sha1Rsa = weakHash("sha1", "1.2.840.113549.1.1.5");
const sha1Ecdsa = weakHash("sha1", "1.2.840.10045.4.1");

function tampered(certificate: TestCertificate): TestCertificate {
  const der = certificate.der.slice();
  der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1;
  return new TestCertificate(der, certificate.key, certificate.subject);
}

const unknownExtension = encodeExtension("1.3.6.1.4.1.55555.1", true, derUtf8String("?"));
const policies = (...ids: readonly string[]): Uint8Array =>
  encodeExtension(oid.certificatePolicies, false, derSequence(...ids.map((id) => derSequence(derOid(id)))));
const requireExplicitPolicy = (after: number): Uint8Array =>
  encodeExtension(oid.policyConstraints, true, derSequence(derContext(0, Uint8Array.of(after), false)));

const expiredRoot = createRoot({
  subject: "Expired Root",
  notBefore: Date.now() - 30 * DAY_MS,
  notAfter: Date.now() - DAY_MS,
});
const rsaRoot = createRoot({ subject: "RSA Root", key: testKey("rsa-2048", "corpus root") });
const smallRoot = createRoot({ subject: "Small Root", key: testKey("rsa-1024", "corpus root") });
const impostor = createRoot({ subject: "Corpus Root" });
const stranger = createRoot({ subject: "Stranger" });
const cross = createIntermediate(stranger, { subject: "Corpus Authority", key: authority.key });
const loopA = testKey("ec-p256", "loop a");
const loopB = testKey("ec-p256", "loop b");
const a = encodeName({ commonName: "Loop A" });
const b = encodeName({ commonName: "Loop B" });
const aByB = createCertificate(undefined, {
  subject: a,
  issuerName: b,
  key: loopA,
  signWith: loopB,
  authorityKeyId: null,
  ca: true,
  keyUsage: ["keyCertSign"],
});
const bByA = createCertificate(undefined, {
  subject: b,
  issuerName: a,
  key: loopB,
  signWith: loopA,
  authorityKeyId: null,
  ca: true,
  keyUsage: ["keyCertSign"],
});

const x25519 = generateKeyPairSync("x25519").privateKey;
const shortRoot = createRoot({ subject: "Short Root", pathLength: 0 });

function wrongOrder(): TestCertificate[] {
  const chain = line({}, {}, {});
  const [first, ...rest] = chain;
  return first === undefined ? [] : [first, createIntermediate(root), ...rest.reverse()];
}

function mixed(top: TestCertificate, options: CertificateOptions = {}): TestCertificate[] {
  const issuer = createIntermediate(top, options);
  return [createLeaf(issuer), issuer];
}

function selfSignedAnchor(): Chain {
  const own = createRoot({ subject: "Own", ca: false, keyUsage: ["digitalSignature"] });
  return { chain: [own], anchors: [own] };
}

function padded(): TestCertificate[] {
  return [leaf, authority, ...Array.from({ length: 7 }, () => createIntermediate(stranger))];
}

function rootPathLength(): Chain {
  const short = createRoot({ subject: "Path Length Root", pathLength: 0 });
  const issuer = createIntermediate(short);
  return { chain: [createLeaf(issuer), issuer], anchors: [short] };
}

/** Short Root, a self-issued CA with a new key, `others` CAs, a leaf. */
function selfIssuedLine(others: number): TestCertificate[] {
  const cas = [createIntermediate(shortRoot, { subject: "Short Root" })];
  for (let i = 0; i < others; i++) cas.unshift(createIntermediate(cas[0] ?? root));
  return [createLeaf(cas[0] ?? root), ...cas];
}

/** A key whose point lies beside its curve. */
function besideTheCurve(): Uint8Array {
  const spki = publicKeyOf(testKey()).spki.slice();
  spki[spki.length - 1] = (spki[spki.length - 1] ?? 0) ^ 1;
  return spki;
}

const largeExponent = generateKeyPairSync("rsa", { modulusLength: 2048, publicExponent: 0xffff_fffb }).privateKey;
const uri = (value: string): CertificateOptions => ({ names: [{ kind: "uri", value }] });
const extension = (id: string, ...parts: readonly Uint8Array[]): CertificateOptions => ({
  extraExtensions: [encodeExtension(id, false, derSequence(...parts))],
});
const location = derContext(6, Buffer.from("http://crl.example.test/"), false);

export const pathSpecimens: readonly Specimen[] = [
  good("a leaf under a root", [createLeaf(root)]),
  good("a leaf under an authority", [leaf, authority]),
  good("the root sent along", [leaf, authority, root]),
  good("intermediates in the wrong order, with one that does not belong", wrongOrder()),
  good("a P-256 authority under an RSA root", { chain: mixed(rsaRoot), anchors: [rsaRoot] }),
  good("an RSASSA-PSS signature", {
    chain: [createLeaf(rsaRoot, { signatureAlgorithm: "rsa-pss-sha256" })],
    anchors: [rsaRoot],
  }),
  good(
    "P-384, P-521 and Ed25519 in one line",
    line({ key: testKey("ec-p384") }, { key: testKey("ec-p521") }, { key: testKey("ed25519") }),
  ),
  good("an authority with two cross-certificates", [leaf, cross, authority]),
  good("the same with the other anchor", { chain: [leaf, cross, authority], anchors: [stranger] }),
  good("an anchor's name with another key beside the true one", {
    chain: [leaf, authority],
    anchors: [impostor, root],
  }),
  good(
    "no key identifiers anywhere",
    two({ authorityKeyId: null, subjectKeyId: null }, { authorityKeyId: null, subjectKeyId: null }),
  ),
  good("an authority without key usage", two({}, { keyUsage: null })),
  good(
    "a leaf without key usage, purposes or basic constraints",
    two({ keyUsage: null, extendedKeyUsage: null, basicConstraints: null }),
  ),
  good("basic constraints that are not critical", two({}, { basicConstraints: "not-critical" })),
  good("a path of eight certificates", line({}, {}, {}, {}, {}, {})),
  bad("issuer-unknown", "nothing to chain to", { chain: [leaf, authority], anchors: [stranger] }),
  bad("issuer-unknown", "a missing authority", [leaf]),
  bad("issuer-unknown", "its own root, which nobody trusts", [createLeaf(stranger), stranger]),
  bad("issuer-unknown", "a self-signed leaf", [createLeaf(createRoot({ subject: "Me" }), { subject: "Me" })]),
  bad("basic-constraints", "a self-signed leaf that is itself an anchor", selfSignedAnchor()),
  bad("issuer-unknown", "CAs that sign each other in a circle", [createLeaf(bByA), bByA, aByB]),
  bad("chain-too-long", "a path of nine certificates", line({}, {}, {}, {}, {}, {}, {})),
  bad("chain-too-long", "nine certificates where two would do", padded()),
  bad("expired", "an expired leaf", two({ notAfter: Date.now() - 1000 })),
  bad("expired", "an expired authority", two({}, { notAfter: Date.now() - 1000 })),
  bad("expired", "an expired root", { chain: [createLeaf(expiredRoot)], anchors: [expiredRoot] }),
  bad(
    "not-yet-valid",
    "a leaf of tomorrow",
    two({ notBefore: Date.now() + DAY_MS, notAfter: Date.now() + 2 * DAY_MS }),
  ),
  bad("not-yet-valid", "an authority of tomorrow", two({}, { notBefore: Date.now() + DAY_MS })),
  bad("not-yet-valid", "a root of tomorrow", underRoot({ notBefore: Date.now() + DAY_MS })),
  bad("signature", "a signature with a flipped bit on the leaf", [tampered(leaf), authority]),
  bad("signature", "a signature with a flipped bit on the authority", [leaf, tampered(authority)]),
  bad("signature", "a leaf signed by another key of the same name", two({ signWith: testKey("ec-p256", "thief") })),
  bad("key-identifier", "an authority signed by another root of the same name", {
    chain: [createLeaf(cross), authority],
    anchors: [impostor],
  }),
  bad("signature", "a signature of another kind than the issuer's key", two({ signWith: testKey("rsa-2048") })),
  bad("signature-algorithm", "a leaf signed with SHA-1 and RSA", {
    chain: [createLeaf(rsaRoot, { signatureAlgorithm: sha1Rsa })],
    anchors: [rsaRoot],
  }),
  bad("signature-algorithm", "a leaf signed with SHA-1 and ECDSA", two({ signatureAlgorithm: sha1Ecdsa })),
  bad("signature-algorithm", "an authority signed with SHA-1", {
    chain: mixed(rsaRoot, { signatureAlgorithm: sha1Rsa }),
    anchors: [rsaRoot],
  }),
  bad(
    "signature-algorithm",
    "a root signed with SHA-1",
    underRoot({ key: testKey("rsa-2048", "corpus root"), signatureAlgorithm: sha1Rsa }),
  ),
  bad("key-strength", "a leaf with RSA 1024", two({ key: testKey("rsa-1024") })),
  bad("key-strength", "an authority with RSA 1024", two({}, { key: testKey("rsa-1024") })),
  bad("key-strength", "a root with RSA 1024", { chain: [createLeaf(smallRoot)], anchors: [smallRoot] }),
  bad("key-strength", "a leaf with a key that cannot sign", [createLeaf(authority, { key: x25519 }), authority]),
  bad("key-strength", "a leaf on another curve", two({ key: testKey("ec-secp256k1") })),
  bad("key-strength", "a leaf with a point that is not on its curve", two({ spki: besideTheCurve() })),
  bad("key-strength", "an authority with an RSA exponent that Go does not take", two({}, { key: largeExponent })),
  good("a URI with user, port, query and fragment", two(uri("https://u:p@a.example.test:8443/x?y=%41#z"))),
  good("a URI with an IPv6 address", two(uri("https://[2001:db8::1]:1/"))),
  good("a URN", two(uri("urn:example:a-b"))),
  good("the SID that AD CS writes", two(uri("tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1104"))),
  good("what Intune writes", two(uri("ID:Microsoft Endpoint Manager:GUID:9a1b"))),
  good("a URI without a host", two(uri("spiffe:///x"))),
  ...[
    "not a uri",
    "a b:c",
    "urn:a\u0001",
    "urn: a",
    "urn:/a b",
    "//example.test/relative",
    "spiffe://example.test./final-dot",
    "spiffe://a..example.test/",
    "http://%65xample.test/",
    "spiffe://example.test/%zz",
    "spiffe://exa mple.test/",
    "spiffe://example.test/\u0001",
    "spiffe://a@b@example.test/",
    "http://[::g]/",
    "http://[:::]/",
    "http://example.test:port/",
  ].map((value) => bad("subject-alternative-name", `${JSON.stringify(value)} as a URI`, two(uri(value)))),
  bad("subject-alternative-name", "an authority with a URI that is none", two({}, uri("http://%65xample.test/"))),
  good(
    "where to ask for revocations",
    two(
      extension(oid.crlDistributionPoints, derSequence(derContext(0, derContext(0, location, true), true))),
      extension(oid.authorityInfoAccess, derSequence(derOid(oid.ocsp), location)),
    ),
  ),
  bad(
    "malformed-extension",
    "CRL distribution points that are none",
    two(extension(oid.crlDistributionPoints, location)),
  ),
  bad(
    "malformed-extension",
    "an authority whose information access has no method",
    two({}, extension(oid.authorityInfoAccess, derSequence(location))),
  ),
  bad("basic-constraints", "an authority without basic constraints", two({}, { basicConstraints: null })),
  bad("basic-constraints", "an authority that is no CA", two({}, { ca: false, keyUsage: null })),
  bad("basic-constraints", "a leaf that signs leaves", [createLeaf(namedLeaf), namedLeaf, authority]),
  bad("basic-constraints", "a root without basic constraints", underRoot({ basicConstraints: null })),
  bad("basic-constraints", "a CA as the leaf", [authority]),
  bad("key-usage", "an authority without keyCertSign", two({}, { keyUsage: ["digitalSignature", "cRLSign"] })),
  bad("key-usage", "a root without keyCertSign", underRoot({ keyUsage: ["cRLSign"] })),
  bad("key-usage", "a leaf with keyCertSign", two({ keyUsage: ["digitalSignature", "keyCertSign"] })),
  bad("key-usage", "a leaf without digitalSignature", two({ keyUsage: ["cRLSign"] })),
  bad("issuer-name", "an authority with an empty subject", two({}, { subject: "" })),
  bad("issuer-name", "a root with an empty subject", underRoot({ subject: "" })),
  good("a path length that is kept", line({ pathLength: 1 }, { pathLength: 0 })),
  bad("path-length", "a path length of 0 with a CA beneath", line({ pathLength: 0 }, {})),
  bad("path-length", "a path length of 1 with two CAs beneath", line({ pathLength: 1 }, { pathLength: 5 }, {})),
  bad("path-length", "a root's path length", rootPathLength()),
  good("a self-issued CA, which does not count", { chain: selfIssuedLine(0), anchors: [shortRoot] }),
  bad("path-length", "a CA under a self-issued one, which counts", { chain: selfIssuedLine(1), anchors: [shortRoot] }),
  bad(
    "extended-key-usage",
    "a leaf for clients alone, asked for servers too",
    two({ extendedKeyUsage: [oid.clientAuth] }),
  ),
  good("a leaf for clients alone, asked for clients", two({ extendedKeyUsage: [oid.clientAuth] }), ["clientAuth"]),
  bad("extended-key-usage", "an authority for clients alone", two({}, { extendedKeyUsage: [oid.clientAuth] })),
  good("an authority for both", two({}, { extendedKeyUsage: [oid.serverAuth, oid.clientAuth] })),
  bad("extended-key-usage", "a root for e-mail", underRoot({ extendedKeyUsage: ["1.3.6.1.5.5.7.3.4"] })),
  bad(
    "extended-key-usage",
    "anyExtendedKeyUsage, which is no purpose for OpenSSL",
    two({}, { extendedKeyUsage: [oid.anyExtendedKeyUsage] }),
  ),
  bad(
    "unknown-critical-extension",
    "an unknown critical extension in the leaf",
    two({ extraExtensions: [unknownExtension] }),
  ),
  bad(
    "unknown-critical-extension",
    "an unknown critical extension in the authority",
    two({}, { extraExtensions: [unknownExtension] }),
  ),
  bad(
    "unknown-critical-extension",
    "an unknown critical extension in the root",
    underRoot({ extraExtensions: [unknownExtension] }),
  ),
  good(
    "an explicit policy that is demanded and there",
    two({ extraExtensions: [policies("1.2.3")] }, { extraExtensions: [policies("1.2.3"), requireExplicitPolicy(0)] }),
  ),
  bad(
    "certificate-policies",
    "an explicit policy that is demanded and missing",
    two({}, { extraExtensions: [policies("1.2.3"), requireExplicitPolicy(0)] }),
  ),
];
