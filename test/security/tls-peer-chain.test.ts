// Bug class: the verdict about a peer is made from something else than the certificates it presented: a verdict of OpenSSL's, a
// chain that Node has hidden, a name that was only printed. Here both sides judge with the real verifier over real connections.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createServer } from "node:tls";
import { expectPeer, expectServer, SpiffeId, X509SvidVerifier } from "../../src/spiffe/index.ts";
import { connectTls, presentedChain, type TlsIdentity } from "../../src/tls/index.ts";
import type { Certificate } from "../../src/x509/index.ts";
import { trustOf } from "../spiffe/support.ts";
import { createLeaf, createRoot, type TestCertificate } from "../support/pki.ts";
import {
  authority,
  clientIdentity,
  clientLeaf,
  identityOf,
  rawClient,
  root,
  serials,
  serialsOf,
  serverIdentity,
  serverLeaf,
  sibling,
  startListener,
  type TestListener,
} from "../tls/support/endpoints.ts";

const verifier = new X509SvidVerifier(trustOf({ anchors: [root.certificate], authorities: [authority.certificate] }));
const judging = {
  judge(chain: readonly Certificate[], { remoteAddress }: { remoteAddress: string }) {
    verifier.verify(chain, Date.now());
    return { chain, remoteAddress };
  },
};

function connect(
  listener: TestListener,
  verify: (chain: readonly Certificate[]) => void,
  identity: TlsIdentity = clientIdentity,
) {
  return connectTls({ host: "127.0.0.1", port: listener.port, identity, alpn: ["h2"], verify });
}

/** Whether a listener that judges accepts a client with this certificate. */
async function isAccepted(leaf: TestCertificate, ...rest: readonly TestCertificate[]): Promise<boolean> {
  await using listener = await startListener(judging);
  const { certificateChainPem: cert, privateKeyPem: key } = identityOf(leaf, ...rest);
  const { socket, accepted } = await rawClient(listener.port, { cert, key });
  socket.destroy();
  return accepted;
}

/** Whether our client accepts this server as the mesh-ca server. */
async function acceptsServer(leaf: TestCertificate, ...rest: readonly TestCertificate[]): Promise<void> {
  await using listener = await startListener();
  listener.identity.set(identityOf(leaf, ...rest));
  const socket = await connect(listener, (chain) => expectServer(verifier.verify(chain, Date.now())));
  socket.destroy();
}

test("with an empty list of CAs everything that was presented stays visible, in its order, on both sides", async () => {
  for (const rest of [[], [authority], [authority, root], [root, authority], [sibling, authority, root]]) {
    await using listener = await startListener();
    listener.identity.set(identityOf(serverLeaf, ...rest));
    let seen: string[] = [];
    const socket = await connect(
      listener,
      (chain) => {
        seen = serials(chain);
      },
      identityOf(clientLeaf, ...rest),
    );
    await new Promise((resolve) => socket.once("data", resolve));
    socket.destroy();
    assert.deepEqual(seen, serialsOf(serverLeaf, ...rest));
    assert.deepEqual(serials(listener.accepted[0]?.verdict.chain ?? []), serialsOf(clientLeaf, ...rest));
  }
});

test("control: where OpenSSL may verify, Node hides the presented intermediates", async () => {
  const { certificateChainPem: cert, privateKeyPem: key } = serverIdentity;
  const seen = Promise.withResolvers<string[]>();
  const server = createServer({ cert, key, ca: [root.pem], requestCert: true, rejectUnauthorized: false });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    seen.resolve(serials(presentedChain(socket)));
    socket.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  await rawClient(address.port, { cert: clientIdentity.certificateChainPem, key: clientIdentity.privateKeyPem });
  server.close();
  assert.deepEqual(await seen.promise, serialsOf(clientLeaf));
});

test("a client with a good certificate is accepted; without one, or with a stranger's, it is refused", async () => {
  assert.equal(await isAccepted(clientLeaf, authority), true);
  assert.equal(await isAccepted(clientLeaf), true);
  const stranger = createRoot({ subject: "Test Root" });
  assert.equal(await isAccepted(createLeaf(stranger), stranger), false);
  await using listener = await startListener(judging);
  assert.equal((await rawClient(listener.port)).accepted, false);
  assert.deepEqual(listener.log.codes(), ["MCA_SVID_UNTRUSTED"]);
});

