// The bundle as others see it: what is served, to whom, and when its sequence changes (rules B-* and F-* of the conformance table).
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AuthorityManager } from "../../src/ca/authority/index.ts";
import { DiskUpstream } from "../../src/ca/upstream/index.ts";
import { BundleDocuments } from "../../src/identity-api/http/bundle-document.ts";
import { publishedTrust } from "../../src/identity-api/http/published-trust.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { expectServer, parseBundle, TrustDomain, X509SvidVerifier } from "../../src/spiffe/index.ts";
import { presentedChain } from "../../src/tls/index.ts";
import { type Certificate, parseCertificate } from "../../src/x509/index.ts";
import { FakeClock, NOW } from "../ca/issuance/materials.ts";
import { createWorld, type World, type WorldOptions } from "../ca/issuance/world.ts";
import { startTestServer } from "../e2e/fixture.ts";
import { ask, rawTls, startWeb, trustWith, webLeaf } from "../identity-api/http/https-support.ts";
import { createRoot } from "../support/pki.ts";
import { clientIdentity } from "../tls/support/endpoints.ts";

const DAY = 86_400_000;
const TRUST_DOMAIN = TrustDomain.parse("example.test");

async function withWorld(options: WorldOptions, run: (world: World) => Promise<void>): Promise<void> {
  const world = await createWorld(options);
  try {
    await run(world);
  } finally {
    await world.close();
  }
}

interface Served {
  readonly step: string;
  readonly sequence: bigint;
  /** Everything but the sequence. */
  readonly content: string;
  readonly etag: string;
  readonly anchors: number;
}

/** Serves the bundle after each step, also as a replica that has only just started does, and remembers what was served. */
class Consumer {
  readonly served: Served[] = [];
  readonly #world: World;
  readonly #documents = new BundleDocuments();

  constructor(world: World) {
    this.#world = world;
  }

  async after(step: string, work?: () => Promise<unknown>): Promise<Served> {
    await work?.();
    const { dependencies, authorities } = this.#world;
    const { body, etag } = this.#documents.of(publishedTrust({ authorities, trustDomain: TRUST_DOMAIN.name }));
    const replica = await AuthorityManager.open({ ...dependencies, replica: 2 });
    const other = new BundleDocuments().of(publishedTrust({ authorities: replica, trustDomain: TRUST_DOMAIN.name }));
    await replica.close();
    assert.equal(other.etag, etag, `${step}: two replicas serve the same bytes`);
    const text = body.toString("utf8");
    const { sequence = -1n, x509Authorities } = parseBundle(text, TRUST_DOMAIN);
    const content = JSON.stringify({ ...JSON.parse(text), spiffe_sequence: undefined });
    const now: Served = { step, sequence, content, etag, anchors: x509Authorities.length };
    this.served.push(now);
    return now;
  }

  /** The rule itself, for each step and the one before it. */
  check(): void {
    for (const [at, now] of this.served.entries()) {
      const before = this.served[at - 1];
      if (before === undefined) continue;
      const changed = now.content !== before.content;
      assert.equal(now.sequence > before.sequence, changed, `${now.step}: content changed: ${changed}`);
      assert.equal(now.sequence < before.sequence, false, `${now.step}: the sequence went back`);
      assert.equal(now.etag !== before.etag, changed, now.step);
    }
  }
}

