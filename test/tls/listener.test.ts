// What a listener shows from its first connection on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createTlsListener } from "../../src/tls/index.ts";
import { createLeaf } from "../support/pki.ts";
import {
  authority,
  ChangingIdentity,
  clientIdentity,
  identityOf,
  LogLines,
  MovableClock,
  rawClient,
  serverIdentity,
} from "./support/endpoints.ts";

test("a certificate that is replaced while the port is being opened is shown to nobody", async (t) => {
  const identity = new ChangingIdentity(serverIdentity);
  const listener = createTlsListener<undefined>({
    ...{ identity, alpn: [], missingAlpn: "accept", maxConnections: 10, maxHandshakes: 10 },
    ...{ clock: new MovableClock(), logger: new LogLines() },
    judge: () => undefined,
    onConnection: (socket) => socket.write("!"),
  });
  const listening = listener.listen({ host: "127.0.0.1", port: 0 });
  t.after(() => listener.close(0));
  const next = createLeaf(authority, { spiffeId: "spiffe://example.test/mesh-ca/server" });
  // Nobody listens for changes yet: the port is opened by another turn of the loop.
  identity.set(identityOf(next, authority));
  const { port } = await listening;
  const { socket, accepted } = await rawClient(port, {
    cert: clientIdentity.certificateChainPem,
    key: clientIdentity.privateKeyPem,
  });
  assert.equal(accepted, true);
  assert.equal(socket.getPeerX509Certificate()?.serialNumber.toLowerCase(), next.certificate.serialHex);
  socket.destroy();
});
