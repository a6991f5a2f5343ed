// What the HTTPS listener serves as trust bundle right now, asked for as a federating trust domain would: without a certificate. Bounded
// in bytes and time. Whoever answers there is judged by the caller: it may be another service.
import type { TLSSocket } from "node:tls";
import { connectTls } from "../../tls/index.ts";
import type { Certificate } from "../../x509/index.ts";
import type { Config } from "../config/index.ts";
import { BUNDLE_PATH } from "../http/bundle.ts";
import { localHostOf } from "./local-host.ts";

/** `text`: the body of a 200. `why` continues a sentence that begins with the address. */
export type ServedBundle =
  | { readonly kind: "answer"; readonly address: string; readonly text: string }
  | { readonly kind: "failed"; readonly address: string; readonly why: string };

const PATIENCE_MS = 5_000;
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Asks the listener of this machine. Never rejects.
 * @param verify judges the certificates that are shown; what it throws is why it failed
 */
export async function askBundle(
  { host, port }: Config["listen"]["https"],
  verify: (chain: readonly Certificate[]) => void,
): Promise<ServedBundle> {
  const local = localHostOf(host);
  const address = `https://${local.includes(":") ? `[${local}]` : local}:${port}${BUNDLE_PATH}`;
  const failed = (why: string): ServedBundle => ({ kind: "failed", address, why });
  try {
    const socket = await connectTls({ host: local, port, alpn: [], verify, timeoutMs: PATIENCE_MS });
    const answer = await exchange(socket);
    const end = answer.indexOf("\r\n\r\n");
    const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? "no HTTP";
    if (status !== "200" || end < 0) return failed(`answers with status ${status}`);
    return { kind: "answer", address, text: answer.slice(end + 4) };
  } catch (error) {
    return failed(`cannot be asked: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** One request; everything until the other side ends. */
function exchange(socket: TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => end(new Error(`no whole answer within ${PATIENCE_MS} ms`)), PATIENCE_MS);
    socket.on("error", end);
    socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > MAX_BYTES) end(new Error(`an answer of more than ${MAX_BYTES} bytes`));
    });
    socket.once("close", () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks).toString("utf8"));
    });
    socket.write(`GET ${BUNDLE_PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
  });
}
