// Bug class: whoever reaches the admin listener wears it out, so that no probe is answered any more. It is on loopback, where every process of
// the machine may call: connections are bounded, whoever is slow is ended, no body is taken, and nothing that a caller does fills the log.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { adminApp, startAdmin } from "../../src/proxy-tls/admin/app.ts";
import { adminView } from "../proxy-tls/support/admin-view.ts";
import { inboundTcp, proxyConfig, world } from "../proxy-tls/support/proxy.ts";
import { End } from "../proxy-tls/support/sockets.ts";
import { TestState } from "../proxy-tls/support/state.ts";
import { LogLines, MovableClock, until } from "../tls/support/endpoints.ts";

const MAX_CONNECTIONS = 64;
const GET = "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";

function options(requestMs?: number) {
  const state = new TestState("spiffe://example.test/proxy", world.identity("/proxy"), [world.trust()]);
  const view = adminView(state, proxyConfig([inboundTcp(9)], { admin: { port: 0 } }));
  return { view, clock: new MovableClock(), logger: new LogLines(), requestMs };
}

/** Opens connections, each with what it says first. */
async function given(t: TestContext, requestMs?: number) {
  const listener = await startAdmin(options(requestMs));
  const sockets: End[] = [];
  t.after(() => {
    for (const { socket } of sockets) socket.destroy();
    return listener.close();
  });
  return (text = ""): End => {
    const end = new End(connect(listener.address));
    end.socket.write(text);
    sockets.push(end);
    return end;
  };
}

test("it has no more connections than it bounds; the next one is taken when one has gone", async (t) => {
  const open = await given(t, 200_000);
  const answered = Array.from({ length: MAX_CONNECTIONS }, () => open(GET));
  await until(() => answered.every(({ text }) => text.startsWith("HTTP/1.1 200 ")), "every answer");
  const late = open(GET);
  await late.whenEnded();
  assert.equal(late.text, "");
  assert.ok(answered.every(({ closed }) => closed === "no"));
  answered[0]?.socket.destroy();
  await until(async () => {
    const next = open(GET);
    await until(() => next.length > 0 || next.ended || next.closed !== "no", "an answer, or none");
    return next.text.startsWith("HTTP/1.1 200 ");
  }, "the place is free");
});

const SLOW: readonly (readonly [what: string, text: string])[] = [
  ["says nothing", ""],
  ["never ends its head", "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a:"],
  ["never sends the octet that it announced", "POST /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1\r\n"],
  ["is silent after its answer", GET],
];

for (const [what, text] of SLOW) {
  test(`whoever ${what} is ended`, async (t) => {
    const open = await given(t, 150);
    const end = open(text.startsWith("POST") ? `${text}content-type: text/plain\r\n\r\n` : text);
    await end.whenEnded();
    assert.match(end.text, text === GET ? /^HTTP\/1\.1 200 / : /^(?:HTTP\/1\.1 408 |$)/);
  });
}

test("a body is refused as it is announced, and what a caller does wrong is not told as a fault of ours", async () => {
  const given = options();
  const app = adminApp(given);
  for (const type of ["application/json", "text/plain"]) {
    const answer = await app.inject({
      method: "POST",
      url: "/readyz",
      headers: { "content-type": type },
      payload: "{}",
    });
    assert.deepEqual([answer.statusCode, answer.json()], [413, { status: "refused" }]);
  }
  const broken = {
    method: "POST",
    url: "/readyz",
    headers: { "content-type": "application/json" },
    payload: "{",
  } as const;
  assert.equal((await app.inject(broken)).statusCode, 400);
  assert.deepEqual(given.logger.lines, []);
  await app.close();
});
