// Several processes behind one proxy: they share the listeners, follow one state, are replaced when they die, and never outlive the primary.
import assert from "node:assert/strict";
import { renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { temporaryDirectory } from "../identity-client/helpers.ts";
import {
  type Backend,
  connectClient,
  connectPlain,
  type End,
  startEcho,
  startTlsBackend,
} from "../proxy-tls/support/sockets.ts";
import { TestDomain } from "../proxy-tls/support/state.ts";
import { SvidFiles } from "../proxy-tls/support/svid-files.ts";
import { isAlive } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { endProxies, ProxyProcess } from "./proxy-process.ts";

const domain = new TestDomain("example.test");
const caller = domain.identity("/caller");
const folder = temporaryDirectory();
const ANYBODY = { name: "all", action: "allow", rules: [{ from: { ids: ["spiffe://example.test/*"] } }] };

let echo: Backend;
let far: Awaited<ReturnType<typeof startTlsBackend>>;

before(async () => {
  echo = await startEcho();
  far = await startTlsBackend(domain.identity("/far"));
});
after(async () => {
  await endProxies();
  await echo[Symbol.asyncDispose]();
  await far[Symbol.asyncDispose]();
});

interface Started {
  readonly proxy: ProxyProcess;
  readonly svid: SvidFiles;
  readonly port: number;
  readonly socket: string;
  setPolicies(policies: readonly object[]): void;
}

async function start(name: string): Promise<Started> {
  const svid = new SvidFiles(domain);
  svid.swap({ identity: domain.identity("/proxy") });
  const policyFile = join(folder, `${name}.yaml`);
  const setPolicies = (policies: readonly object[]): void => {
    writeFileSync(`${policyFile}.new`, JSON.stringify({ policies }));
    renameSync(`${policyFile}.new`, policyFile);
  };
  setPolicies([ANYBODY]);
  const socket = join(folder, `${name}.sock`);
  const proxy = new ProxyProcess({
    config: {
      ...{ identity: svid.config, policyFile, workers: 2 },
      listeners: [
        { direction: "inbound", name: "in", protocol: "tcp", host: "127.0.0.1", port: 0, target: { port: echo.port } },
        {
          ...{ direction: "outbound", name: "out", protocol: "tcp", listen: { path: socket } },
          ...{ targets: [{ host: "127.0.0.1", port: far.port }], expect: ["spiffe://example.test/far"] },
        },
      ],
    },
  });
  return { proxy, svid, port: await proxy.serving("in"), socket, setPolicies };
}

async function workersOf(proxy: ProxyProcess): Promise<readonly { readonly pid: number; readonly serving: boolean }[]> {
  return JSON.parse((await proxy.admin("/config")).text).workers;
}

/** A connection that has carried something. */
async function echoing(port: number): Promise<End> {
  const end = await connectClient(port, caller);
  end.socket.write("ping");
  assert.equal(await end.receive(4), "ping");
  return end;
}

/** Whether a fresh connection carries anything. */
async function carries(port: number): Promise<boolean> {
  const end = await connectClient(port, caller).catch(() => undefined);
  if (end === undefined) return false;
  end.socket.write("ping");
  const text = await end.receive(4).catch(() => "");
  end.socket.destroy();
  return text === "ping";
}

/** A process that dies ends its connections without a word. */
const isGone = ({ ended, closed }: End): boolean => ended || closed !== "no";

test("connections are spread over the workers; one that is killed takes its own along and is replaced", async () => {
  const { proxy, port, socket } = await start("spread");
  assert.equal((await proxy.admin("/readyz")).status, 200);
  assert.equal(statSync(socket).mode & 0o777, 0o600);
  const [first, second] = await workersOf(proxy);
  assert.ok(first?.serving && second?.serving && first.pid !== second.pid);
  const connections = await Promise.all(Array.from({ length: 64 }, () => echoing(port)));
  const local: End[] = [];
  for (let count = 0; count < 8; count += 1) local.push(await connectPlain({ path: socket }));
  await until(() => far.ends.length === 8, "every local connection has reached the target");
  process.kill(first.pid, "SIGKILL");
  await until(() => local.some(isGone), "local connections of the dead worker are gone");
  await until(() => connections.filter(isGone).length >= 8, "connections of the dead worker are gone");
  assert.ok(
    local.some((end) => !isGone(end)),
    "the other worker has local connections, too",
  );
  for (const end of connections.filter((end) => !isGone(end))) end.socket.write("pong");
  const hasAnswered = ({ text }: End): boolean => text === "pingpong";
  await until(() => connections.every((end) => isGone(end) || hasAnswered(end)), "what is open carries on");
  const carried = connections.filter(hasAnswered).length;
  assert.ok(carried >= 8 && carried <= 56, `${carried} of 64 were on the other worker`);
  assert.equal((await proxy.admin("/readyz")).status, 200, "the other one carries on");
  assert.ok(await carries(port));
  await until(async () => {
    const workers = await workersOf(proxy);
    return workers.length === 2 && workers.every(({ serving }) => serving);
  }, "another worker has taken the place");
  assert.equal(JSON.parse((await proxy.admin("/config")).text).crashes, 1);
  assert.match((await proxy.admin("/metrics")).text, /mesh_ca_proxy_connections\{[^}]*listener="in"[^}]*\} \d+/);
  assert.ok(await carries(port));
  for (const end of [...connections, ...local]) end.socket.destroy();
  proxy.signal("SIGTERM");
  assert.equal(await proxy.ended, 0);
  assert.equal(isAlive(second.pid), false);
});

