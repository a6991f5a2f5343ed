// A plain HTTP service that knows nothing of TLS or identities: it tells what its proxy says about the caller.
import { createServer, type Server } from "node:http";

export interface PlainService {
  readonly port: number;
  close(): Promise<void>;
}

/** Answers every request with `hello CALLER`; the caller's SPIFFE ID comes from x-forwarded-client-cert. */
export async function startPlainService(): Promise<PlainService> {
  const server: Server = createServer((request, response) => {
    const said = request.headers["x-forwarded-client-cert"];
    const caller = /(?:^|;)URI=([^;,]+)/.exec(typeof said === "string" ? said : "")?.[1] ?? "nobody";
    response.end(`hello ${caller}`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("a TCP server has an address and a port");
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
