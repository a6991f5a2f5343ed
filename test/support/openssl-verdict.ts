// OpenSSL's verdict on a certificate chain: a TLS handshake over an in-memory pair of streams, in which the judged side
// presents the chain and the judging side trusts `anchors` alone. Node reports the result of OpenSSL's own path validation.
import { duplexPair } from "node:stream";
import { connect, createServer, type TLSSocket } from "node:tls";
import { chainPem, createLeaf, createRoot, type TestCertificate } from "./pki.ts";

/** "ok", or OpenSSL's reason for refusing, for example "CERT_HAS_EXPIRED". */
export type OpenSslVerdict = string;

// The judged side must be able to present anything; the judging side keeps its defaults.
const PRESENT_ANYTHING = { ciphers: "DEFAULT@SECLEVEL=0" } as const;

/** What a judging server shows; nobody looks at it. */
const bystander = createLeaf(createRoot({ subject: "Bystander" }));

/**
 * Judges a chain (leaf first) by anchors.
 * @param role what the leaf is presented as: a server's certificate, or a client's
 */
export async function openSslVerdict(
  chain: readonly TestCertificate[],
  anchors: readonly TestCertificate[],
  role: "server" | "client" = "server",
): Promise<OpenSslVerdict> {
  const [leaf] = chain;
  if (leaf === undefined) throw new TypeError("a chain has a leaf");
  const judged = { cert: chainPem(...chain), key: leaf.keyPem, ...PRESENT_ANYTHING };
  const ca = anchors.map((anchor) => anchor.pem);
  const [clientStream, serverStream] = duplexPair();
  const server = createServer(
    role === "server"
      ? judged
      : { cert: bystander.pem, key: bystander.keyPem, ca, requestCert: true, rejectUnauthorized: false },
  );
  server.emit("connection", serverStream);
  const client = connect({
    socket: clientStream,
    servername: "",
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(role === "server" ? { ca } : { ...judged, ca: [] }),
  });
  const sockets: TLSSocket[] = [client];
  server.on("secureConnection", (socket) => sockets.push(socket));
  try {
    return await new Promise<OpenSslVerdict>((resolve, reject) => {
      const report = (socket: TLSSocket): void => resolve(socket.authorized ? "ok" : String(socket.authorizationError));
      if (role === "server") client.once("secureConnect", () => report(client));
      else server.once("secureConnection", report);
      const failed = (error: Error): void =>
        reject(new Error(`the handshake failed: ${error.message}`, { cause: error }));
      client.once("error", failed);
      server.once("tlsClientError", failed);
    });
  } finally {
    for (const socket of sockets) {
      socket.on("error", () => undefined);
      socket.destroy();
    }
  }
}
