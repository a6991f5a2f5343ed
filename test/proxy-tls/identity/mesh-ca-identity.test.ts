// The proxy's identity from a mesh-ca server that is away at the worst moments: waited for, served to the last second, never shown later.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { MeshCaIdentity } from "../../../src/proxy-tls/identity/mesh-ca-identity.ts";
import { systemRandom } from "../../../src/runtime/index.ts";
import { FaultyServer } from "../../identity-client/faulty-server.ts";
import { createAuthority, eventually, ManualClock, temporaryDirectory } from "../../identity-client/helpers.ts";
import { TestLog } from "../../support/test-log.ts";

const authority = createAuthority();
const never = new AbortController().signal;

interface Given {
  readonly server: FaultyServer;
  readonly clock: ManualClock;
  readonly log: TestLog;
  readonly identity: MeshCaIdentity;
  /** How often a change was told. */
  told(): number;
}

async function given(t: TestContext): Promise<Given> {
  const server = await FaultyServer.start({ authority });
  t.after(() => server.stop());
  const folder = temporaryDirectory();
  const joinTokenFile = join(folder, "token");
  writeFileSync(joinTokenFile, server.token());
  const clock = new ManualClock();
  server.now = () => clock.now();
  const log = new TestLog();
  const identity = new MeshCaIdentity({
    config: {
      ...{ kind: "mesh-ca", server: null, stateDir: join(folder, "state"), joinTokenFile },
      ...{ jwtFile: null, attestor: null, trustFile: null },
    },
    ...{ clock, random: systemRandom, logger: log.logger },
  });
  t.after(() => identity.close());
  let told = 0;
  identity.onChange(() => {
    told += 1;
  });
  return { server, clock, log, identity, told: () => told };
}

/** Lets the clock run until the identity is there: the SDK waits by it. */
async function pass(clock: ManualClock, condition: () => boolean): Promise<void> {
  await eventually("what was waited for", () => {
    if (clock.next !== undefined) clock.advance(clock.next - clock.now());
    return condition();
  });
}

test("a server that is away at the start is asked again until it answers, and the reason is told meanwhile", async (t) => {
  const { server, clock, log, identity } = await given(t);
  await server.stop();
  const started = identity.start(never);
  await eventually("the first attempt has failed", () => identity.problems().length > 0);
  assert.equal(identity.problems()[0]?.code, "MCA_SERVER_UNAVAILABLE");
  assert.equal(identity.current().own, undefined);
  await pass(clock, () => log.of("identity.waiting").length >= 3);
  await server.listen();
  let done = false;
  void started.then(() => {
    done = true;
  });
  await pass(clock, () => done);
  assert.equal(identity.current().own?.id, "spiffe://example.test/cart");
  assert.deepEqual(identity.problems(), []);
});

test("the wait between two attempts never exceeds 150 s", async (t) => {
  const { server, clock, log, identity } = await given(t);
  await server.stop();
  const stop = new AbortController();
  const started = identity.start(stop.signal);
  const waits: number[] = [];
  for (let attempt = 1; attempt <= 14; attempt += 1) {
    await eventually(`attempt ${attempt}`, () => log.of("identity.waiting").length === attempt);
    await eventually("the wait", () => clock.next !== undefined);
    waits.push((clock.next ?? 0) - clock.now());
    clock.advance((clock.next ?? 0) - clock.now());
  }
  assert.ok(Math.max(...waits) <= 150_000, waits.join());
  assert.ok(Math.max(...waits) > 60_000, "they grow");
  assert.equal(new Set(waits).size, waits.length, "and no two proxies wait alike");
  stop.abort(new Error("enough"));
  await assert.rejects(started, /enough/);
});

test("where waiting cannot help, the start fails with the server's own reason", async (t) => {
  const { server, identity } = await given(t);
  server.behave = () => ({ kind: "refuse", code: "MCA_NO_RULE_MATCHES", status: status.PERMISSION_DENIED });
  await assert.rejects(identity.start(never), { code: "MCA_NO_RULE_MATCHES" });
});

test("a server that stays away: served to the last moment, then not one moment longer, and told", async (t) => {
  const { server, clock, identity, told } = await given(t);
  await identity.start(never);
  const own = identity.current().own;
  assert.ok(own !== undefined);
  await server.stop();
  const before = told();
  clock.jump(own.tls.notAfter - 1);
  await eventually("renewing has failed", () => identity.problems().length > 0);
  assert.equal(identity.current().own?.tls, own.tls, "valid to the last moment");
  assert.equal(identity.problems()[0]?.code, "MCA_SERVER_UNAVAILABLE");
  clock.advance(2);
  assert.equal(identity.current().own, undefined);
  assert.equal(told(), before + 1);
  assert.ok(identity.current().trust !== undefined);
  await server.listen();
  await pass(clock, () => identity.current().own !== undefined);
  assert.ok(told() > before + 1);
});

test("a renewal is another identity, and a revocation reaches whoever listens at once", async (t) => {
  const { server, clock, identity, told } = await given(t);
  await identity.start(never);
  const first = identity.current().own;
  assert.equal(identity.current().own?.tls, first?.tls, "the same object for the same certificate");
  await eventually("the trust stream is there", () => server.watchers === 1);
  await pass(clock, () => identity.current().own?.tls !== first?.tls);
  const before = told();
  server.sequence += 1n;
  server.alterTrust = (snapshot) => ({
    ...snapshot,
    revocations: [{ target: { $case: "serial", value: Buffer.from("0abc", "hex") } }],
  });
  server.pushSnapshot();
  await eventually("the revocation has come", () => told() > before);
  assert.deepEqual(identity.current().trust?.revocations, [{ kind: "serial", serial: "0abc" }]);
});

test("a start that is called off ends, and gives its state directory free", async (t) => {
  const { server, identity } = await given(t);
  server.behave = () => ({ kind: "silence" });
  const stop = new AbortController();
  const started = identity.start(stop.signal);
  await eventually("it has asked", () => server.requests.length > 0);
  stop.abort(new Error("called off"));
  server.cut();
  await assert.rejects(started, /called off/);
});
