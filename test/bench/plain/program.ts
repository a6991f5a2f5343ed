// What the plain Node programs of the bench share: what each of them would do by the documentation of Node, and nothing more. They
// verify the client's certificate by OpenSSL (requestCert, ca), give no session tickets, and authorize nobody by name.
//   node test/bench/plain/PROGRAM.ts FOLDER TARGET_PORT      prints the port that it listens on
import { constants } from "node:crypto";
import { readFileSync } from "node:fs";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import type { TlsOptions } from "node:tls";

const [, , folder = ".", target = "0"] = process.argv;

/** The port that is forwarded to. */
export const targetPort = Number(target);

export const tlsOptions: TlsOptions = {
  cert: readFileSync(join(folder, "svid.pem")),
  key: readFileSync(join(folder, "svid_key.pem")),
  ca: readFileSync(join(folder, "svid_bundle.pem")),
  requestCert: true,
  rejectUnauthorized: true,
  minVersion: "TLSv1.3",
  secureOptions: constants.SSL_OP_NO_TICKET,
};

/** Listens on a port of the system's choice and prints it. */
export function serve(server: Server): void {
  server.listen({ host: "127.0.0.1", port: 0, backlog: 1_024 }, () => {
    const { port } = server.address() as AddressInfo;
    console.log(port);
  });
}
