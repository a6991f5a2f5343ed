// Certificate policies: only a demand for an explicit policy can refuse a path (RFC 5280 section 6.1).
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  derContext,
  derOid,
  derSequence,
  derSmallInteger,
  encodeExtension,
  oid,
  validatePath,
} from "../../../src/x509/index.ts";
import {
  type CertificateOptions,
  createIntermediate,
  createLeaf,
  createRoot,
  type TestCertificate,
} from "../../support/pki.ts";

const policies = (...ids: readonly string[]): Uint8Array =>
  encodeExtension(oid.certificatePolicies, true, derSequence(...ids.map((id) => derSequence(derOid(id)))));
const explicit = (after: number): Uint8Array =>
  encodeExtension(oid.policyConstraints, true, derSequence(derContext(0, Uint8Array.of(after), false)));
const inhibitAny = (after: number): Uint8Array => encodeExtension(oid.inhibitAnyPolicy, true, derSmallInteger(after));
const mappings = encodeExtension(oid.policyMappings, true, derSequence(derSequence(derOid("1.2.3"), derOid("1.2.4"))));
const anyPolicy = oid.anyPolicy;
const P = "1.2.3";
const Q = "1.2.9";

/** Root, then one CA for each list but the last, then a leaf with the last list. */
function judge(rootExtensions: readonly Uint8Array[], ...below: readonly (readonly Uint8Array[])[]): void {
  const options = (extensions: readonly Uint8Array[]): CertificateOptions => ({ extraExtensions: extensions });
  const root = createRoot(options(rootExtensions));
  const chain: TestCertificate[] = [];
  below.forEach((extensions, i) => {
    const issuer = chain[0] ?? root;
    chain.unshift(
      i === below.length - 1
        ? createLeaf(issuer, options(extensions))
        : createIntermediate(issuer, options(extensions)),
    );
  });
  validatePath({
    chain: chain.map((one) => one.certificate),
    anchors: [root.certificate],
    time: Date.now(),
    target: "end-entity",
  });
}
const refused = { name: "PathError", rule: "certificate-policies" };

/** Like `judge`, with a self-issued CA (a new key under the same name) right under the root. */
function judgeSelfIssued(
  root: readonly Uint8Array[],
  selfIssued: readonly Uint8Array[],
  last: CertificateOptions,
): void {
  const top = createRoot({ subject: "Rollover", extraExtensions: root });
  const ca = createIntermediate(top, { subject: "Rollover", extraExtensions: selfIssued });
  const leaf = createLeaf(ca, last);
  validatePath({
    chain: [leaf.certificate, ca.certificate],
    anchors: [top.certificate],
    time: Date.now(),
    target: "end-entity",
  });
}

describe("certificate policies", () => {
  it("that nobody demands refuse nothing, critical as they may be", () => {
    judge([policies(P)], [policies(P)], [policies(Q)]);
    judge([], [mappings, policies(P), inhibitAny(0)], []);
  });

  it("that are demanded must be valid all the way down", () => {
    judge([], [policies(P), explicit(0)], [policies(P)]);
    judge([], [policies(P, Q), explicit(0)], [policies(Q)]);
    assert.throws(() => judge([], [policies(P), explicit(0)], [policies(Q)]), refused);
    assert.throws(() => judge([], [policies(P), explicit(0)], []), refused);
    assert.throws(() => judge([], [explicit(0)], [policies(P)]), refused);
    assert.throws(() => judge([], [policies(P), explicit(0)], [policies(Q)], [policies(P)]), refused);
  });

  it("that are demanded later are demanded only then; the last certificate counts as well", () => {
    judge([], [policies(P), explicit(2)], []);
    assert.throws(() => judge([], [policies(P), explicit(1)], []), refused);
    judge([], [policies(P), explicit(3)], [], []);
    assert.throws(() => judge([], [policies(P), explicit(2)], [], []), refused);
    judge([], [policies(P), explicit(1)], [policies(P)], [policies(P)]);
  });

  it("count down over certificates that follow, and a nearer demand wins", () => {
    assert.throws(() => judge([], [policies(P), explicit(5)], [policies(P), explicit(0)], [policies(Q)]), refused);
  });

  it("of an anchor's demand count too, and its own policies do not", () => {
    assert.throws(() => judge([explicit(0)], []), refused);
    judge([explicit(0), policies(Q)], [policies(P)]);
  });

  it("of a leaf's own demand count at once", () => {
    assert.throws(() => judge([], [explicit(0)]), refused);
    judge([], [explicit(0), policies(P)]);
    judge([], [explicit(1)]);
  });

  it("may be any policy, until that is inhibited", () => {
    judge([], [policies(anyPolicy), explicit(0)], [policies(P)]);
    judge([], [policies(P), explicit(0)], [policies(anyPolicy)]);
    judge([], [policies(P), explicit(0), inhibitAny(1)], [policies(anyPolicy)]);
    assert.throws(() => judge([], [policies(P), explicit(0), inhibitAny(0)], [policies(anyPolicy)]), refused);
    judge([], [policies(P), explicit(0), inhibitAny(0)], [policies(anyPolicy, P)]);
  });

  it("take self-issued CAs between for what they are: they do not count, and may assert any policy", () => {
    judgeSelfIssued([explicit(2)], [], {});
    assert.throws(() => judgeSelfIssued([explicit(1)], [], {}), refused);
    judgeSelfIssued([explicit(0), inhibitAny(0)], [policies(anyPolicy)], { extraExtensions: [policies(P)] });
    assert.throws(() => judge([explicit(0), inhibitAny(0)], [policies(anyPolicy)], [policies(P)]), refused);
    const last = { subject: "Rollover", extraExtensions: [policies(anyPolicy)] };
    assert.throws(() => judgeSelfIssued([explicit(0), inhibitAny(0)], [policies(P)], last), refused);
  });

  it("do not mind a mapping in the leaf, which maps nothing", () => {
    judge([], [policies(P), explicit(0)], [policies(P), mappings]);
  });

  it("behind a mapping are not followed: a path that needs one is refused", () => {
    assert.throws(() => judge([], [policies(P), explicit(0), mappings], [policies("1.2.4")]), refused);
  });
});
