// Bug class: an answer is believed because the server that gave it was verified.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { SvidSource, type SvidSourceOptions } from "../../src/identity-client/index.ts";
import type { IssueX509SvidResponse } from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { FaultyServer } from "../identity-client/faulty-server.ts";
import { createAuthority, ManualClock } from "../identity-client/helpers.ts";
import { createLeaf } from "../support/pki.ts";

const authority = createAuthority();

async function startServer(t: TestContext, now?: () => number): Promise<FaultyServer> {
  const server = await FaultyServer.start({ authority, ...(now === undefined ? {} : { now }) });
  t.after(() => server.stop());
  return server;
}

function start(server: FaultyServer, options: Partial<SvidSourceOptions> = {}): Promise<SvidSource> {
  return SvidSource.start({
    joinToken: { text: server.token() },
    memoryOnly: true,
    startTimeoutMs: 0,
    ...options,
  } as SvidSourceOptions);
}

const id = "spiffe://example.test/cart";
const wrong: readonly [string, (response: IssueX509SvidResponse) => IssueX509SvidResponse][] = [
  ["for another key", (r) => ({ ...r, certificateChain: [createLeaf(authority, { spiffeId: id }).der] })],
  ["without a certificate", (r) => ({ ...r, certificateChain: [] })],
  ["with bytes that are no certificate", (r) => ({ ...r, certificateChain: [Uint8Array.of(48, 0)] })],
  ["that names another ID than its certificate", (r) => ({ ...r, spiffeId: "spiffe://example.test/payment" })],
  ["without trust", (r) => ({ ...r, trust: undefined })],
  [
    "whose issuer is not among the published authorities",
    (r) => {
      const other = createAuthority("Other");
      const told = r.trust?.authorities[0];
      if (r.trust === undefined || told === undefined) throw new TypeError("no trust");
      const spkiSha256 = Buffer.from(other.certificate.publicKey.spkiSha256, "hex");
      return {
        ...r,
        trust: { ...r.trust, anchors: [other.der], authorities: [{ ...told, certificate: other.der, spkiSha256 }] },
      };
    },
  ],
];

for (const [what, alter] of wrong) {
  test(`An answer ${what} is refused, and nothing of it is kept`, async (t) => {
    const server = await startServer(t);
    server.behave = () => ({ kind: "alter", alter });
    await assert.rejects(start(server), { code: "MCA_SERVER_ANSWER_INVALID" });
  });
}

test("A renewal that comes back with another ID is refused, and the present identity stays", async (t) => {
  const server = await startServer(t);
  const source = await start(server);
  t.after(() => source.close());
  const { serial } = source.current();
  server.grant = "spiffe://example.test/payment";
  await assert.rejects(source.renew(), { code: "MCA_SERVER_ANSWER_INVALID" });
  assert.equal(source.current().serial, serial);
});

test("A renew_at outside the lifetime does not make a storm of requests, nor a certificate that is never renewed", async (t) => {
  for (const renewAt of [new Date(0), new Date(8.64e15), undefined]) {
    const server = await startServer(t);
    server.behave = () => ({ kind: "alter", alter: (response) => ({ ...response, renewAt }) });
    const source = await start(server);
    const svid = source.current();
    assert.ok(svid.renewAt > svid.notBefore && svid.renewAt < svid.notAfter);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(server.requests.length, 1);
    await source.close();
  }
});

for (const [what, jumpMs] of [
  ["two hours", 2 * 3_600_000],
  ["ten years", 10 * 365 * 86_400_000],
] as const) {
  test(`A clock that jumps ${what} ahead makes a handful of requests, not a storm`, async (t) => {
    const clock = new ManualClock();
    const server = await startServer(t, () => Date.now());
    const source = await start(server, { clock });
    t.after(() => source.close());
    clock.jump(clock.now() + jumpMs);
    for (let i = 0; i < 60; i++) {
      clock.advance(1_000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.ok(server.requests.length <= 12, `${server.requests.length} requests within a minute`);
    assert.throws(() => source.current(), { code: "MCA_CLIENT_NO_SVID" });
  });
}

test("A clock that is behind or ahead at the start is named as the reason", async (t) => {
  const server = await startServer(t);
  const ahead = new ManualClock(Date.now() + 2 * 3_600_000);
  // The server's own certificate lives for a day, so that it verifies; the fresh certificate lives for an hour.
  await assert.rejects(start(server, { clock: ahead }), { code: "MCA_CLIENT_CLOCK" });
  const behind = new ManualClock(Date.now() - 10 * 60_000);
  await assert.rejects(start(server, { clock: behind }), { code: "MCA_CLIENT_CLOCK" });
});

test("A clock that jumps back keeps the identity and renews when the clock has come round", async (t) => {
  const clock = new ManualClock();
  const server = await startServer(t, () => clock.now());
  const source = await start(server, { clock });
  t.after(() => source.close());
  const { serial } = source.current();
  clock.jump(clock.now() - 3_600_000);
  assert.equal(source.current().serial, serial);
  assert.equal(server.requests.length, 1);
});