test("B-2: the sequence changes exactly when the content does, through the whole life of self-signed authorities", () =>
  withWorld({}, async (world) => {
    const { authorities, clock } = world;
    const consumer = new Consumer(world);
    const cause = "test";
    const first = authorities.active().spkiSha256;
    await consumer.after("init");
    const { spkiSha256: second } = await authorities.prepare(cause);
    assert.equal((await consumer.after("prepare")).anchors, 2);
    await consumer.after("look again", () => authorities.refresh());
    clock.advance(1500);
    await consumer.after("activate", () => authorities.activate(second, { cause }));
    await consumer.after("remove", () => authorities.remove(first, cause));
    const { spkiSha256: given } = await authorities.prepare(cause);
    await consumer.after("prepare another");
    await consumer.after("give it up", () => authorities.retire(given, cause));
    await consumer.after("remove it", () => authorities.remove(given, cause));
    const { spkiSha256: third } = await authorities.prepare(cause);
    await consumer.after("prepare a third");
    clock.advance(1500);
    await consumer.after("taint the active one", () => authorities.taint(second, { cause }));
    assert.equal(authorities.active().spkiSha256, third);
    await consumer.after("revoke it", () => authorities.revoke(second, { cause }));
    consumer.check();
    const sequences = consumer.served.map(({ sequence }) => sequence);
    assert.deepEqual(sequences, [1n, 2n, 2n, 2n, 3n, 4n, 4n, 5n, 6n, 6n, 7n]);
  }));

