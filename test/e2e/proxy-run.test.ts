// `mesh-ca proxy run -- COMMAND` as whoever starts it sees it: nothing runs before there is an identity, signals and the exit code pass.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, existsSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { temporaryDirectory } from "../identity-client/helpers.ts";
import { GET, OK } from "../proxy-tls/support/http.ts";
import { ALLOW_ALL } from "../proxy-tls/support/proxy.ts";
import { connectClient, connectPlain, startBackend } from "../proxy-tls/support/sockets.ts";
import { TestDomain } from "../proxy-tls/support/state.ts";
import { SvidFiles } from "../proxy-tls/support/svid-files.ts";
import { isAlive } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { endProxies, ProxyProcess } from "./proxy-process.ts";

const domain = new TestDomain("example.test");
const IN = { direction: "inbound", name: "in", protocol: "http", host: "127.0.0.1", port: 0, target: { port: 9 } };

after(endProxies);

function files(): SvidFiles {
  const svid = new SvidFiles(domain);
  svid.swap({ identity: domain.identity("/cart") });
  return svid;
}

/** A shell script that answers each signal by a word, and says when it listens. */
function echoing(...signals: readonly string[]): string[] {
  const traps = signals.map((signal) => `trap 'echo got-${signal}' ${signal}`).join("; ");
  return ["sh", "-c", `${traps}; echo up; while :; do sleep 0.05; done`];
}

test("the application starts only when there is an identity and the listeners are open; its exit code is the proxy's", async () => {
  const svid = new SvidFiles(domain);
  const mark = join(temporaryDirectory(), "started");
  const proxy = new ProxyProcess({
    config: { identity: svid.config, workers: 1, listeners: [IN] },
    launcher: true,
    command: ["sh", "-c", `touch ${mark}; env | grep -E '^(MALLOC_|MESH_CA_ADDED=)'; echo application; exit 7`],
  });
  const before = await proxy.admin("/readyz");
  assert.equal(before.status, 503);
  await until(async () => (await proxy.admin("/readyz")).text.includes("ENOENT"), "the missing file is told");
  assert.equal((await proxy.admin("/healthz")).status, 200);
  assert.deepEqual(proxy.lines("proxy.serving"), []);
  assert.equal(existsSync(mark), false);
  svid.swap({ identity: domain.identity("/cart") });
  assert.equal(await proxy.ended, 7);
  assert.match(proxy.stdout, /^application$/m);
  assert.doesNotMatch(
    proxy.stdout,
    /MALLOC|MESH_CA_ADDED/,
    "what the launcher told our allocator is not for the application",
  );
  assert.equal(proxy.lines("proxy.stopped").length, 1);
});

test("signals pass to the application, once each, and an end by signal is 128+n", async () => {
  const proxy = new ProxyProcess({
    config: { identity: files().config, workers: 1, listeners: [IN] },
    command: echoing("HUP", "USR1", "USR2", "TERM"),
  });
  await until(() => proxy.stdout.includes("up"), "the application is up");
  assert.equal((await proxy.admin("/readyz")).status, 200);
  for (const signal of ["HUP", "USR1", "USR2"] as const) {
    proxy.signal(`SIG${signal}`);
    await until(() => proxy.stdout.includes(`got-${signal}`), `${signal} has passed`);
  }
  await proxy.line("proxy.looked");
  proxy.signal("SIGTERM");
  await until(() => proxy.stdout.includes("got-TERM"), "TERM has passed");
  const stopping = await proxy.admin("/readyz");
  assert.equal(stopping.status, 503, "not ready while the application ends");
  assert.match(stopping.text, /MCA_PROXY_STOPPING/);
  assert.equal(proxy.stdout.match(/got-TERM/g)?.length, 1);
  proxy.signal("SIGINT");
  assert.equal(await proxy.ended, 130);
});

test("where the proxy cannot start, the application never does", async () => {
  const folder = temporaryDirectory();
  const mark = join(folder, "started");
  const command = ["touch", mark];
  const policyFile = join(folder, "policies.yaml");
  writeFileSync(policyFile, "policies: [{name: x}]");
  const identity = files().config;
  const taken = { direction: "inbound", name: "b", protocol: "tcp", host: "192.0.2.1", port: 1, target: { port: 9 } };
  const failures: readonly [Record<string, unknown>, number | string, RegExp][] = [
    [{ identity, workers: 1, listeners: [{ ...IN, port: "x" }] }, 2, /MCA_CONFIG_INVALID/],
    [{ identity, workers: 1, listeners: [IN], policyFile }, 2, /MCA_/],
    [{ ...{ identity, workers: 1, listeners: [IN] }, policyFile: join(folder, "missing.yaml") }, 2, /MCA_PROXY_FILE/],
    [{ identity, workers: 1, listeners: [IN, taken] }, 1, /MCA_TLS_LISTEN_FAILED/],
  ];
  await Promise.all(
    failures.map(async ([config, code, sentence]) => {
      const proxy = new ProxyProcess({ config, command });
      assert.equal(await proxy.ended, code, proxy.stderr);
      assert.match(proxy.stderr, sentence);
    }),
  );
  assert.equal(existsSync(mark), false);
});

