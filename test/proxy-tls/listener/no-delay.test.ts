// Nagle's algorithm is off on every socket of the proxy: a small write behind another would wait for the peer's delayed acknowledgement, 40 ms
// on Linux. The kernel tells nobody what it was asked for, so that the asking itself is watched.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { test } from "node:test";
import { openTcpPath } from "../support/tcp-path.ts";

interface Handle {
  setNoDelay(on: boolean): number;
  getsockname(out: Partial<AddressInfo>): number;
  getpeername(out: Partial<AddressInfo>): number;
}

/** What every TCP socket of this process asks the kernel through. */
async function handlePrototype(): Promise<Handle> {
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  await once(socket, "connect");
  const { _handle: handle } = socket as unknown as { _handle: Handle };
  socket.destroy();
  server.close();
  return Object.getPrototypeOf(handle);
}

for (const direction of ["inbound", "outbound"] as const) {
  test(`${direction}: neither the client's nor the target's socket waits for more to send`, async (t) => {
    /** "local port > remote port" of the sockets that do not wait. */
    const prompt: { readonly local: number | undefined; readonly remote: number | undefined }[] = [];
    const prototype = await handlePrototype();
    const { setNoDelay } = prototype;
    t.mock.method(prototype, "setNoDelay", function (this: Handle, on: boolean): number {
      const [own, peer]: Partial<AddressInfo>[] = [{}, {}];
      this.getsockname(own ?? {});
      this.getpeername(peer ?? {});
      if (on) prompt.push({ local: own?.port, remote: peer?.port });
      return setNoDelay.call(this, on);
    });
    await using path = await openTcpPath({ direction });
    const port = path.proxy.port(direction === "inbound" ? "in" : "out");
    assert.equal(prompt.filter(({ local }) => local === port).length, 1, "towards the client");
    assert.equal(prompt.filter(({ remote }) => remote === path.backend.port).length, 1, "towards the target");
  });
}
