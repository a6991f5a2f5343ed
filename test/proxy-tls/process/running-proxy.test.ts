// A whole proxy in this process: what keeps it from starting, what is noted, what is read again when it is asked to.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseProxyConfig } from "../../../src/proxy-tls/config/index.ts";
import { RunningProxy } from "../../../src/proxy-tls/process/running-proxy.ts";
import { systemRandom } from "../../../src/runtime/index.ts";
import { ManualClock, temporaryDirectory } from "../../identity-client/helpers.ts";
import { TestLog } from "../../support/test-log.ts";
import { until } from "../../support/until.ts";
import { ALLOW_ALL } from "../support/proxy.ts";
import { connectClient } from "../support/sockets.ts";
import { TestDomain } from "../support/state.ts";
import { SvidFiles } from "../support/svid-files.ts";

const domain = new TestDomain("example.test");
const other = new TestDomain("other.test");
const IN = { direction: "inbound", name: "in", protocol: "tcp", host: "127.0.0.1", port: 0, target: { port: 9 } };
const OUT = {
  ...{ direction: "outbound", name: "out", protocol: "tcp", listen: { port: 0 } },
  ...{ targets: [{ host: "127.0.0.1", port: 9 }], expect: ["spiffe://other.test/far"] },
};

interface Given {
  readonly proxy: RunningProxy;
  readonly svid: SvidFiles;
  readonly log: TestLog;
  readonly clock: ManualClock;
  /** In the folder of the test. */
  readonly file: (name: string, text: string) => string;
}

function given(t: TestContext, settings: (file: Given["file"]) => object): Given {
  const folder = temporaryDirectory();
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const svid = new SvidFiles(domain);
  svid.swap({ identity: domain.identity("/cart") });
  const config = parseProxyConfig({
    ...{ identity: svid.config, listeners: [IN, OUT], workers: 1, admin: { port: 0 }, log: { access: false } },
    ...settings(file),
  });
  const log = new TestLog();
  const clock = new ManualClock();
  const proxy = new RunningProxy({ config, clock, random: systemRandom, logger: log.logger });
  t.after(() => proxy.close(0));
  return { proxy, svid, log, clock, file };
}

const codes = (findings: readonly { readonly code: string }[]): string[] => findings.map(({ code }) => code);

test("our own trust domain under federation, broken anchors and broken policies end the start, and nothing stays open", async (t) => {
  const cases: readonly [(file: Given["file"]) => object, RegExp][] = [
    [
      (file) => ({ federation: [{ trustDomain: "example.test", bundleFile: file("b", domain.trustText()) }] }),
      /our own trust domain/,
    ],
    [(file) => ({ federation: [{ trustDomain: "other.test", bundleFile: file("b", "broken") }] }), /no PEM block/],
    [
      (file) => ({ federation: [{ trustDomain: "other.test", bundleFile: file("b", domain.trustText()) }] }),
      /trust of example\.test, not of other\.test/,
    ],
    [(file) => ({ policyFile: file("p", "policies: [") }), /YAML/],
    [(file) => ({ policyFile: file("p", "") }), /policy file is empty/],
    [() => ({ policyFile: "/nowhere/policies.yaml" }), /cannot be read \(ENOENT\)\. Mend it\.$/],
  ];
  for (const [settings, sentence] of cases) {
    const { proxy, log } = given(t, settings);
    await assert.rejects(proxy.start(), sentence);
    assert.deepEqual([...proxy.addresses()], []);
    const [started] = log.of("proxy.started");
    const { port } = JSON.parse(JSON.stringify(started?.["admin"]));
    await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`), "the admin listener is closed, too");
  }
});

test("whom nobody can verify is noted; with the anchors of his trust domain he can be", async (t) => {
  const alone = given(t, () => ({}));
  await alone.proxy.start();
  assert.deepEqual(codes(alone.proxy.view.notes()), ["MCA_SVID_UNTRUSTED"]);
  assert.equal(alone.log.of("proxy.expects_strangers").length, 1);
  const federated = given(t, (file) => ({
    federation: [{ trustDomain: "other.test", bundleFile: file("b", other.trustText()) }],
  }));
  await federated.proxy.start();
  assert.deepEqual(federated.proxy.view.notes(), []);
  assert.deepEqual(
    federated.proxy.view.state().peers.trust.map(({ trustDomain }) => trustDomain.name),
    ["example.test", "other.test"],
  );
});

test("what is broken later is a note and keeps the old; being asked to look reads everything", async (t) => {
  const { proxy, file } = given(t, (write) => ({
    policyFile: write("p", JSON.stringify({ policies: [ALLOW_ALL] })),
    federation: [{ trustDomain: "other.test", bundleFile: write("b", other.trustText()) }],
  }));
  await proxy.start();
  const before = proxy.view.state();
  const { sha256 } = proxy.view.policies();
  file("p", "policies: [");
  file("b", other.trustText().slice(0, 50));
  await proxy.look();
  assert.equal(proxy.view.state(), before);
  assert.deepEqual(codes(proxy.view.notes()).sort(), ["MCA_CONFIG_MALFORMED", "MCA_TRUST_FILE_INVALID"]);
  assert.deepEqual(proxy.view.notReady(), []);
  assert.equal(proxy.view.policies().sha256, sha256);
  file("p", JSON.stringify({ policies: [] }));
  const revocations = [{ kind: "serial", serial: "0abc" }] as const;
  file("b", other.trustText({ revocations, revision: 2n }));
  await proxy.look();
  assert.deepEqual(proxy.view.notes(), []);
  assert.deepEqual(proxy.view.policies().names, []);
  assert.deepEqual(proxy.view.state().peers.trust[1]?.revocations, revocations);
  assert.deepEqual(
    proxy.view.reloads().map(({ source, succeeded, failed }) => [source, succeeded, failed]),
    [
      ["identity", 0, 0],
      ["trust", 1, 1],
      ["policies", 1, 1],
    ],
  );
});

test("an expired certificate makes not ready and serves nobody; a fresh one serves again", async (t) => {
  const { proxy, svid, clock } = given(t, () => ({}));
  const notAfter = Math.floor(clock.now() / 1_000) * 1_000 + 60_000;
  svid.swap({ identity: domain.identity("/cart", { notAfter }) });
  await proxy.start();
  assert.deepEqual(proxy.view.notReady(), []);
  clock.jump(notAfter + 1);
  assert.deepEqual(codes(proxy.view.notReady()), ["MCA_TLS_IDENTITY_MISSING"]);
  assert.equal(proxy.view.state().identity, undefined);
  const port = proxy.addresses().get("in")?.port ?? 0;
  await assert.rejects(connectClient(port, domain.identity("/caller")));
  svid.swap({ identity: domain.identity("/cart") });
  await proxy.look();
  assert.deepEqual(proxy.view.notReady(), []);
  const end = await connectClient(port, domain.identity("/caller"));
  end.socket.destroy();
});

test("changed policies and anchors are found without being asked", async (t) => {
  const { proxy, file } = given(t, (write) => ({
    policyFile: write("p.json", JSON.stringify({ policies: [] })),
    federation: [{ trustDomain: "other.test", bundleFile: write("other.json", other.trustText()) }],
  }));
  await proxy.start();
  file("p.json", JSON.stringify({ policies: [ALLOW_ALL] }));
  file("other.json", other.trustText({ sequence: 9n }));
  await until(
    () =>
      ["policies", "trust"].every((of) => proxy.view.reloads().find(({ source }) => source === of)?.succeeded === 1),
    "both are in use",
  );
  assert.deepEqual(proxy.view.policies().names, ["all"]);
});
