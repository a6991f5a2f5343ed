// Two proxies with identities of a real mesh-ca: a call from one application to another, through renewals and a taint, while the CA is away, and
// from a start without it.
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { systemSchedulingClock } from "../../src/identity-client/index.ts";
import { parseProxyConfig } from "../../src/proxy-tls/config/index.ts";
import { RunningProxy } from "../../src/proxy-tls/process/running-proxy.ts";
import { systemRandom } from "../../src/runtime/index.ts";
import { temporaryDirectory } from "../identity-client/helpers.ts";
import { answering, OK } from "../proxy-tls/support/http.ts";
import { connectPlain, startBackend } from "../proxy-tls/support/sockets.ts";
import { TestDomain } from "../proxy-tls/support/state.ts";
import { TestLog } from "../support/test-log.ts";
import {
  authoritiesOf,
  call,
  closeClients,
  createToken,
  local,
  startTestServer,
  type TestServer,
  until,
} from "./fixture.ts";

after(closeClients);

interface Side {
  readonly proxy: RunningProxy;
  readonly log: TestLog;
  /** Of the listener. */
  readonly port: number;
}

const folder = temporaryDirectory();

function configure(name: string, listeners: readonly object[], policies?: readonly object[]) {
  const policyFile = join(folder, `${name}.yaml`);
  if (policies !== undefined) writeFileSync(policyFile, JSON.stringify({ policies }));
  return parseProxyConfig({
    identity: { kind: "mesh-ca", stateDir: join(folder, name), joinTokenFile: join(folder, `${name}.token`) },
    ...(policies === undefined ? {} : { policyFile }),
    ...{ listeners, workers: 1, admin: { port: 0 }, log: { access: false } },
  });
}

async function startSide(t: TestContext, config: ReturnType<typeof configure>): Promise<Side> {
  const log = new TestLog();
  const proxy = new RunningProxy({ config, clock: systemSchedulingClock, random: systemRandom, logger: log.logger });
  t.after(() => proxy.close(0));
  await proxy.start();
  const [bound] = [...proxy.addresses().values()];
  return { proxy, log, port: bound?.port ?? 0 };
}

async function token(on: TestServer, service: string): Promise<void> {
  writeFileSync(join(folder, `${service}.token`), await createToken(on.server, { service }));
}

/** A call of the local application through its outbound proxy. */
async function get(port: number): Promise<string> {
  const end = await connectPlain({ port });
  end.socket.write("GET /items HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n");
  await end.whenEnded();
  end.socket.destroy();
  return end.text.split("\r\n")[0] ?? "";
}

test("applications call each other by identity, through a renewal, a taint, and while the CA is away", async (t) => {
  const on = await startTestServer({});
  t.after(() => on.close());
  const backend = await startBackend(answering(OK));
  t.after(() => backend[Symbol.asyncDispose]());
  await token(on, "shop");
  await token(on, "web");
  const shop = configure(
    "shop",
    [
      {
        direction: "inbound",
        name: "in",
        protocol: "http",
        host: "127.0.0.1",
        port: 0,
        target: { port: backend.port },
      },
    ],
    [{ name: "web", action: "allow", rules: [{ from: { ids: ["spiffe://example.test/web"] } }] }],
  );
  const inbound = await startSide(t, shop);
  const web = configure("web", [
    {
      ...{ direction: "outbound", name: "out", protocol: "http", listen: { port: 0 }, authorities: ["shop.test"] },
      ...{ targets: [{ host: "127.0.0.1", port: inbound.port }], expect: ["spiffe://example.test/shop"] },
    },
  ]);
  const outbound = await startSide(t, web);
  assert.equal(await get(outbound.port), "HTTP/1.1 200 OK");
  assert.match(backend.ends[0]?.text ?? "", /^x-forwarded-client-cert: .*URI=spiffe:\/\/example\.test\/web/im);
  assert.equal(inbound.proxy.view.state().ownId, "spiffe://example.test/shop");
  assert.deepEqual(inbound.proxy.view.notReady(), []);

  // Everything under the present authority is renewed at once, and nobody fails a call.
  const before = inbound.proxy.view.state().identityRevision;
  const { authorities } = local(on.server);
  const [present] = (await authoritiesOf(on.server)).authorities;
  const prepared = await call(authorities, authorities.prepareAuthority, { recover: false, changeUpstream: false });
  await call(authorities, authorities.activateAuthority, { authority: prepared.spkiSha256, emergency: true });
  await call(authorities, authorities.taintAuthority, {
    authority: present?.spkiSha256 ?? "",
    spreadSeconds: 1,
    emergency: false,
  });
  await until(async () => {
    assert.equal(await get(outbound.port), "HTTP/1.1 200 OK");
    return [inbound, outbound].every(({ proxy }) => proxy.view.state().identityRevision > before);
  }, "both have renewed");
  assert.equal(await get(outbound.port), "HTTP/1.1 200 OK");

  // The CA goes away: calls go on, and so do proxies that are started again from what they kept.
  await on.stop();
  assert.equal(await get(outbound.port), "HTTP/1.1 200 OK");
  await outbound.proxy.close(1_000);
  const again = await startSide(t, web);
  assert.equal(await get(again.port), "HTTP/1.1 200 OK");
  assert.deepEqual(again.proxy.view.notReady(), []);
});

test("a CA that is away at the first start: the admin listener says so, nothing listens, and the proxy can be stopped", async (t) => {
  const config = parseProxyConfig({
    identity: {
      ...{ kind: "mesh-ca", server: "127.0.0.1:1", stateDir: join(folder, "late") },
      ...{ jwtFile: join(folder, "late.jwt"), trustFile: join(folder, "trust.json") },
    },
    listeners: [
      { direction: "inbound", name: "in", protocol: "http", host: "127.0.0.1", port: 0, target: { port: 9 } },
    ],
    ...{ workers: 1, admin: { port: 0 }, log: { access: false } },
  });
  writeFileSync(join(folder, "trust.json"), new TestDomain("example.test").trustText());
  writeFileSync(join(folder, "late.jwt"), "header.payload.signature");
  const log = new TestLog();
  const proxy = new RunningProxy({ config, clock: systemSchedulingClock, random: systemRandom, logger: log.logger });
  t.after(() => proxy.close(0));
  const started = proxy.start();
  await until(() => proxy.view.notReady()[0]?.code === "MCA_SERVER_UNAVAILABLE", "the reason is told");
  assert.deepEqual([...proxy.addresses()], []);
  assert.ok(existsSync(join(folder, "late")));
  await proxy.close(0);
  await assert.rejects(started, /stopped before it served/);
});