test("B-2: authorities that come and go under one enterprise root change nothing in the bundle; another root does", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mesh-ca-roots-"));
  const lasting = { notBefore: NOW - DAY, notAfter: NOW + 3650 * DAY };
  const files = { certificateFile: join(folder, "ca.pem"), keyFile: join(folder, "ca.key") };
  const install = (subject: string): void => {
    const root = createRoot({ ...lasting, subject });
    writeFileSync(files.certificateFile, root.pem, { mode: 0o600 });
    writeFileSync(files.keyFile, root.keyPem, { mode: 0o600 });
  };
  install("Old Root");
  const upstream = await DiskUpstream.open({ ...files, clock: new FakeClock(), logger: silentLogger });
  try {
    await withWorld({ upstream }, async (world) => {
      const { authorities, clock } = world;
      const consumer = new Consumer(world);
      const cause = "test";
      const first = authorities.active().spkiSha256;
      await consumer.after("init");
      const { spkiSha256: second } = await authorities.prepare(cause);
      await consumer.after("prepare under the same root");
      clock.advance(1500);
      await consumer.after("activate", () => authorities.activate(second, { cause }));
      await consumer.after("remove", () => authorities.remove(first, cause));
      install("New Root");
      await upstream.refresh();
      const { spkiSha256: third } = await authorities.prepare(cause);
      const both = await consumer.after("prepare under another root");
      assert.equal(both.anchors, 2);
      clock.advance(1500);
      await consumer.after("activate under it", () => authorities.activate(third, { cause }));
      await consumer.after("remove the last one under the old root", () => authorities.remove(second, cause));
      consumer.check();
      const anchors = consumer.served.map(({ anchors: count }) => count);
      assert.deepEqual(anchors.slice(0, 6), [1, 1, 1, 1, 2, 2]);
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("B-2: another refresh hint is another content: the sequence moves once, and replicas tell the same", () =>
  withWorld({}, async (world) => {
    const { authorities, dependencies, settings } = world;
    const consumer = new Consumer(world);
    await consumer.after("init");
    await consumer.after("start with the same setting", () => authorities.publishRefreshHint());
    const changed = { ...dependencies, replica: 2, settings: { ...settings, refreshHintSeconds: 77 } };
    const other = await AuthorityManager.open(changed);
    await consumer.after("a setting alone tells nothing", () => authorities.refresh());
    await consumer.after("start with another setting", async () => {
      await other.publishRefreshHint();
      await authorities.refresh();
    });
    assert.equal(authorities.trustSet().refreshHintSeconds, 77);
    await consumer.after("and again", async () => {
      await other.publishRefreshHint();
      await authorities.refresh();
    });
    await other.close();
    consumer.check();
    assert.deepEqual(
      consumer.served.map(({ sequence }) => sequence),
      [1n, 1n, 1n, 2n, 2n],
    );
    const entries = (await world.entries()).filter(({ kind }) => kind === "bundle.changed");
    assert.deepEqual(
      entries.map(({ sequence }) => sequence),
      ["2"],
    );
  }));

test("B-1, B-4, B-7: each root is an entry of its own, and nothing is served that the standard does not define", async () => {
  const roots = [
    createRoot({ subject: "One", notBefore: NOW - 3 * DAY }),
    createRoot({ subject: "Two", notBefore: NOW - 2 * DAY }),
  ];
  await using web = await startWeb({ trust: () => trustWith(roots, 9_007_199_254_740_993n, 60) });
  const { body } = await ask(web.port);
  const bundle: unknown = JSON.parse(body.toString("utf8"));
  assert.ok(typeof bundle === "object" && bundle !== null && "keys" in bundle && Array.isArray(bundle.keys));
  assert.deepEqual(Object.keys(bundle), ["keys", "spiffe_sequence", "spiffe_refresh_hint"]);
  for (const [at, key] of bundle.keys.entries()) {
    assert.deepEqual(Object.keys(key), ["kty", "use", "crv", "x", "y", "x5c"]);
    assert.equal(key.use, "x509-svid");
    assert.equal(key.x5c.length, 1);
    assert.deepEqual(parseCertificate(Buffer.from(key.x5c[0], "base64")).der, roots[at]?.der);
  }
  // B-2: every digit, beyond what a double holds.
  assert.match(body.toString("utf8"), /"spiffe_sequence": 9007199254740993,/);
});

test("B-3: caches may keep the bundle for as long as its refresh hint says", async () => {
  await using web = await startWeb({ trust: () => trustWith([webLeaf], 1n, 77) });
  const { headers, body } = await ask(web.port);
  assert.equal(headers["cache-control"], "public, max-age=77");
  assert.match(body.toString("utf8"), /"spiffe_refresh_hint": 77\n/);
});

test("F-1: a web client knows the endpoint by its name, and a SPIFFE client by the server's ID", async () => {
  await using web = await startWeb();
  assert.equal((await ask(web.port)).status, 200);
  await assert.rejects(ask(web.port, "/v1/bundle", { tls: { servername: "other.example.test" } }), /altnames/);
  const on = await startTestServer();
  try {
    const { body, chain } = await askAsSpiffe(on.server.addresses.https?.port ?? 0);
    const { x509Authorities, sequence = 0n, refreshHintSeconds } = parseBundle(body, TRUST_DOMAIN);
    const verifier = new X509SvidVerifier({ ...trustWith([]), anchors: x509Authorities, authorities: undefined });
    expectServer(verifier.verify(chain, systemClock.now()));
    assert.deepEqual([sequence, refreshHintSeconds], [1n, 300]);
  } finally {
    await on.close();
  }
});

test("F-4: no client certificate is needed, and one that nobody trusts does no harm", async () => {
  const { certificateChainPem: cert, privateKeyPem: key } = clientIdentity;
  await using web = await startWeb();
  for (const tls of [
    {},
    { cert, key },
    { cert, key, maxVersion: "TLSv1.2" },
    { cert: webLeaf.pem, key: webLeaf.keyPem },
  ]) {
    assert.equal((await ask(web.port, "/v1/bundle", { tls })).status, 200);
  }
});

test("F-5: GET gives the newest bundle, as application/json in UTF-8", async () => {
  let sequence = 0n;
  await using web = await startWeb({ trust: () => trustWith([webLeaf], ++sequence) });
  for (const expected of [1n, 2n, 3n]) {
    const { headers, body } = await ask(web.port);
    assert.equal(headers["content-type"], "application/json");
    assert.equal(headers["content-encoding"], undefined);
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
    assert.equal(text.startsWith("{"), true);
    const newest = text.match(/"spiffe_sequence": (\d+)/)?.[1];
    assert.equal(BigInt(newest ?? -1), expected);
  }
});

/** Asks as one who trusts no web CA, and keeps the certificates that the server showed. */
async function askAsSpiffe(port: number): Promise<{ body: string; chain: Certificate[] }> {
  const socket = await rawTls(port, { rejectUnauthorized: false, ca: [], servername: "localhost" });
  const chain = presentedChain(socket);
  const closed = new Promise<string>((resolve) => {
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    socket.once("close", () => resolve(text));
  });
  socket.write("GET /v1/bundle HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
  const text = await closed;
  return { body: text.slice(text.indexOf("\r\n\r\n") + 4), chain };
}
