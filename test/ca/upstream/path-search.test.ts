import assert from "node:assert/strict";
import { test } from "node:test";
import { PathFinder } from "../../../src/ca/upstream/path-search.ts";
import { createIntermediate, createRoot, freshKey, type TestCertificate } from "../../support/pki.ts";

const certificatesOf = (given: readonly TestCertificate[]) => given.map(({ certificate }) => certificate);

test("a name that differs issues nothing, though the key is the same", () => {
  const key = freshKey();
  const root = createRoot({ subject: "Root", key });
  const renamed = createRoot({ subject: "Another", key });
  const child = createIntermediate(root);
  const finder = new PathFinder();
  assert.ok(finder.issued(root.certificate, child.certificate));
  assert.ok(!finder.issued(renamed.certificate, child.certificate));
});

test("signatures are checked up to a bound, and then nothing more is believed", () => {
  const child = createIntermediate(createRoot({ subject: "Same" }));
  const namesakes = Array.from({ length: 140 }, () => createRoot({ subject: "Same" }));
  const genuine = createRoot({ subject: "Root" });
  const last = createIntermediate(genuine);
  const finder = new PathFinder();
  assert.ok(finder.search(child.certificate, certificatesOf(namesakes), []).exhausted);
  assert.ok(!finder.issued(genuine.certificate, last.certificate));
  assert.ok(new PathFinder().issued(genuine.certificate, last.certificate));
});

test("candidates are looked at up to a bound", () => {
  const root = createRoot({ subject: "Root" });
  const child = createIntermediate(root);
  const crowd = Array.from({ length: 600 }, (_, i) => createRoot({ subject: `Stranger ${i}` }));
  const search = new PathFinder().search(child.certificate, certificatesOf([...crowd, root]), []);
  assert.ok(search.exhausted);
  assert.deepEqual(search.complete, []);
});
