// A connection through a whole proxy over tcp: a client, a proxy, a backend, and a byte each way behind it.
import type { TlsIdentity } from "../../../src/tls/index.ts";
import { ALLOW_ALL, inboundTcp, outboundTcp, startProxy, type TestProxy, world } from "./proxy.ts";
import { type Backend, connectClient, connectPlain, type End, startBackend, startTlsBackend } from "./sockets.ts";

export interface TcpPath {
  readonly proxy: TestProxy;
  readonly client: End;
  readonly server: End;
  readonly backend: Backend;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface TcpPathOptions {
  readonly direction?: "inbound" | "outbound";
  /** Of the peer whose certificate counts: the client's inbound, the target's outbound. */
  readonly peer?: TlsIdentity;
  readonly settings?: object;
}

/** Connects client and backend through a proxy. */
export async function openTcpPath({
  direction = "inbound",
  peer,
  settings = {},
}: TcpPathOptions = {}): Promise<TcpPath> {
  const inbound = direction === "inbound";
  const identity = peer ?? world.identity(inbound ? "/client" : "/server");
  const backend = inbound ? await startBackend() : await startTlsBackend(identity);
  const proxy = await startProxy({
    listeners: [inbound ? inboundTcp(backend.port) : outboundTcp(backend.port, ["spiffe://example.test/server"])],
    policies: [ALLOW_ALL],
    settings,
  });
  const client = inbound
    ? await connectClient(proxy.port("in"), identity)
    : await connectPlain({ port: proxy.port("out") });
  client.socket.write("c");
  const server = await backend.end();
  await server.receive(1);
  server.socket.write("s");
  await client.receive(1);
  return {
    ...{ proxy, client, server, backend },
    async [Symbol.asyncDispose]() {
      client.socket.destroy();
      await proxy[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
    },
  };
}