test("an application that cannot be started ends the proxy with its reason", async () => {
  const proxy = new ProxyProcess({
    config: { identity: files().config, workers: 1, listeners: [IN] },
    command: ["/nowhere/application"],
  });
  assert.equal(await proxy.ended, 1);
  assert.match(proxy.stderr, /\/nowhere\/application cannot be started \(ENOENT\).*MCA_PROXY_COMMAND/);
});

test("an application that the proxy has started does not outlive a proxy that was killed, nor a launcher", async () => {
  const svid = files();
  for (const victim of ["proxy", "launcher"] as const) {
    const proxy = new ProxyProcess({
      config: { identity: svid.config, workers: 1, listeners: [IN] },
      command: ["sh", "-c", "echo $$; exec sleep 60"],
      launcher: true,
    });
    await until(() => /^\d+$/m.test(proxy.stdout), "the application is up");
    const application = Number(/^\d+$/m.exec(proxy.stdout)?.[0]);
    const { pid } = await proxy.line("proxy.started");
    process.kill(victim === "proxy" ? Number(pid) : (proxy.child.pid ?? 0), "SIGKILL");
    await until(() => !isAlive(application) && !isAlive(Number(pid)), `nothing is left after the ${victim} was killed`);
    await proxy.ended;
  }
});

test("what is in flight at SIGTERM is finished, nothing new is taken, and a second signal ends at once", async (t) => {
  const backend = await startBackend();
  t.after(() => backend[Symbol.asyncDispose]());
  const policyFile = join(temporaryDirectory(), "p.yaml");
  writeFileSync(policyFile, JSON.stringify({ policies: [ALLOW_ALL] }));
  const config = { identity: files().config, policyFile, listeners: [{ ...IN, target: { port: backend.port } }] };
  const caller = domain.identity("/caller");
  const ask = async (proxy: ProxyProcess, index: number) => {
    const client = await connectClient(await proxy.serving("in"), caller, { alpn: ["http/1.1"] });
    client.socket.write(GET);
    const end = await backend.end(index);
    await until(() => end.text.includes("\r\n\r\n"), "the request has reached the application");
    return { client, end };
  };
  const orderly = new ProxyProcess({ config: { ...config, workers: 2 } });
  const first = await ask(orderly, 0);
  orderly.signal("SIGTERM");
  await orderly.line("proxy.draining");
  assert.match((await orderly.admin("/readyz")).text, /MCA_PROXY_STOPPING/);
  const port = await orderly.serving("in");
  await until(
    () =>
      connectPlain({ port }).then(
        ({ socket }) => socket.destroy() === undefined,
        () => true,
      ),
    "no door is open",
  );
  writeFileSync(policyFile, "policies: [broken");
  await orderly.line("reload.failed");
  first.end.socket.write(OK);
  await first.client.whenEnded();
  assert.match(first.client.text, /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*\r\nok$/);
  assert.equal(await orderly.ended, 0);

  writeFileSync(policyFile, JSON.stringify({ policies: [ALLOW_ALL] }));
  const hurried = new ProxyProcess({ config: { ...config, workers: 1, drain: { graceSeconds: 3_600 } } });
  const second = await ask(hurried, 1);
  hurried.signal("SIGTERM");
  await hurried.line("proxy.draining");
  hurried.signal("SIGINT");
  assert.equal(await hurried.ended, 1);
  await second.client.whenEnded();
});

test("without an application SIGTERM ends with 0, also before there is an identity", async (t) => {
  // A pipe, as a shell makes them: what child_process makes are sockets.
  const path = join(temporaryDirectory(), "pipe");
  execFileSync("mkfifo", [path]);
  const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  t.after(() => closeSync(pipe));
  const waiting = new ProxyProcess({
    config: { identity: new SvidFiles(domain).config, workers: 1, listeners: [IN] },
    output: pipe,
  });
  const serving = new ProxyProcess({ config: { identity: files().config, workers: 1, listeners: [IN] } });
  await waiting.line("proxy.started");
  await serving.serving("in");
  waiting.signal("SIGTERM");
  serving.signal("SIGTERM");
  assert.deepEqual(await Promise.all([waiting.ended, serving.ended]), [0, 0]);
  assert.equal(serving.lines("proxy.stopped").length, 1);
  assert.deepEqual(waiting.lines("proxy.drain_failed"), []);
});
