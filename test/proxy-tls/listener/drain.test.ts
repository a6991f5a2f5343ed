// Stopping: no new connections from the first moment, what is open may finish within the grace, and nothing opens anything again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createDataPlane } from "../../../src/proxy-tls/data-plane.ts";
import { parsePolicies } from "../../../src/proxy-tls/policy/parse.ts";
import { systemClock, systemRandom } from "../../../src/runtime/index.ts";
import { TlsError } from "../../../src/tls/index.ts";
import { LogLines, until } from "../../tls/support/endpoints.ts";
import {
  ALLOW_ALL,
  CapturingObserver,
  inboundTcp,
  outboundTcp,
  proxyConfig,
  startProxy,
  world,
} from "../support/proxy.ts";
import { connectClient, connectPlain, startBackend, startEcho } from "../support/sockets.ts";
import { TestState } from "../support/state.ts";

const client = world.identity("/client");

test("what is open finishes, half-closes included, while nobody new gets in", async () => {
  await using backend = await startBackend();
  await using proxy = await startProxy({
    listeners: [inboundTcp(backend.port), outboundTcp(1, ["spiffe://example.test/server"])],
    policies: [ALLOW_ALL],
  });
  const ports = [proxy.port("in"), proxy.port("out")];
  const end = await connectClient(proxy.port("in"), client);
  end.socket.write("question");
  const server = await backend.end();
  await server.receive(8);
  const drained = proxy.plane.drain(10_000);
  for (const port of ports) await assert.rejects(connectPlain({ port }), /ECONNREFUSED/);
  // A reload meanwhile changes what is open, and opens nothing.
  proxy.state.set({ identity: world.identity("/proxy") });
  proxy.setTrust([world.trust()]);
  for (const port of ports) await assert.rejects(connectPlain({ port }), /ECONNREFUSED/);
  end.socket.end();
  await server.whenEnded();
  server.socket.end("answer");
  await drained;
  await end.whenClosed();
  assert.equal(end.text, "answer");
  assert.equal(proxy.observer.connections[0]?.end, "closed");
});

test("what a policy denies during the drain ends at once", async () => {
  await using backend = await startBackend();
  await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)], policies: [ALLOW_ALL] });
  const end = await connectClient(proxy.port("in"), client);
  await backend.end();
  const drained = proxy.plane.drain(10_000);
  proxy.state.set({ policies: parsePolicies({ policies: [] }) });
  await drained;
  await end.whenClosed();
  assert.equal(proxy.observer.connections[0]?.end, "no-longer-allowed");
});

test("what does not finish within the grace is ended and told so", async () => {
  await using backend = await startBackend();
  await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)], policies: [ALLOW_ALL] });
  const end = await connectClient(proxy.port("in"), client);
  await backend.end();
  await Promise.all([proxy.plane.drain(50), proxy.plane.drain(60_000)]);
  await end.whenClosed();
  assert.equal(end.error, "ECONNRESET");
  assert.equal(proxy.observer.connections[0]?.end, "drained");
  await assert.rejects(proxy.plane.listen(), TypeError);
});

test("one listener that cannot be opened closes the others", async () => {
  await using taken = await startEcho();
  const state = new TestState("spiffe://example.test/proxy", client, [world.trust()]);
  const plane = createDataPlane({
    config: proxyConfig([inboundTcp(1), inboundTcp(1, { name: "second", port: taken.port })]),
    ...{ state, observer: new CapturingObserver(), clock: systemClock, random: systemRandom, logger: new LogLines() },
  });
  await assert.rejects(plane.listen(), (error) => error instanceof TlsError && error.code === "MCA_TLS_LISTEN_FAILED");
  assert.equal(plane.addresses().size, 0);
});

test("without an identity nothing is opened, and one that expires closes the door until the next", async () => {
  await using backend = await startEcho();
  await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)], policies: [ALLOW_ALL] });
  proxy.clock.offsetMs = 2 * 3_600_000;
  await assert.rejects(connectClient(proxy.port("in"), client));
  await until(() => proxy.plane.counts()[0]?.refused.get("MCA_TLS_IDENTITY_MISSING") === 1, "the refusal is counted");
  const later = systemClock.now() + 6 * 3_600_000;
  proxy.state.set({ identity: world.identity("/proxy", { notAfter: later }) });
  const end = await connectClient(proxy.port("in"), world.identity("/client", { notAfter: later }));
  end.socket.write("x");
  assert.equal(await end.receive(1), "x");
  end.socket.destroy();
  const state = new TestState(
    "spiffe://example.test/proxy",
    world.identity("/proxy", { notAfter: 1, notBefore: 0 }),
    [],
  );
  const plane = createDataPlane({
    config: proxyConfig([inboundTcp(1)]),
    ...{ state, observer: new CapturingObserver(), clock: systemClock, random: systemRandom, logger: new LogLines() },
  });
  await assert.rejects(
    plane.listen(),
    (error) => error instanceof TlsError && error.code === "MCA_TLS_IDENTITY_MISSING",
  );
});
