// A caller that is no gRPC library: HTTP/2 over node:tls with or without ALPN, and frames written by hand.
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type TLSSocket } from "node:tls";
import type { TlsIdentity } from "../../src/tls/index.ts";

export interface PlainAnswer {
  /** grpc-status; undefined: the connection or stream ended without one. */
  readonly status: number | undefined;
  readonly mca: string | undefined;
  /** The answer's message without its five-byte prefix. */
  readonly message: Uint8Array;
}

export interface PlainConnection {
  readonly session: ClientHttp2Session;
  readonly socket: TLSSocket;
  close(): void;
}

/** Opens a connection; `alpn` undefined offers none at all, as linkerd's proxy does. */
export async function openPlain(
  address: string,
  options: { readonly alpn?: string[]; readonly identity?: TlsIdentity } = {},
): Promise<PlainConnection> {
  const { hostname, port } = new URL(`https://${address}`);
  const { identity, alpn } = options;
  const socket = connect({
    host: hostname,
    port: Number(port),
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
    ...(alpn === undefined ? {} : { ALPNProtocols: alpn }),
    ...(identity === undefined ? {} : { cert: identity.certificateChainPem, key: identity.privateKeyPem }),
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  socket.on("error", () => {});
  const session = connectHttp2(`https://${address}`, { createConnection: () => socket });
  session.on("error", () => {});
  return {
    session,
    socket,
    close() {
      session.destroy();
      socket.destroy();
    },
  };
}

const HEADERS = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };

/** One unary call. */
export function plainCall({ session }: PlainConnection, path: string, message: Uint8Array): Promise<PlainAnswer> {
  const stream = session.request({ ...HEADERS, ":path": path });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([prefix, message]));
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let trailers: Record<string, unknown> = {};
    const note = (headers: object): void => {
      trailers = { ...trailers, ...headers };
    };
    stream.on("response", note);
    stream.on("trailers", note);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => {});
    stream.on("close", () => {
      const status = trailers["grpc-status"];
      const mca = trailers["mca-code"];
      resolve({
        status: status === undefined ? undefined : Number(status),
        mca: mca === undefined ? undefined : String(mca),
        message: Buffer.concat(chunks).subarray(5),
      });
    });
  });
}
