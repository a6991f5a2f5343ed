// Policy files that change under a running `mesh-ca proxy run`: good ones count for every process, bad ones for none, and who was served
// all the while notices nothing.
import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { answering, OK } from "../proxy-tls/support/http.ts";
import { ALLOW_ALL } from "../proxy-tls/support/proxy.ts";
import { connectClient, startBackend } from "../proxy-tls/support/sockets.ts";
import { TestDomain } from "../proxy-tls/support/state.ts";
import { SvidFiles } from "../proxy-tls/support/svid-files.ts";
import { until } from "../support/until.ts";
import { endProxies, ProxyProcess } from "./proxy-process.ts";

const domain = new TestDomain("example.test");
const folder = mkdtempSync(join(tmpdir(), "mesh-ca-policies-"));
const file = join(folder, "policies.yaml");

after(async () => {
  await endProxies();
  rmSync(folder, { recursive: true });
});

/** Replaces the file at once. */
function write(text: string): void {
  writeFileSync(`${file}.next`, text);
  renameSync(`${file}.next`, file);
}

const policies = (...list: readonly object[]): string => JSON.stringify({ policies: list });
const OPEN = policies(ALLOW_ALL);
const SHUT = policies(ALLOW_ALL, { name: "shut", action: "deny", rules: [{ to: { paths: ["/secret/**"] } }] });

test("policies are replaced under load in every process, and no request of others fails", async () => {
  const svid = new SvidFiles(domain);
  svid.swap({ identity: domain.identity("/cart") });
  await using backend = await startBackend(answering(OK));
  write(OPEN);
  const listener = { direction: "inbound", name: "in", protocol: "http", host: "127.0.0.1", port: 0 };
  const proxy = new ProxyProcess({
    config: {
      ...{ identity: svid.config, workers: 2, policyFile: file },
      listeners: [{ ...listener, target: { port: backend.port } }],
    },
  });
  const port = await proxy.serving("in");
  const client = () => connectClient(port, domain.identity("/client"), { alpn: ["http/1.1"] });
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: a.test\r\n\r\n`;

  /** The status that a new connection, and so some process, answers. */
  const status = async (): Promise<string> => {
    const end = await client();
    end.socket.write(get("/secret/plan"));
    await until(() => end.text.includes("\r\n\r\n"), "an answer");
    end.socket.destroy();
    return end.text.slice(9, 12);
  };
  const all = async (wanted: string): Promise<boolean> =>
    (await Promise.all(Array.from({ length: 8 }, status))).every((found) => found === wanted);

  let stop = false;
  let answers = 0;
  const load = Array.from({ length: 3 }, async () => {
    const end = await client();
    while (!stop) {
      const before = end.length;
      end.socket.write(get("/open"));
      await until(() => end.length >= before + OK.length || end.ended || end.closed !== "no", "an answer");
      assert.equal(end.ended || end.closed !== "no", false, "the connection lives on");
      assert.equal(end.text.slice(before, before + 12), "HTTP/1.1 200");
      await until(() => end.text.endsWith("ok"), "the whole answer");
      answers += 1;
    }
    end.socket.destroy();
  });
  const work = async (): Promise<void> => {
    assert(await all("200"));
    write(SHUT);
    proxy.signal("SIGHUP");
    await until(() => all("403"), "every process denies");
    for (const bad of [
      "policies:\n  - name: half",
      policies(ALLOW_ALL, ALLOW_ALL),
      OPEN.replace("allow", "alow"),
      "",
    ]) {
      const failed = proxy.lines("reload.failed").length;
      write(bad);
      proxy.signal("SIGHUP");
      await proxy.line("reload.failed", failed + 1);
      assert(await all("403"), `the last good policies hold: ${bad}`);
    }
    assert.equal((await proxy.admin("/readyz")).status, 200);
    write(OPEN);
    proxy.signal("SIGHUP");
    await until(() => all("200"), "every process allows");
  };
  try {
    await Promise.race([work(), Promise.all(load).then(() => assert.fail("the load ended"))]);
  } finally {
    stop = true;
  }
  await Promise.all(load);
  assert(answers > 50, `${answers} answers`);
  proxy.signal("SIGTERM");
  assert.equal(await proxy.ended, 0);
});
