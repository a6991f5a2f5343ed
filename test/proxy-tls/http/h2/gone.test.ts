// A socket that is gone before HTTP/2 begins on it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DeadlineWheel } from "../../../../src/proxy-tls/http/deadlines.ts";
import { H2ClientConnection } from "../../../../src/proxy-tls/http/h2/client-connection.ts";
import { serveH2 } from "../../../../src/proxy-tls/http/h2/server-connection.ts";
import { LONG_TIMEOUTS, openSocket, startServerEngine } from "../../support/http2-engines.ts";
import { ClientTold, recordingHandler, requestHead } from "../../support/http2-events.ts";
import { testRequestRules, testResponseRules } from "../../support/rules.ts";

test("a socket that is gone already ends both engines quietly", async () => {
  using server = await startServerEngine(recordingHandler().handler);
  const wheel = new DeadlineWheel({ tickMs: 5, onFault: (error) => assert.fail(String(error)) });
  const faults: unknown[] = [];
  const shared = { timeouts: LONG_TIMEOUTS, wheel, count: () => {}, onFault: (error: unknown) => faults.push(error) };
  for (const wait of [false, true]) {
    const [front, back] = [await openSocket(server.port), await openSocket(server.port)];
    front.destroy();
    back.destroy();
    if (wait) await new Promise((resolve) => setTimeout(resolve, 10));
    const served = serveH2(front, {
      ...shared,
      ...{ ...recordingHandler(), rules: () => testRequestRules(), scheme: "http", streams: 100 },
      onRefused: () => {},
      reconsider: () => {},
    });
    const closed = Promise.withResolvers<void>();
    const client = new H2ClientConnection(back, {
      ...shared,
      ...{ rules: testResponseRules(), scheme: "http", requestTrailers: false },
      onIdle: () => {},
      onClosed: () => closed.resolve(),
    });
    const told = new ClientTold();
    if (client.capacity > 0) {
      client.request(requestHead(), told);
      assert.equal(await told.ended.promise, "peer-gone");
    }
    await closed.promise;
    served.drain();
    served.destroy("test");
    assert.deepEqual([served.active, client.active, client.capacity], [0, 0, 0]);
  }
  assert.deepEqual(faults, []);
  wheel.close();
});
