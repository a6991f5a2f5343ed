// The HTTPS listener as a whole: when its port is open, what it shows, and what it tells operators. It never makes a server unready.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseConfig } from "../../../src/identity-api/config/index.ts";
import { identityOf, until } from "../../tls/support/endpoints.ts";
import { ask, createWebLeaf, rawTls, startWeb, webLeaf } from "./https-support.ts";

const folder = mkdtempSync(join(tmpdir(), "mesh-ca-https-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const DAY = 86_400_000;

const closedPort = async (port: number): Promise<boolean> => {
  try {
    await ask(port);
    return false;
  } catch {
    return true;
  }
};

test("the port is open exactly while there is a certificate to show, and is the same when it opens again", async () => {
  await using web = await startWeb();
  const { port } = web;
  assert.equal((await ask(port)).status, 200);
  web.identity.set(undefined);
  await until(() => web.address === undefined, "the port closes");
  assert.ok(await closedPort(port));
  assert.match(await web.metrics(), /mesh_ca_https_certificate_not_after_seconds 0$/m);
  web.identity.set(identityOf(webLeaf));
  await until(() => web.address !== undefined, "the port opens");
  assert.equal(web.port, port);
  assert.equal((await ask(port)).status, 200);
  assert.match(
    await web.metrics(),
    new RegExp(`mesh_ca_https_certificate_not_after_seconds ${webLeaf.certificate.notAfter / 1000}$`, "m"),
  );
});

test("a server that has no SVID yet opens the port when it gets one, without a restart", async () => {
  await using web = await startWeb();
  await using later = await startWeb({ ownIdentity: web.identity });
  assert.notEqual(later.address, undefined);
  web.identity.set(undefined);
  await using waiting = await startWeb({ ownIdentity: web.identity });
  assert.equal(waiting.address, undefined);
  assert.deepEqual(waiting.notes(), []);
  web.identity.set(identityOf(webLeaf));
  await until(() => waiting.address !== undefined, "the port opens");
  assert.equal((await ask(waiting.port)).status, 200);
});

test("the files' certificate is shown, its replacement to the next connection while open ones go on", async () => {
  const files = { certificateFile: join(folder, "a.pem"), keyFile: join(folder, "a.key") };
  const leaf = createWebLeaf({ notAfter: Date.now() + 30 * DAY });
  writeFileSync(files.certificateFile, leaf.pem);
  writeFileSync(files.keyFile, leaf.keyPem);
  await using web = await startWeb({ https: files, ownIdentity: undefined });
  const old = await rawTls(web.port);
  assert.equal(old.getPeerX509Certificate()?.raw.equals(leaf.der), true);
  const next = createWebLeaf({ notAfter: Date.now() + 31 * DAY });
  writeFileSync(files.certificateFile, next.pem);
  writeFileSync(files.keyFile, next.keyPem);
  const shows = async (): Promise<boolean> => {
    const socket = await rawTls(web.port);
    const shown = socket.getPeerX509Certificate()?.raw.equals(next.der);
    socket.destroy();
    return shown === true;
  };
  const end = performance.now() + 20_000;
  while (!(await shows())) {
    assert.ok(performance.now() < end, "the replacement was not taken up within 20 s");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  old.write("GET /v1/bundle HTTP/1.1\r\nhost: x\r\n\r\n");
  const answer = await new Promise<string>((resolve) => old.once("data", (chunk) => resolve(chunk.toString("latin1"))));
  assert.match(answer, /^HTTP\/1\.1 200 /);
  old.destroy();
});

test("files that cannot be used close the port and are a note; the server stays ready", async () => {
  const files = { certificateFile: join(folder, "missing.pem"), keyFile: join(folder, "missing.key") };
  await using web = await startWeb({ https: files });
  assert.equal(web.address, undefined, "it never shows another certificate than the configured one");
  const { ready, reasons } = web.readiness.state;
  assert.deepEqual([ready, reasons], [true, []]);
  assert.match(web.notes().join(), /^listen\.https: .*missing\.pem cannot be read/);
});

test("an end that is near is a note, and the end itself is in the metrics", async () => {
  const files = { certificateFile: join(folder, "b.pem"), keyFile: join(folder, "b.key") };
  const leaf = createWebLeaf({ notBefore: Date.now() - 80 * DAY, notAfter: Date.now() + 10 * DAY });
  writeFileSync(files.certificateFile, leaf.pem);
  writeFileSync(files.keyFile, leaf.keyPem);
  await using web = await startWeb({ https: files });
  assert.equal((await ask(web.port)).status, 200);
  assert.match(web.notes().join(), /^listen\.https: The certificate in .*b\.pem ends at/);
  assert.match(await web.metrics(), new RegExp(`not_after_seconds ${leaf.certificate.notAfter / 1000}$`, "m"));
});

test("switched off there is no port; where nothing will ever be shown there is a note", async () => {
  await using off = await startWeb({ https: { enabled: false } });
  assert.equal(off.address, undefined);
  assert.deepEqual(off.notes(), []);
  await using none = await startWeb({ ownIdentity: undefined });
  assert.equal(none.address, undefined);
  assert.match(none.notes().join(), /no certificateFile is set/);
});

test("a port that is taken is MCA_TLS_LISTEN_FAILED", async () => {
  await using web = await startWeb();
  await assert.rejects(startWeb({ https: { port: web.port } }), { code: "MCA_TLS_LISTEN_FAILED" });
});

test("one file without the other is refused with the configuration", () => {
  for (const https of [{ certificateFile: "/a" }, { keyFile: "/a" }]) {
    assert.throws(() => parseConfig({ trustDomain: "example.test", listen: { https } }), {
      code: "MCA_CONFIG_INVALID",
      message: /Set both/,
    });
  }
});

test("closing waits for nobody who has nothing under way", async () => {
  const web = await startWeb();
  const idle = await rawTls(web.port);
  const begun = performance.now();
  await web[Symbol.asyncDispose]();
  assert.ok(performance.now() - begun < 5_000);
  idle.destroy();
});
