// An outbound listener on a Unix socket: only its owner may open it, the dead make room, the living do not.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ProxyError } from "../../../src/proxy-tls/errors.ts";
import { outboundTcp, startProxy, world } from "../support/proxy.ts";
import { connectPlain, startTlsBackend } from "../support/sockets.ts";

const SERVER = "spiffe://example.test/server";
const folder = mkdtempSync(join(tmpdir(), "mesh-ca-proxy-"));
after(() => rmSync(folder, { recursive: true }));

const on = (path: string, targetPort = 1): object => outboundTcp(targetPort, [SERVER], { listen: { path } });

async function refuses(path: string, why: RegExp): Promise<void> {
  await assert.rejects(startProxy({ listeners: [on(path)] }), (error) => {
    assert.ok(error instanceof ProxyError);
    assert.equal(error.code, "MCA_PROXY_LISTEN_FAILED");
    assert.match(error.message, why);
    return true;
  });
}

test("it has mode 0600 whatever the umask, carries bytes, and is gone at the end", async () => {
  const path = join(folder, "app.sock");
  await using backend = await startTlsBackend(world.identity("/server"), ({ socket }) => socket.end("hello"));
  const before = process.umask(0);
  const proxy = await startProxy({ listeners: [on(path, backend.port)] });
  assert.equal(process.umask(before), 0, "the umask is what it was");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const client = await connectPlain({ path });
  client.socket.end();
  await client.whenEnded();
  assert.equal(client.text, "hello");
  assert.equal(proxy.observer.connections[0]?.remoteAddress, undefined);
  await proxy[Symbol.asyncDispose]();
  assert.equal(existsSync(path), false);
});

test("what a dead process has left is replaced", async () => {
  const path = join(folder, "dead.sock");
  // Killed, so that nothing of it is tidied up.
  const script = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script, path]);
  assert.ok(statSync(path).isSocket());
  chmodSync(path, 0o777);
  await using _proxy = await startProxy({ listeners: [on(path)] });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  (await connectPlain({ path })).socket.destroy();
});

test("a living process is not robbed", async () => {
  const path = join(folder, "living.sock");
  await using _proxy = await startProxy({ listeners: [on(path)] });
  await refuses(path, /living process/);
  (await connectPlain({ path })).socket.destroy();
});

test("a file that is no socket is left alone, and so is a folder that is not there", async () => {
  const path = join(folder, "file.sock");
  writeFileSync(path, "precious");
  await refuses(path, /no socket/);
  assert.equal(existsSync(path), true);
  await refuses(join(folder, "nowhere", "app.sock"), /ENOENT|folder/);
});
