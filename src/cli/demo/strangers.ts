// Callers that must not be served: without a certificate, with another identity, with a token that was redeemed already.
import type { TLSSocket } from "node:tls";
import { ServerRefusal, SvidSource } from "../../identity-client/index.ts";
import type { MeshCaError } from "../../runtime/index.ts";
import { connectTls } from "../../tls/index.ts";

/** Sends a request on a connection; what comes back, or nothing. In TLS 1.3 a refusal shows here, not at the handshake. */
function answerOn(socket: TLSSocket): Promise<string> {
  return new Promise((resolve) => {
    const finish = (answer: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(""), 5_000);
    socket.once("data", (chunk: Buffer) => finish(chunk.toString("latin1")));
    socket.once("close", () => finish(""));
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
  return (await answerOn(socket)) !== "";
}

/** What the server answers to a workload of the same trust domain that no policy names. */
export async function answerToStranger(port: number, stranger: SvidSource, server: string): Promise<string> {
  return answerOn(await stranger.connect({ host: "127.0.0.1", port, expect: server, alpn: ["http/1.1"] }));
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
