// The anchors of other trust domains, in the three forms that they come in.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFederationFile } from "../../../src/proxy-tls/identity/trust-files.ts";
import { encodeTrustBundle, encodeTrustFile, TrustDomain } from "../../../src/spiffe/index.ts";
import { encodePem } from "../../../src/x509/index.ts";
import { TestDomain } from "../support/state.ts";

const other = new TestDomain("other.test");
const name = TrustDomain.parse("other.test");
const pem = other
  .trust()
  .anchors.map(({ der }) => encodePem("CERTIFICATE", der))
  .join("");

function anchorsOf(text: string): string[] {
  const trust = parseFederationFile(text, name, "/b");
  assert.equal(trust.trustDomain.name, "other.test");
  return trust.anchors.map(({ sha256 }) => sha256);
}

test("PEM, a SPIFFE bundle and a trust file give the same anchors", () => {
  const expected = other.trust().anchors.map(({ sha256 }) => sha256);
  assert.deepEqual(anchorsOf(pem), expected);
  assert.deepEqual(anchorsOf(`security team's root\n${pem}${pem}`), expected);
  assert.deepEqual(anchorsOf(encodeTrustBundle(other.trust())), expected);
  assert.deepEqual(anchorsOf(encodeTrustFile(other.trust())), expected);
});

test("only a trust file knows authorities and revocations", () => {
  const revocations = [{ kind: "serial", serial: "0a" }] as const;
  const full = parseFederationFile(encodeTrustFile(other.trust({ revocations })), name, "/b");
  assert.equal(full.authorities?.length, 1);
  assert.deepEqual(full.revocations, revocations);
  assert.equal(parseFederationFile(pem, name, "/b").authorities, undefined);
});

test("a trust file of another trust domain is refused", () => {
  const text = encodeTrustFile(new TestDomain("third.test").trust());
  assert.throws(() => parseFederationFile(text, name, "/b"), /trust of third\.test, not of other\.test/);
});

test("a bundle without keys trusts nobody; an empty file is a mistake", () => {
  assert.deepEqual(anchorsOf('{"keys":[]}'), []);
  assert.throws(() => anchorsOf(""), /no PEM block/);
  assert.throws(() => anchorsOf("{}"), /MCA_BUNDLE_INVALID|bundle/);
  assert.throws(() => anchorsOf('{"keys":[]'), /JSON/);
});

test("leaves and keys are no anchors", () => {
  const leaf = other.identity("/a");
  assert.throws(() => anchorsOf(leaf.certificateChainPem), /not a CA/);
  assert.throws(() => anchorsOf(pem + leaf.privateKeyPem), /holds a PRIVATE KEY/);
});
