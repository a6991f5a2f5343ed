// `mesh-ca proxy run` in this process: what the application inherits, how its end and signals become the exit code, and that nothing stays.
import assert from "node:assert/strict";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type RunOptions, runProxy } from "../../../src/proxy-tls/process/run.ts";
import { systemRandom } from "../../../src/runtime/index.ts";
import { ManualClock, temporaryDirectory } from "../../identity-client/helpers.ts";
import { TestLog } from "../../support/test-log.ts";
import { until } from "../../support/until.ts";
import { outboundTcp, proxyConfig } from "../support/proxy.ts";
import { connectPlain, startTlsBackend } from "../support/sockets.ts";
import { TestDomain } from "../support/state.ts";
import { SvidFiles } from "../support/svid-files.ts";

const domain = new TestDomain("example.test");
const GRACE_SECONDS = 3_600;
const FAR = "spiffe://example.test/far";

/** A configuration with an outbound listener on a Unix socket; without an identity where a test says so. */
function given(changes: Partial<RunOptions> & { readonly settings?: object; readonly targetPort?: number } = {}) {
  const { settings = {}, targetPort = 9, ...options } = changes;
  const folder = temporaryDirectory();
  const svid = new SvidFiles(domain);
  svid.swap({ identity: domain.identity("/cart") });
  const path = join(folder, "out.sock");
  const config = proxyConfig([outboundTcp(targetPort, [FAR], { listen: { path } })], {
    ...{ identity: svid.config, workers: 1, admin: { port: 0 }, log: { access: false } },
    ...settings,
  });
  const log = new TestLog();
  const shared = { config, clock: new ManualClock(), random: systemRandom, logger: log.logger };
  return { folder, path, log, run: () => runProxy({ ...shared, command: [], ...options }) };
}

function send(signal: NodeJS.Signals): void {
  process.emit(signal, signal);
}

function withUmask(t: TestContext, umask: number): void {
  const before = process.umask(umask);
  t.after(() => process.umask(before));
}

test("the application has the umask of whoever started the proxy, and what the proxy makes is its owner's alone", async (t) => {
  withUmask(t, 0o027);
  let inside: number | undefined;
  let mode: number | undefined;
  let beside: number | undefined;
  const { path, run } = given({
    command: ["sh", "-c", 'case "$(umask)" in 0027|027) exit 5;; *) exit 6;; esac'],
    onServing: () => {
      inside = process.umask();
      mode = statSync(path).mode & 0o777;
    },
    onCommand: () => {
      beside = process.umask();
    },
  });
  assert.equal(await run(), 5);
  assert.deepEqual([inside, mode, beside], [0o077, 0o600, 0o077]);
  assert.equal(process.umask(), 0o027, "and we have ours again");
  assert.equal(existsSync(path), false);
});

test("the umask comes back, and signals go where they went, also where the proxy cannot start", async (t) => {
  withUmask(t, 0o022);
  const listeners = process.listenerCount("SIGTERM");
  const { folder, path, run } = given();
  writeFileSync(path, "precious");
  await assert.rejects(run(), { code: "MCA_PROXY_LISTEN_FAILED" });
  assert.equal(process.umask(), 0o022);
  assert.equal(process.listenerCount("SIGTERM"), listeners);
  assert.ok(existsSync(folder));
});

test("an end by a signal is 128 and its number, and a signal that comes before the application does is not lost", async () => {
  const killed = given({ command: ["sh", "-c", "kill -9 $$"] });
  assert.equal(await killed.run(), 137);
  const early = given({ command: ["sleep", "60"], onServing: () => queueMicrotask(() => send("SIGTERM")) });
  assert.equal(await early.run(), 143);
});

test("a proxy that is stopped before it serves ends as its application would have, and starts none", async () => {
  for (const [command, code] of [
    [["touch"], 143],
    [[], 0],
  ] as const) {
    const folder = temporaryDirectory();
    const mark = join(folder, "mark");
    const identity = new SvidFiles(domain).config;
    const { log, run } = given({ settings: { identity }, command: command.flatMap((name) => [name, mark]) });
    const ended = run();
    await until(() => log.of("proxy.started").length === 1, "it waits");
    send("SIGTERM");
    assert.equal(await ended, code);
    assert.equal(existsSync(mark), false);
  }
});

test("an application that cannot be started leaves nothing open", async () => {
  for (const program of ["/nowhere/application", "nul\0byte"]) {
    const { path, run } = given({ command: [program] });
    await assert.rejects(run(), { code: "MCA_PROXY_COMMAND" });
    assert.equal(existsSync(path), false, "the listener is closed");
  }
});

/** A proxy with a connection that does not end by itself, at the moment at which it begins to drain. */
async function draining(t: TestContext) {
  const backend = await startTlsBackend(domain.identity("/far"));
  t.after(() => backend[Symbol.asyncDispose]());
  const exits: number[] = [];
  const { path, run, log } = given({
    targetPort: backend.port,
    settings: { drain: { graceSeconds: GRACE_SECONDS } },
    exit: (code) => void exits.push(code),
  });
  const ended = run();
  await until(() => log.of("proxy.serving").length === 1, "it serves");
  const client = await connectPlain({ path });
  const server = await backend.end();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  send("SIGTERM");
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(log.of("proxy.draining").length, 1);
  const finish = (): void => {
    for (const { socket } of [client, server]) socket.destroy();
  };
  return { ended, finish, exits, log };
}

test("a second signal ends the process, with an exit code that says that something was lost", async (t) => {
  const { ended, finish, exits, log } = await draining(t);
  t.mock.timers.reset();
  assert.deepEqual(exits, []);
  send("SIGINT");
  await until(() => exits.length === 1, "the end");
  assert.deepEqual(exits, [1]);
  finish();
  assert.equal(await ended, 0);
  assert.equal(log.of("proxy.stop_forced").length, 1);
});

test("what is still open long after the grace ends the process; one whose work has ended is left alone", async (t) => {
  const stuck = await draining(t);
  t.mock.timers.tick(GRACE_SECONDS * 1_000);
  assert.deepEqual(stuck.exits, [], "not before");
  t.mock.timers.tick(10_000);
  assert.deepEqual(stuck.exits, [1]);
  t.mock.timers.reset();
  stuck.finish();
  await stuck.ended;
  const orderly = await draining(t);
  orderly.finish();
  t.mock.timers.reset();
  assert.equal(await orderly.ended, 0);
  send("SIGINT");
  assert.deepEqual([orderly.exits, orderly.log.of("proxy.stop_forced")], [[], []]);
});
