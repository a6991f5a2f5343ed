// HTTP/1.1 through a whole proxy over raw sockets: what a client sends and what a backend receives are the very bytes.
import type { TLSSocket } from "node:tls";
import { ALLOW_ALL, startProxy, type TestProxy, type TestProxyOptions, world } from "./proxy.ts";
import { type Backend, connectClient, type End, startBackend } from "./sockets.ts";

/** An inbound http listener "in" on a free port. */
export function inboundHttp(targetPort: number, http: object = {}, changes: object = {}): object {
  return {
    ...{ direction: "inbound", name: "in", protocol: "http", host: "127.0.0.1", port: 0 },
    target: { port: targetPort },
    http,
    ...changes,
  };
}

export interface HttpWorld {
  readonly proxy: TestProxy;
  readonly backend: Backend;
  /** A client over mTLS that speaks HTTP/1.1, by SPIFFE path. */
  client(path?: string): Promise<End<TLSSocket>>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A proxy that lets everybody of `world` call a backend, which `serve` drives. */
export async function startHttp(
  serve: (end: End) => void,
  { http = {}, ...options }: Partial<TestProxyOptions> & { readonly http?: object } = {},
): Promise<HttpWorld> {
  const backend = await startBackend(serve);
  const proxy = await startProxy({ listeners: [inboundHttp(backend.port, http)], policies: [ALLOW_ALL], ...options });
  const clients: End[] = [];
  return {
    proxy,
    backend,
    async client(path = "/client") {
      const end = await connectClient(proxy.port("in"), world.identity(path), { alpn: ["http/1.1"] });
      clients.push(end);
      return end;
    },
    async [Symbol.asyncDispose]() {
      for (const { socket } of clients) socket.destroy();
      await proxy[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
    },
  };
}

/** A backend's `serve` that answers each request head it sees with the same bytes. */
export function answering(response: string): (end: End) => void {
  return (end) => {
    let seen = 0;
    end.socket.on("data", () => {
      for (let at = end.text.indexOf("\r\n\r\n", seen); at >= 0; at = end.text.indexOf("\r\n\r\n", seen)) {
        seen = at + 4;
        end.socket.write(response);
      }
    });
    end.socket.on("end", () => end.socket.end());
  };
}

export const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
export const GET = "GET / HTTP/1.1\r\nhost: service.test\r\n\r\n";