test("X-16: a sibling CA's leaf is refused as a client and as a server, though OpenSSL would accept its chain", async () => {
  assert.equal(await isAccepted(createLeaf(sibling), sibling, root), false);
  const impostor = createLeaf(sibling, { spiffeId: "spiffe://example.test/mesh-ca/server" });
  await assert.rejects(acceptsServer(impostor, sibling, root), { code: "MCA_SVID_UNTRUSTED" });
});

test("X-17: a server with any other ID than exactly the server's is refused", async () => {
  await acceptsServer(serverLeaf, authority);
  for (const id of ["/cart", "/mesh-ca/agent/server", "/mesh-ca/server2"]) {
    const leaf = createLeaf(authority, { spiffeId: `spiffe://example.test${id}` });
    await assert.rejects(
      acceptsServer(leaf, authority),
      ({ code }: { code: string }) => code === "MCA_PEER_ID_UNEXPECTED" || code === "MCA_SVID_UNTRUSTED",
    );
  }
});

test("a workload expects exactly one ID of its peer", async () => {
  await using listener = await startListener();
  const expecting = (id: string) =>
    connect(listener, (chain) => expectPeer(verifier.verify(chain, Date.now()), SpiffeId.parse(id)));
  await assert.rejects(expecting("spiffe://example.test/cart"), { code: "MCA_PEER_ID_UNEXPECTED" });
  (await expecting("spiffe://example.test/mesh-ca/server")).destroy();
});

test("X-1: a certificate with two URI names is refused over TLS", async () => {
  const uri = (value: string) => ({ kind: "uri", value }) as const;
  const two = createLeaf(authority, { names: [uri("spiffe://example.test/cart"), uri("spiffe://example.test/admin")] });
  assert.equal(await isAccepted(two, authority), false);
});

test("names come from DER: a DNS name that prints like a SPIFFE ID is none", async () => {
  const names = [{ kind: "dns", value: "a, URI:spiffe://example.test/admin" }] as const;
  assert.equal(await isAccepted(createLeaf(authority, { names }), authority), false);
  const both = [{ kind: "uri", value: "spiffe://example.test/cart" }, ...names] as const;
  await using listener = await startListener();
  const { certificateChainPem: cert, privateKeyPem: key } = identityOf(
    createLeaf(authority, { names: both }),
    authority,
  );
  const { socket, accepted } = await rawClient(listener.port, { cert, key });
  socket.destroy();
  // Either our reader refuses the odd name, or it yields the one true ID; never the printed one.
  const chain = listener.accepted[0]?.verdict.chain;
  if (accepted) assert.equal(verifier.verify(chain ?? [], Date.now()).id.path, "/cart");
  else assert.deepEqual(listener.log.codes(), ["MCA_TLS_CHAIN_INVALID"]);
});

test("more than eight certificates are refused, on both sides", async () => {
  assert.equal(await isAccepted(clientLeaf, ...Array.from({ length: 8 }, () => authority)), false);
  assert.equal(await isAccepted(clientLeaf, ...Array.from({ length: 7 }, () => authority)), true);
  await assert.rejects(acceptsServer(serverLeaf, ...Array.from({ length: 8 }, () => authority)), {
    code: "MCA_TLS_CHAIN_INVALID",
  });
});

test("a certificate that OpenSSL reads and our strict reader does not is refused with its reason", async () => {
  const old = createLeaf(authority, {
    version: 0,
    names: [],
    keyUsage: null,
    extendedKeyUsage: null,
    basicConstraints: null,
    subjectKeyId: null,
    authorityKeyId: null,
    subject: "v1",
  });
  await using listener = await startListener();
  const { pem: cert, keyPem: key } = old;
  assert.equal((await rawClient(listener.port, { cert, key })).accepted, false);
  assert.deepEqual(listener.log.codes(), ["MCA_TLS_CHAIN_INVALID"]);
});

test("an expired certificate is refused on both sides", async () => {
  const expired = (spiffeId: string) =>
    createLeaf(authority, { spiffeId, notBefore: Date.now() - 7_200_000, notAfter: Date.now() - 3_600_000 });
  assert.equal(await isAccepted(expired("spiffe://example.test/cart"), authority), false);
  await using listener = await startListener();
  // The listener would not show an expired certificate if it knew: here its source lies about it.
  const stale = identityOf(expired("spiffe://example.test/mesh-ca/server"), authority);
  listener.identity.set({ ...stale, notAfter: Date.now() + 3_600_000 });
  await assert.rejects(
    connect(listener, (chain) => void verifier.verify(chain, Date.now())),
    { code: "MCA_SVID_EXPIRED" },
  );
});
