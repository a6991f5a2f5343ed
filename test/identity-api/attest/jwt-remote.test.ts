import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { oid } from "../../../src/x509/index.ts";
import { createCertificate, createRoot } from "../../support/pki.ts";
import { temporaryFolder } from "../../support/postgres.ts";
import { until } from "../../support/until.ts";
import { attestorOf, claims, jwks, serve, testKey, token } from "./jwt-support.ts";

async function codeOf(attempt: Promise<unknown>): Promise<string | undefined> {
  try {
    await attempt;
    return undefined;
  } catch (error) {
    assert(error instanceof Error && "code" in error && typeof error.code === "string", String(error));
    return error.code;
  }
}

test("keys come from a URL, once for many tokens, and again after five minutes", async () => {
  const web = await serve((_, response) => response.end(jwks(testKey())));
  try {
    const { attestor, clock } = attestorOf({ jwksUrl: `${web.url}/keys` });
    assert.equal(web.requests.length, 0, "nothing is fetched before it is needed");
    for (let n = 0; n < 5; n++) await attestor.attest(await token());
    assert.deepEqual(web.requests, ["/keys"]);
    clock.advance(301_000);
    const fresh = () => token(claims({ exp: clock.now() / 1000 + 60, iat: clock.now() / 1000 }));
    await attestor.attest(await fresh());
    await until(() => web.requests.length === 2, "there is a refresh in the background");
  } finally {
    await web.close();
  }
});

test("callers that come while the first keys are loading wait for them", async () => {
  const web = await serve((_, response) => setTimeout(() => response.end(jwks(testKey())), 200));
  try {
    const { attestor } = attestorOf({ jwksUrl: web.url });
    const text = await token();
    const evidence = await Promise.all(Array.from({ length: 20 }, () => attestor.attest(text)));
    assert.equal(evidence.length, 20);
    assert.equal(web.requests.length, 1);
  } finally {
    await web.close();
  }
});

test("keys are found by discovery", async () => {
  const web = await serve((request, response) => {
    if (request.url === "/realm/.well-known/openid-configuration") {
      response.end(JSON.stringify({ issuer: `${web.url}/realm`, jwks_uri: `${web.url}/realm/keys` }));
    } else response.end(jwks(testKey()));
  });
  try {
    const issuer = `${web.url}/realm`;
    const { attestor } = attestorOf({ discovery: true, issuer });
    await attestor.attest(await token(claims({ iss: issuer })));
    assert.deepEqual(web.requests, ["/realm/.well-known/openid-configuration", "/realm/keys"]);
  } finally {
    await web.close();
  }
});

test("a discovery document of another issuer, or with another scheme, is refused", async () => {
  for (const document of [
    (url: string) => ({ issuer: "https://evil.example", jwks_uri: `${url}/keys` }),
    (url: string) => ({ issuer: `${url}/`, jwks_uri: `${url}/keys` }),
    (url: string) => ({ issuer: url, jwks_uri: "http://169.254.169.254/keys" }),
    (url: string) => ({ issuer: url, jwks_uri: "file:///etc/passwd" }),
    (url: string) => ({ issuer: url, jwks_uri: 7 }),
    (url: string) => ({ issuer: url }),
    () => [],
  ]) {
    const web = await serve((_, response) => response.end(JSON.stringify(document(web.url))));
    try {
      const { attestor } = attestorOf({ discovery: true, issuer: web.url });
      assert.equal(await codeOf(attestor.attest(await token(claims({ iss: web.url })))), "MCA_JWKS_UNAVAILABLE");
      assert.equal(web.requests.length, 1);
    } finally {
      await web.close();
    }
  }
});

test("a new key of the issuer is found by its kid", async () => {
  let published = jwks(testKey());
  const web = await serve((_, response) => response.end(published));
  try {
    const { attestor, clock } = attestorOf({ jwksUrl: web.url });
    await attestor.attest(await token());
    const next = testKey("ES256", "key-2");
    published = jwks(testKey(), next);
    clock.advance(10_000);
    await attestor.attest(await token(claims(), next));
    assert.equal(web.requests.length, 2);
  } finally {
    await web.close();
  }
});

test("the last good keys stay while the issuer is away, for a day at most", async () => {
  let up = true;
  const web = await serve((_, response) => {
    if (up) response.end(jwks(testKey()));
    else response.writeHead(503).end();
  });
  try {
    const { attestor, clock } = attestorOf({ jwksUrl: web.url });
    const fresh = () => token(claims({ exp: clock.now() / 1000 + 60, iat: clock.now() / 1000 }));
    await attestor.attest(await fresh());
    up = false;
    clock.advance(86_400_000);
    await attestor.attest(await fresh());
    await until(() => attestor.problem !== undefined, "the refresh in the background has failed");
    assert.match(attestor.problem ?? "", /status 503/);
    clock.advance(10_001);
    assert.equal(await codeOf(attestor.attest(await fresh())), "MCA_JWKS_UNAVAILABLE");
    up = true;
    clock.advance(10_001);
    await attestor.attest(await fresh());
    assert.equal(attestor.problem, undefined);
  } finally {
    await web.close();
  }
});

test("an https issuer is verified against the configured CA, and against no other", async () => {
  const root = createRoot();
  const server = createCertificate(root, {
    names: [{ kind: "ip", bytes: Uint8Array.of(127, 0, 0, 1) }],
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: [oid.serverAuth],
    subject: "issuer",
  });
  const web = createTlsServer({ cert: server.pem, key: server.keyPem }, (_, response) => response.end(jwks(testKey())));
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = web.address() as AddressInfo;
    const folder = await temporaryFolder();
    const caFile = join(folder, "ca.pem");
    await writeFile(caFile, root.pem);
    const trusted = attestorOf({ jwksUrl: `https://127.0.0.1:${port}/`, caFile });
    await trusted.attestor.attest(await token());
    await writeFile(caFile, createRoot({ subject: "Another" }).pem);
    for (const config of [{ caFile }, {}]) {
      const { attestor } = attestorOf({ jwksUrl: `https://127.0.0.1:${port}/`, ...config });
      assert.equal(await codeOf(attestor.attest(await token())), "MCA_JWKS_UNAVAILABLE");
    }
    const named = attestorOf({ jwksUrl: `https://localhost:${port}/`, caFile });
    await writeFile(caFile, root.pem);
    assert.equal(await codeOf(named.attestor.attest(await token())), "MCA_JWKS_UNAVAILABLE", "the name is checked too");
  } finally {
    web.closeAllConnections();
    await new Promise((resolve) => web.close(resolve));
  }
});
