// Options for plain web servers, where Node verifies chain and name itself: it must do so on every connection.
import assert from "node:assert/strict";
import { Agent, createServer, request, type Server } from "node:https";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { webClientTlsOptions } from "../../src/tls/index.ts";
import { oid } from "../../src/x509/index.ts";
import { chainPem, createIntermediate, createLeaf, createRoot } from "../support/pki.ts";

const root = createRoot();
const issuer = createIntermediate(root);
const leaf = createLeaf(issuer, { names: [{ kind: "dns", value: "localhost" }], extendedKeyUsage: [oid.serverAuth] });

async function start(): Promise<{ server: Server; port: number; reused: boolean[] }> {
  const reused: boolean[] = [];
  const server = createServer({ cert: chainPem(leaf, issuer), key: leaf.keyPem }, (_request, response) =>
    response.end("ok"),
  );
  server.on("secureConnection", (socket: TLSSocket) => reused.push(socket.isSessionReused()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return { server, port: address.port, reused };
}

function get(port: number, agent: Agent, host = "localhost"): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request({ host, port, agent, family: 4 }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    });
    call.on("error", reject);
    call.end();
  });
}

test("a web server is verified by the given CA and by its name, and never through a resumed session", async () => {
  const { server, port, reused } = await start();
  try {
    const agent = new Agent({ ...webClientTlsOptions({ caPem: root.pem }), keepAlive: false });
    for (let i = 0; i < 3; i++) assert.equal(await get(port, agent), 200);
    assert.deepEqual(reused, [false, false, false]);
    const resuming = new Agent({ ca: root.pem, keepAlive: false });
    for (let i = 0; i < 2; i++) assert.equal(await get(port, resuming), 200);
    assert.equal(reused.at(-1), true, "control: Node's default agent resumes");

    await assert.rejects(get(port, agent, "127.0.0.1"), { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
    const named = new Agent(webClientTlsOptions({ caPem: root.pem, servername: "other.example.test" }));
    await assert.rejects(get(port, named), { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
    await assert.rejects(get(port, new Agent(webClientTlsOptions())), { code: "UNABLE_TO_GET_ISSUER_CERT_LOCALLY" });
    const other = createRoot({ subject: "Other" });
    await assert.rejects(get(port, new Agent(webClientTlsOptions({ caPem: other.pem }))), /certificate/);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
