// Tries a certificate chain with OpenSSL: one TLS 1.3 handshake in memory, without a port, in which both sides show the chain and both
// judge it by one anchor, so that it is tried as a server's certificate and as a client's. For new authorities, before anybody
// depends on them; OpenSSL judges by this machine's clock. Never used to decide about a peer.
import type { KeyObject } from "node:crypto";
import { duplexPair } from "node:stream";
import { connect, createServer, type TLSSocket } from "node:tls";
import { encodePem } from "../x509/index.ts";
import { TlsError } from "./errors.ts";
import type { TlsIdentity } from "./identity.ts";
import { clientTlsOptions, serverTlsOptions } from "./options.ts";

const TIMEOUT_MS = 10_000;

/** A chain to be tried. */
export interface OpenSslTrial {
  /** Leaf first, without the anchor. DER. */
  readonly chain: readonly Uint8Array[];
  /** The leaf's private key. */
  readonly key: KeyObject;
  /** The only certificate to trust. DER. */
  readonly anchor: Uint8Array;
}

/**
 * Resolves when OpenSSL accepts the chain for both purposes, now.
 * @throws TlsError MCA_TLS_CHAIN_INVALID with OpenSSL's reason; MCA_TLS_HANDSHAKE_FAILED, MCA_TLS_TIMEOUT
 */
export async function tryWithOpenSsl({ chain, key, anchor }: OpenSslTrial): Promise<void> {
  const identity: TlsIdentity = {
    certificateChainPem: chain.map((der) => encodePem("CERTIFICATE", der)).join(""),
    privateKeyPem: key.export({ type: "pkcs8", format: "pem" }).toString(),
    notAfter: Number.POSITIVE_INFINITY,
  };
  const ca = [encodePem("CERTIFICATE", anchor)];
  const [clientEnd, serverEnd] = duplexPair();
  // Nobody authorizes anybody here: the verdicts of both sides are read below.
  const server = createServer({ ...serverTlsOptions(identity, { alpn: [] }), ca });
  const client = connect({
    ...clientTlsOptions(identity, { alpn: [] }),
    ca,
    socket: clientEnd,
    // The chain is tried, not a name: a probe has none.
    checkServerIdentity: () => undefined,
  });
  const sockets: TLSSocket[] = [client];
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(failed("MCA_TLS_TIMEOUT", "it did not end in time")), TIMEOUT_MS);
      const fail = (cause: Error): void => {
        clearTimeout(timer);
        reject(failed("MCA_TLS_HANDSHAKE_FAILED", cause.message, cause));
      };
      let judged = 0;
      const judge = (socket: TLSSocket, as: string): void => {
        if (!socket.authorized) {
          clearTimeout(timer);
          reject(refused(as, socket.authorizationError));
        } else if (++judged === 2) {
          clearTimeout(timer);
          resolve();
        }
      };
      client.once("error", fail);
      server.once("tlsClientError", fail);
      client.once("secureConnect", () => judge(client, "a server's"));
      server.once("secureConnection", (socket) => {
        sockets.push(socket);
        judge(socket, "a client's");
      });
      server.emit("connection", serverEnd);
    });
  } finally {
    for (const socket of sockets) {
      socket.on("error", () => {});
      socket.destroy();
    }
    for (const end of [clientEnd, serverEnd]) end.destroy();
  }
}

function refused(as: string, reason: unknown): TlsError {
  const code = reason instanceof Error ? reason.message : String(reason);
  return new TlsError("MCA_TLS_CHAIN_INVALID", `OpenSSL does not accept the chain as ${as} certificate: ${code}.`, {
    details: { reason: code },
  });
}

function failed(code: "MCA_TLS_TIMEOUT" | "MCA_TLS_HANDSHAKE_FAILED", why: string, cause?: Error): TlsError {
  return new TlsError(code, `The trial handshake in memory failed: ${why}.`, cause === undefined ? {} : { cause });
}
