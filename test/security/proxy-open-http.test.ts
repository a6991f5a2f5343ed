// Bug class: an HTTP connection outlives what it was let in by. A revocation ends it at once, whatever is under way on it; when the caller's
// certificate has expired it is drained, and ended when the grace is over.
import assert from "node:assert/strict";
import { type ClientHttp2Session, connect } from "node:http2";
import { test } from "node:test";
import type { TlsIdentity } from "../../src/tls/index.ts";
import { GET, type HttpWorld, OK, startHttp } from "../proxy-tls/support/http.ts";
import { startProxy, world } from "../proxy-tls/support/proxy.ts";
import { connectClient, connectPlain, type End, startTlsBackend } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

const HOUR_MS = 3_600_000;
const REVOKED = { kind: "id", spiffeId: "spiffe://example.test/bad", issuedBefore: Date.now() + HOUR_MS } as const;

/** Asks, and waits until the application has the request, which it does not answer by itself. */
async function asking(http: HttpWorld, client: End): Promise<End> {
  const index = http.backend.ends.length;
  client.socket.write(GET);
  const end = await http.backend.end(index);
  await until(() => end.text.endsWith("\r\n\r\n"), "the request");
  return end;
}

/** An identity for so many hours. */
function livesFor(hours: number): TlsIdentity {
  return world.identity("/client", { notAfter: Date.now() + hours * HOUR_MS });
}

async function http2(
  http: HttpWorld,
  identity: TlsIdentity,
): Promise<{ session: ClientHttp2Session; left(): boolean }> {
  const { socket } = await connectClient(http.proxy.port("in"), identity, { alpn: ["h2"] });
  const session = connect("https://service.test", { createConnection: () => socket });
  let left = false;
  session.on("error", () => {});
  session.on("goaway", () => {
    left = true;
  });
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  return { session, left: () => left };
}

test("a caller that is revoked loses its connection with the request that is under way; others keep theirs", async () => {
  await using http = await startHttp(() => {});
  const [bad, good] = [await http.client("/bad"), await http.client("/good")];
  const [asked, other] = [await asking(http, bad), await asking(http, good)];
  const { session } = await http2(http, world.identity("/bad"));
  http.proxy.setTrust([world.trust({ revocations: [REVOKED] })]);
  await Promise.all([bad.whenEnded(), asked.whenEnded(), until(() => session.closed, "the session has ended")]);
  assert.equal(bad.text, "");
  assert.equal(http.proxy.observer.counted("connection-reevaluated"), 2);
  other.socket.write(OK);
  assert.match(await good.receive(OK.length), /^HTTP\/1\.1 200 /);
  good.socket.write(GET);
  await until(() => other.text.match(/GET/g)?.length === 2, "another request on the same connection");
});

test("when the caller's certificate has expired its connections are drained: work under way is finished, and nothing new is taken", async () => {
  await using http = await startHttp(() => {}, { settings: { expiry: { httpGraceSeconds: 600 } } });
  const identity = livesFor(1);
  const connected = (of = identity) => connectClient(http.proxy.port("in"), of, { alpn: ["http/1.1"] });
  const [idle, busy, fresh] = [await connected(), await connected(), await connected(livesFor(2))];
  const { left } = await http2(http, identity);
  const end = await asking(http, busy);
  http.proxy.clock.offsetMs = HOUR_MS - 10_000;
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual([idle.closed, left()], ["no", false], "not a second before");
  http.proxy.clock.offsetMs = HOUR_MS + 1_000;
  await Promise.all([idle.whenEnded(), until(left, "GOAWAY")]);
  end.socket.write(OK);
  await busy.whenEnded();
  assert.match(busy.text, /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)?connection: close\r\n/is);
  assert.ok(busy.text.endsWith("ok"));
  fresh.socket.write(GET);
  await until(
    () =>
      http.backend.ends
        .map(({ text }) => text)
        .join("")
        .match(/GET/g)?.length === 2,
    "a longer life goes on",
  );
});

test("work under way is ended when the grace behind the certificate's end is over", async () => {
  await using http = await startHttp(() => {}, { settings: { expiry: { httpGraceSeconds: 600 } } });
  const client = await connectClient(http.proxy.port("in"), livesFor(1), { alpn: ["http/1.1"] });
  const end = await asking(http, client);
  http.proxy.clock.offsetMs = HOUR_MS + 590_000;
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(client.closed, "no");
  http.proxy.clock.offsetMs = HOUR_MS + 601_000;
  await Promise.all([client.whenEnded(), end.whenEnded()]);
  assert.equal(http.proxy.observer.counted("connection-reevaluated"), 1);
});

test("a target that is revoked loses its connections, and the request that is under way on one", async (t) => {
  const backend = await startTlsBackend(world.identity("/bad"));
  t.after(() => backend[Symbol.asyncDispose]());
  const listener = {
    ...{ direction: "outbound", name: "out", protocol: "http", listen: { port: 0 }, authorities: ["service.test"] },
    ...{ targets: [{ host: "127.0.0.1", port: backend.port }], expect: ["spiffe://example.test/bad"] },
  };
  await using proxy = await startProxy({ listeners: [listener], policies: [] });
  const client = await connectPlain({ port: proxy.port("out") });
  t.after(() => client.socket.destroy());
  client.socket.write(GET);
  const end = await backend.end();
  await until(() => end.text.includes("\r\n\r\n"), "the request");
  proxy.setTrust([world.trust({ revocations: [REVOKED] })]);
  await end.whenEnded();
  await until(() => /^HTTP\/1\.1 50[23] /.test(client.text), "the failure is told");
});