test("a change of policies, trust or certificate reaches every worker; what is broken reaches none", async () => {
  const { proxy, port, svid, setPolicies } = await start("follow");
  const open = await Promise.all(Array.from({ length: 12 }, () => echoing(port)));
  // A rotation: every worker shows the new certificate, and what is open lives on.
  const next = domain.identity("/proxy");
  svid.swap({ identity: next });
  await proxy.line("identity.loaded", 2);
  const shown = await Promise.all(
    Array.from({ length: 12 }, async () => {
      const end = await connectClient(port, caller);
      const certificate = end.socket.getPeerX509Certificate()?.toString() ?? "";
      end.socket.destroy();
      return next.certificateChainPem.startsWith(certificate.slice(0, 400));
    }),
  );
  assert.deepEqual(shown, Array(12).fill(true));
  // Broken ones change nothing.
  svid.swap({ identity: domain.identity("/proxy"), key: "broken" });
  await proxy.line("reload.failed", 1);
  writeFileSync(join(folder, "follow.yaml"), "policies: [{name: all, action: allow");
  await proxy.line("reload.failed", 2);
  assert.ok(await carries(port));
  const ready = await proxy.admin("/readyz");
  assert.equal(ready.status, 200, "what is in use is good");
  assert.match(ready.text, /MCA_CONFIG_MALFORMED/);
  assert.match(ready.text, /MCA_TLS_IDENTITY_INVALID/);
  for (const end of open) assert.equal(end.closed, "no");
  // Nobody is allowed any more: what is open ends, in every worker.
  setPolicies([{ ...ANYBODY, rules: [{ from: { ids: ["spiffe://example.test/somebody-else"] } }] }]);
  await Promise.all(open.map((end) => end.whenClosed()));
  assert.deepEqual(await Promise.all(Array.from({ length: 12 }, () => carries(port))), Array(12).fill(false));
  setPolicies([ANYBODY]);
  await until(() => carries(port), "everybody is allowed again");
  // The caller is revoked.
  const last = await Promise.all(Array.from({ length: 12 }, () => echoing(port)));
  const revocations = [{ kind: "id", spiffeId: "spiffe://example.test/caller", issuedBefore: Date.now() }] as const;
  svid.swap({ identity: domain.identity("/proxy"), trust: domain.trustText({ revocations, revision: 2n }) });
  await Promise.all(last.map((end) => end.whenClosed()));
  proxy.signal("SIGTERM");
  assert.equal(await proxy.ended, 0);
});

test("a primary that is killed takes its workers with it, and its port and socket can be taken again", async () => {
  const { proxy, port, socket } = await start("orphans");
  const workers = await workersOf(proxy);
  const connection = await echoing(port);
  proxy.signal("SIGKILL");
  assert.equal(await proxy.ended, "SIGKILL");
  await connection.whenEnded();
  await until(() => workers.every(({ pid }) => !isAlive(pid)), "no worker is left");
  await assert.rejects(connectPlain({ port }), { code: "ECONNREFUSED" });
  assert.ok(statSync(socket).isSocket(), "what a killed process leaves");
  const again = await start("orphans");
  assert.equal(again.socket, socket);
  const local = await connectPlain({ path: socket });
  assert.equal(local.closed, "no");
  local.socket.destroy();
});

test("a port that somebody else has is told, and not shared with him", async () => {
  const { proxy, svid, port } = await start("taken");
  const second = new ProxyProcess({
    config: {
      ...{ identity: svid.config, workers: 2 },
      listeners: [
        { direction: "inbound", name: "in", protocol: "tcp", host: "127.0.0.1", port, target: { port: echo.port } },
      ],
    },
    command: ["echo", "started"],
  });
  assert.equal(await second.ended, 1);
  assert.match(second.stderr, new RegExp(`port ${port}.*MCA_PROXY_LISTEN_FAILED`));
  assert.equal(second.stdout.includes("started"), false);
  assert.ok(await carries(port));
  proxy.signal("SIGTERM");
  assert.equal(await proxy.ended, 0);
});
