// An external database hears nothing, no user name and no password, before its certificate is verified by chain and name. A server
// that only speaks PostgreSQL's first words stands in for the impostor: what counts is what it gets to read.
import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { after, test } from "node:test";
import { createSecureContext, TLSSocket } from "node:tls";
import { openDatabase } from "../../src/ca/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { webClientTlsOptions } from "../../src/tls/index.ts";
import { type GeneralName, oid } from "../../src/x509/index.ts";
import { chainPem, createLeaf, createRoot } from "../support/pki.ts";

const root = createRoot();
const ca = chainPem(root);
const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

interface Impostor {
  readonly port: number;
  /** Bytes that the client has said after the request for TLS. */
  heard(): number;
}

/** `tls` false: it answers that it has no TLS. */
async function startImpostor(names: readonly GeneralName[], tls = true, issuer = root): Promise<Impostor> {
  const leaf = createLeaf(issuer, { names, extendedKeyUsage: [oid.serverAuth] });
  const secureContext = createSecureContext({ cert: chainPem(leaf), key: leaf.keyPem });
  let heard = 0;
  const listen = (socket: Socket): void => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      heard += bytes.length;
      socket.destroy();
    });
  };
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write(tls ? "S" : "N");
      listen(tls ? new TLSSocket(socket, { isServer: true, secureContext }) : socket);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return { port: address.port, heard: () => heard };
}

async function tryToConnect(url: string, code: string): Promise<void> {
  const options = { connectionString: url, tls: webClientTlsOptions({ caPem: ca }), logger: silentLogger };
  await assert.rejects(
    async () => {
      const database = await openDatabase(options);
      try {
        await database.databaseNow();
      } finally {
        await database.close();
      }
    },
    { code },
  );
}

const localhost: GeneralName = { kind: "dns", value: "localhost" };

test("control: a database with the right certificate hears the start of a session", async () => {
  const byName = await startImpostor([localhost]);
  await tryToConnect(`postgresql://mesh:secret@localhost:${byName.port}/mesh`, "MCA_DATABASE_UNAVAILABLE");
  assert.ok(byName.heard() > 0);
  const byAddress = await startImpostor([{ kind: "ip", bytes: Uint8Array.of(127, 0, 0, 1) }]);
  await tryToConnect(`postgresql://mesh:secret@127.0.0.1:${byAddress.port}/mesh`, "MCA_DATABASE_UNAVAILABLE");
  assert.ok(byAddress.heard() > 0);
});

test("a database of an unknown CA hears nothing", async () => {
  const impostor = await startImpostor([localhost], true, createRoot());
  await tryToConnect(`postgresql://mesh:secret@localhost:${impostor.port}/mesh`, "MCA_DATABASE_UNVERIFIED");
  assert.equal(impostor.heard(), 0);
});

test("a database with a certificate for another name hears nothing", async () => {
  const impostor = await startImpostor([{ kind: "dns", value: "other.test" }]);
  await tryToConnect(`postgresql://mesh:secret@localhost:${impostor.port}/mesh`, "MCA_DATABASE_UNVERIFIED");
  assert.equal(impostor.heard(), 0);
});

test("a certificate for localhost is none for an address", async () => {
  const impostor = await startImpostor([localhost]);
  await tryToConnect(`postgresql://mesh:secret@127.0.0.1:${impostor.port}/mesh`, "MCA_DATABASE_UNVERIFIED");
  assert.equal(impostor.heard(), 0);
});

test("a database that says it has no TLS hears nothing in plain text", async () => {
  const impostor = await startImpostor([localhost], false);
  await tryToConnect(`postgresql://mesh:secret@localhost:${impostor.port}/mesh`, "MCA_DATABASE_UNVERIFIED");
  assert.equal(impostor.heard(), 0);
});

test("a URL that asks for less than full verification is refused, and so is a network without TLS", async () => {
  const tls = webClientTlsOptions({ caPem: ca });
  for (const sslmode of ["disable", "prefer", "require", "verify-ca", "no-verify"]) {
    const connectionString = `postgresql://mesh@localhost:1/mesh?sslmode=${sslmode}`;
    await assert.rejects(openDatabase({ connectionString, tls, logger: silentLogger }), {
      code: "MCA_DATABASE_INSECURE",
    });
  }
  await assert.rejects(openDatabase({ connectionString: "postgresql://mesh@localhost:1/mesh", logger: silentLogger }), {
    code: "MCA_DATABASE_INSECURE",
  });
});

test("what else a URL may say to pg is refused, not obeyed", async () => {
  for (const parameter of ["ssl=0", "sslrootcert=/x", "options=-c%20role=postgres", "sslnegotiation=direct"]) {
    const connectionString = `postgresql://mesh@localhost:1/mesh?${parameter}`;
    await assert.rejects(openDatabase({ connectionString, tls: "plaintext", logger: silentLogger }), {
      code: "MCA_DATABASE_URL_INVALID",
    });
  }
});
