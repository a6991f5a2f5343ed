// Bug class: what has closed stays in memory, here until a deadline of its own comes up, a minute or an hour later: whoever connects and
// leaves fast enough fills it. Judged by the sockets that are left on the heap, ours and the test's own.
import assert from "node:assert/strict";
import { Socket } from "node:net";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { queryObjects } from "node:v8";
import { answering, inboundHttp } from "../proxy-tls/support/http.ts";
import { ALLOW_ALL, outboundTcp, startProxy, world } from "../proxy-tls/support/proxy.ts";
import { connectClient, connectPlain, type End, startBackend } from "../proxy-tls/support/sockets.ts";

const VISITS = 24;
const GET = "GET / HTTP/1.1\r\nhost: service.test\r\nconnection: close\r\n\r\n";
const CLOSING = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/** After a full collection. */
const sockets = (): number => queryObjects(Socket, { format: "count" });

async function visits(connect: () => Promise<End>, say: string): Promise<void> {
  for (let visit = 0; visit < VISITS; visit++) {
    const end = await connect();
    end.socket.end(say);
    await end.whenClosed();
  }
  // The other side's close.
  for (let turns = 0; turns < 10; turns++) await turn();
}

for (const [what, say] of [
  ["says nothing", ""],
  ["makes a request", GET],
] as const) {
  test(`inbound: a client that ${what} and leaves is forgotten, and so is its target's connection`, async () => {
    await using backend = await startBackend(answering(CLOSING));
    await using proxy = await startProxy({ listeners: [inboundHttp(backend.port)], policies: [ALLOW_ALL] });
    const before = sockets();
    await visits(() => connectClient(proxy.port("in"), world.identity("/client")), say);
    // The backend keeps its own.
    const left = sockets() - before - backend.ends.length;
    assert.ok(left < VISITS / 2, `${left} sockets of ${VISITS} visits`);
  });
}

test("outbound: a client that says nothing and leaves is forgotten", async () => {
  const listener = outboundTcp(1, ["spiffe://example.test/server"], {
    protocol: "http",
    authorities: ["service.test"],
  });
  await using proxy = await startProxy({ listeners: [listener] });
  const before = sockets();
  await visits(() => connectPlain({ port: proxy.port("out") }), "");
  const left = sockets() - before;
  assert.ok(left < VISITS / 2, `${left} sockets of ${VISITS} visits`);
});
