// Certificates that were presented lately are read once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readCertificate } from "../../src/tls/known-certificates.ts";
import { X509Error } from "../../src/x509/index.ts";
import { createLeaf, createRoot } from "../support/pki.ts";

const root = createRoot();
const leaf = (name: string): Buffer => Buffer.from(createLeaf(root, { spiffeId: `spiffe://example.test/${name}` }).der);

test("the same bytes give the same object, other bytes another", () => {
  const one = leaf("one");
  assert.equal(readCertificate(Buffer.from(one)), readCertificate(one));
  assert.notEqual(readCertificate(leaf("one")), readCertificate(one));
});

test("what the reader refuses is refused each time", () => {
  const broken = leaf("broken").subarray(0, 100);
  assert.throws(() => readCertificate(broken), X509Error);
  assert.throws(() => readCertificate(broken), X509Error);
});

test("strangers push out those that were not seen for long, and never make it grow", () => {
  const [old, used] = [leaf("old"), leaf("used")];
  const first = readCertificate(old);
  const kept = readCertificate(used);
  const stranger = leaf("stranger");
  for (let serial = 0; serial < 600; serial++) {
    // Another certificate each time, by its signature, which nobody verifies here.
    const bytes = Buffer.from(stranger);
    bytes.writeUInt16BE(serial, bytes.length - 2);
    readCertificate(bytes);
    if (serial % 100 === 0) readCertificate(used);
  }
  assert.equal(readCertificate(used), kept);
  assert.notEqual(readCertificate(old), first);
});
