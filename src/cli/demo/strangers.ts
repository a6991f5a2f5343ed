// Callers that must not be served: without a certificate, with another identity, with a token that was redeemed already.
import type { TLSSocket } from "node:tls";
import { ServerRefusal, SvidSource } from "../../identity-client/index.ts";
import type { MeshCaError } from "../../runtime/index.ts";
import { connectTls } from "../../tls/index.ts";

/** Sends a request on a connection; true if a single byte comes back. In TLS 1.3 a refusal shows here, not at the handshake. */
function isServed(socket: TLSSocket): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (served: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(served);
    };
    const timer = setTimeout(() => finish(false), 5_000);
    socket.once("data", () => finish(true));
    socket.once("close", () => finish(false));
    socket.write("GET / HTTP/1.1\r\nHost: cart\r\nConnection: close\r\n\r\n");
  });
}

/** Whether the server serves somebody who shows no certificate at all. `judge` verifies the server on behalf of the caller. */
export async function isAnonymousServed(port: number, judge: SvidSource, server: string): Promise<boolean> {
  const socket = await connectTls({
    host: "127.0.0.1",
    port,
    alpn: ["http/1.1"],
    verify: (chain) => void judge.verifyPeer(chain, server),
  });
  return isServed(socket);
}

/** Whether the server serves a workload of the same trust domain that it does not name. */
export async function isStrangerServed(port: number, stranger: SvidSource, server: string): Promise<boolean> {
  return isServed(await stranger.connect({ host: "127.0.0.1", port, expect: server, alpn: ["http/1.1"] }));
}

/** Tries to enrol with a token that another key has redeemed; returns the refusal, undefined if it was let in. */
export async function secondRedemption(token: string): Promise<MeshCaError | undefined> {
  try {
    const source = await SvidSource.start({ joinToken: { text: token }, memoryOnly: true, startTimeoutMs: 0 });
    await source.close();
    return undefined;
  } catch (error) {
    if (error instanceof ServerRefusal) return error;
    throw error;
  }
}
