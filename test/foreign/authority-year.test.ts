// A sample of the leaves of a simulated year (test/support/simulate-year.ts), verified by the openssl program at the times of the year:
// the first and the last under each authority, so around each rotation, and everything around the change of the enterprise's root. Good
// from its first to its last moment, by the bundle of either moment; refused when it has ended, and by a bundle of another time.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { encodePem, parseCertificate, sha256Hex, toHex } from "../../src/x509/index.ts";
import { simulateYear, type YearBundle, type YearLeaf, type YearOptions } from "../support/simulate-year.ts";

const folder = mkdtempSync(join(tmpdir(), "mesh-ca-year-openssl-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** X509_V_ERR_CERT_HAS_EXPIRED. */
const EXPIRED = 10;
/** No path to an anchor: unable to get (local) issuer certificate, self-signed in chain, unable to verify the first. */
const NO_PATH = [2, 18, 19, 20, 21];
/** A leaf of a root that has been changed for another is verified by every bundle of so long after the change. */
const AROUND_MS = 3 * 86_400_000;

// Whole rotations and the root change, in as many days as that takes: people's signatures last 90 days.
const years: readonly (YearOptions & { readonly signers: number; readonly roots: number })[] = [
  { upstream: "self-signed", days: 28, signers: 6, roots: 6 },
  { upstream: "disk", days: 28, signers: 6, roots: 2 },
  { upstream: "offline", days: 300, stepHours: 24, signers: 6, roots: 2 },
];

for (const { signers, roots, ...options } of years) {
  test(`openssl verifies leaves of a year, and no longer than they are good: ${options.upstream}`, async (t) => {
    const bundles: YearBundle[] = [];
    const sampled = new Map<string, { first: YearLeaf; last: YearLeaf }>();
    const around: YearLeaf[] = [];
    let changedAt: number | undefined;
    const year = await simulateYear({
      ...options,
      onBundle: (bundle) => {
        const before = bundles.at(-1);
        if (options.upstream !== "self-signed" && before !== undefined && bundle.anchors.length > before.anchors.length)
          changedAt ??= bundle.time;
        bundles.push(bundle);
      },
      onLeaf: (leaf) => {
        const of = issuerOf(leaf);
        const known = sampled.get(of);
        sampled.set(of, { first: known?.first ?? leaf, last: leaf });
        if (changedAt !== undefined && leaf.time - changedAt < AROUND_MS) around.push(leaf);
      },
    });
    assert.ok(year.signers >= signers, `${year.signers} authorities signed`);
    assert.ok(year.roots >= roots, `${year.roots} roots`);
    assert.equal(sampled.size, year.signers);
    assert.equal(around.length > 0, options.upstream !== "self-signed", "leaves around the change of the root");

    const bundleAt = (time: number): YearBundle => {
      const bundle = bundles.findLast((each) => each.time <= time);
      assert.ok(bundle);
      return bundle;
    };
    const leaves = new Set([...[...sampled.values()].flatMap(({ first, last }) => [first, last]), ...around]);
    for (const leaf of leaves) {
      // OpenSSL takes the very last second of a certificate for past.
      const end = leaf.notAfter - 1000;
      assert.equal(verify(leaf, bundleAt(leaf.time), leaf.time), "ok");
      assert.equal(verify(leaf, bundleAt(end), end), "ok");
      assert.equal(verify(leaf, bundleAt(leaf.time), end), "ok", "a client that learned nothing meanwhile");
      assert.equal(verify(leaf, bundleAt(leaf.time), leaf.notAfter + 1000), EXPIRED);
    }

    // A bundle of another time: before its root was in it, and after that had left.
    const [oldest] = sampled.values();
    const newest = [...sampled.values()].at(-1);
    const [firstBundle, lastBundle] = [bundles[0], bundles.at(-1)];
    assert.ok(oldest && newest && firstBundle && lastBundle);
    for (const [leaf, bundle] of [
      [oldest.first, lastBundle],
      [newest.last, firstBundle],
    ] as const) {
      const verdict = verify(leaf, bundle, leaf.time);
      assert.ok(typeof verdict === "number" && NO_PATH.includes(verdict), `${verdict}`);
    }
    t.diagnostic(`${leaves.size} of ${year.leaves} leaves under ${year.signers} authorities and ${year.roots} roots`);
  });
}

/** Names the authority: a self-signed one is not in the chain. */
function issuerOf({ chain }: YearLeaf): string {
  const [leaf] = chain;
  assert.ok(leaf);
  return toHex(parseCertificate(leaf).issuer);
}

/** "ok", or the number of OpenSSL's error. */
function verify({ chain }: YearLeaf, { anchors }: YearBundle, time: number): "ok" | number {
  const file = (certificates: readonly Uint8Array[]): string => {
    const pem = certificates.map((der) => encodePem("CERTIFICATE", der)).join("");
    const path = join(folder, sha256Hex(Buffer.from(pem)));
    writeFileSync(path, pem);
    return path;
  };
  const untrusted = chain.length > 1 ? ["-untrusted", file(chain.slice(1))] : [];
  const args = ["verify", "-x509_strict", "-attime", String(Math.floor(time / 1000)), "-CAfile", file(anchors)];
  // As a server's certificate and as a client's.
  const verdicts = ["sslserver", "sslclient"].map((purpose) => {
    const command = [...args, "-no-CApath", "-no-CAstore", "-purpose", purpose, ...untrusted, file(chain.slice(0, 1))];
    const result = spawnSync("openssl", command, { encoding: "utf8" });
    if (result.status === 0) return "ok";
    const number = /error (\d+) at/.exec(result.stderr + result.stdout)?.[1];
    assert.ok(number, result.stderr);
    return Number(number);
  });
  assert.equal(verdicts[0], verdicts[1]);
  return verdicts[0] ?? "ok";
}
