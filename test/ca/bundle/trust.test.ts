import assert from "node:assert/strict";
import { test } from "node:test";
import { buildTrustSet } from "../../../src/ca/bundle/index.ts";
import { TrustDomain } from "../../../src/spiffe/index.ts";
import { createIntermediate, createRoot } from "../../support/pki.ts";
import { makeAuthority } from "../issuance/materials.ts";

const trustDomain = TrustDomain.parse("example.test");
const build = (authorities: Parameters<typeof buildTrustSet>[0]["authorities"]) =>
  buildTrustSet({
    trustDomain,
    authorities,
    distrustedSpkis: ["ab"],
    prunedAnchors: [],
    sequence: 7n,
    revision: 1n,
    refreshHintSeconds: 300,
  });

test("a self-signed authority is its own anchor; a chained one brings its root, its path, and itself", async () => {
  const { certificate: own } = await makeAuthority();
  const root = createRoot();
  const middle = createIntermediate(root);
  const chained = createIntermediate(middle);
  const trust = build([
    { certificate: own, intermediates: [], anchor: own },
    { certificate: chained.certificate, intermediates: [middle.certificate], anchor: root.certificate },
  ]);
  assert.deepEqual(trust.anchors, [own, root.certificate]);
  assert.deepEqual(trust.authorities, [own, chained.certificate]);
  assert.deepEqual(trust.intermediates, [middle.certificate]);
  assert.deepEqual([trust.sequence, trust.refreshHintSeconds, [...trust.distrustedSpkis]], [7n, 300, ["ab"]]);
});

test("two authorities under one root: the root stands in the bundle once", () => {
  const root = createRoot();
  const [first, second] = [createIntermediate(root), createIntermediate(root)];
  const fields = (of: typeof first) => ({ certificate: of.certificate, intermediates: [], anchor: root.certificate });
  const trust = build([fields(first), fields(second)]);
  assert.equal(trust.anchors.length, 1);
  assert.equal(trust.authorities?.length, 2);
});

test("without a published authority nothing is trusted: an empty list, never an unknown one", () => {
  const trust = build([]);
  assert.deepEqual([trust.anchors, trust.authorities, trust.intermediates], [[], [], []]);
});
