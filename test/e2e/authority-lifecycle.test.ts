// One authority follows another under clients that run: forced rotation, taint, revocation, recovery. The clients are the SDK's.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, type TestContext, test } from "node:test";
import { SvidSource } from "../../src/identity-client/index.ts";
import {
  CreateAuthorityRequestRequest,
  ImportAuthorityRequest,
  Authority_State as State,
} from "../../src/proto/gen/meshca/identity/v1/authority.ts";
import { createIntermediate, createRoot } from "../support/pki.ts";
import { signRequest } from "../support/sign-request.ts";
import { soon } from "../support/until.ts";
import {
  authoritiesOf,
  call,
  closeClients,
  connect,
  createToken,
  enrol,
  local,
  readyz,
  refusal,
  renew,
  type TestServer,
  until,
} from "./fixture.ts";
import { issuerOf, startRotatingServer } from "./rotation-fixture.ts";
import { watch } from "./watch.ts";

after(closeClients);

const WEB = "spiffe://example.test/web";

async function join(t: TestContext, on: TestServer, service: string): Promise<SvidSource> {
  const joinToken = { text: await createToken(on.server, { service }) };
  const source = await SvidSource.start({ joinToken, memoryOnly: true });
  t.after(() => source.close());
  return source;
}

async function spkiIn(on: TestServer, wanted: State): Promise<string> {
  const { authorities } = await authoritiesOf(on.server, true);
  return authorities.find(({ state }) => state === wanted)?.spkiSha256 ?? "";
}

/** A successor that may take over, and everybody who follows has said to know it. */
async function prepare(on: TestServer): Promise<string> {
  const { authorities } = local(on.server);
  const { spkiSha256 } = await call(authorities, authorities.prepareAuthority, {
    recover: false,
    changeUpstream: false,
  });
  return spkiSha256;
}

test("forced rotation: no client notices but by its next certificate, and connections go on", async (t) => {
  const on = await startRotatingServer(t);
  const [cart, web] = await Promise.all([join(t, on, "cart"), join(t, on, "web")]);
  const first = await spkiIn(on, State.STATE_ACTIVE);
  const server = cart.createTlsServer({ allow: WEB }, (socket) => socket.pipe(socket));
  t.after(() => server.close(0));
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  const open = await web.connect({ host: "127.0.0.1", port, expect: "spiffe://example.test/cart" });
  const { authorities } = local(on.server);
  const { spkiSha256, activatesAt } = await call(authorities, authorities.rotateAuthority, {});
  assert.notEqual(spkiSha256, first);
  assert.ok(activatesAt !== undefined && activatesAt.getTime() > Date.now(), "not before everybody knows it");
  await until(async () => (await spkiIn(on, State.STATE_ACTIVE)) === spkiSha256, "the successor signs");
  assert.equal(await spkiIn(on, State.STATE_RETIRED), first);
  open.write("still here");
  assert.equal(String((await once(open, "data"))[0]), "still here");
  await web.renew();
  assert.equal(issuerOf(web), spkiSha256);
  const again = await web.connect({ host: "127.0.0.1", port, expect: "spiffe://example.test/cart" });
  again.destroy();
});

test("taint: every client under the authority renews, and then revocation ends it without an outage", {
  timeout: 60_000,
}, async (t) => {
  const on = await startRotatingServer(t);
  const sources = await Promise.all(["a", "b", "c", "web"].map((service) => join(t, on, service)));
  const first = await spkiIn(on, State.STATE_ACTIVE);
  const { authorities } = local(on.server);
  const taint = (emergency: boolean) =>
    call(authorities, authorities.taintAuthority, { authority: first, spreadSeconds: 1, emergency });
  assert.equal((await refusal(taint(false))).mca, "MCA_AUTHORITY_NO_SUCCESSOR");
  const second = await prepare(on);
  assert.equal((await refusal(taint(false))).mca, "MCA_AUTHORITY_TOO_EARLY");
  assert.equal(await spkiIn(on, State.STATE_ACTIVE), first, "what was refused has changed nothing");
  await until(
    async () => (await authoritiesOf(on.server)).laggingWatcherCount === 0,
    "every client has said that it knows the successor",
  );
  await taint(true);
  await until(() => sources.every((source) => issuerOf(source) === second), "every client has renewed");
  assert.ok(sources.every((source) => source.health().kind === "fresh"));
  await until(async () => (await readyz(on)).status === 200, "the server's own certificate has followed");

  const done = await call(authorities, authorities.revokeAuthority, {
    authority: first.slice(0, 12),
    emergency: false,
  });
  assert.equal(done.spkiSha256, first);
  assert.equal(done.distrusted, false, "its own root: it leaves the bundle");
  await soon(
    () => sources.every((source) => !source.trust().anchors.some((each) => each.publicKey.spkiSha256 === first)),
    "every live stream has told it",
    1_000,
  );
  await Promise.all(sources.map((source) => source.renew()));
});

test("revocation of a chained authority: live streams tell it within a second, and mTLS peers refuse its leaves", {
  timeout: 60_000,
}, async (t) => {
  const on = await startRotatingServer(t, { upstream: "offline" });
  const root = createRoot({ subject: "Enterprise Root" });
  const issuing = createIntermediate(root, { pathLength: 1 });
  const { authorities } = local(on.server);
  const bringIn = async (): Promise<string> => {
    const made = await call(
      authorities,
      authorities.createAuthorityRequest,
      CreateAuthorityRequestRequest.fromPartial({}),
    );
    const csr = made.request?.csr ?? new Uint8Array();
    const files = [signRequest(issuing, csr), issuing.der, root.der].map((content) => ({ name: "der", content }));
    const { outcome } = await call(
      authorities,
      authorities.importAuthority,
      ImportAuthorityRequest.fromPartial({ files }),
    );
    assert.ok(outcome?.$case === "accepted", JSON.stringify(outcome));
    return outcome.value.spkiSha256;
  };
  const first = await bringIn();
  await until(() => on.server.addresses.grpc !== undefined, "the port is open");
  const [cart, web] = await Promise.all([join(t, on, "cart"), join(t, on, "web")]);
  const stolen = web.current();
  const second = await bringIn();
  const done = await call(authorities, authorities.revokeAuthority, { authority: first, emergency: true });
  assert.equal(done.distrusted, true);
  assert.match(done.enterpriseRequest, /keyCompromise/);
  await soon(() => cart.trust().distrustedSpkis.has(first), "the live stream has told it", 1_000);
  assert.throws(() => cart.verifyPeer(stolen.chain, WEB), { code: "MCA_SVID_UNTRUSTED" });
  assert.equal(await spkiIn(on, State.STATE_ACTIVE), second, "its successor took over in the same change");
  // Both held leaves of the revoked authority, and have to come with fresh evidence; whoever does is served at once.
  const fresh = await join(t, on, "web");
  assert.equal(issuerOf(fresh), second);
  cart.verifyPeer(fresh.current().chain, WEB);
});

test("revocation: whoever is no longer trusted is told so before the connection ends, and served no more meanwhile", {
  timeout: 60_000,
}, async (t) => {
  const on = await startRotatingServer(t);
  const { authorities } = local(on.server);
  const first = await spkiIn(on, State.STATE_ACTIVE);
  const client = connect(on.address, await enrol(on, "web"));
  const watching = watch(client);
  await watching.next(1);
  const second = await prepare(on);
  await call(authorities, authorities.activateAuthority, { authority: second, emergency: true });
  const before = watching.messages.length;
  await call(authorities, authorities.revokeAuthority, { authority: first, emergency: true });
  const told = async (): Promise<void> => {
    for (let seen = before; ; seen++) {
      await watching.next(seen + 1);
      const { update } = watching.messages[seen] ?? {};
      if (update?.$case === "delta" && update.value.anchorsRemovedSha256.length > 0) return;
    }
  };
  const outcome = await Promise.race([told().then(() => "told"), watching.ended.then(() => "ended")]);
  assert.equal(outcome, "told");
  assert.match((await refusal(renew(client))).mca, /^MCA_SVID_/, "the connection is still there, and serves nothing");
  await watching.ended;
});

test("recovery: what the rotator never does, an operator may, by name", async (t) => {
  const on = await startRotatingServer(t);
  const { authorities } = local(on.server);
  const first = await spkiIn(on, State.STATE_ACTIVE);
  const unknown = refusal(call(authorities, authorities.activateAuthority, { authority: "00000000", emergency: true }));
  assert.equal((await unknown).mca, "MCA_AUTHORITY_UNKNOWN");
  for (const authority of ["", "abc", "zzzzzzzz", `${first}00`, "*"]) {
    const wrong = call(authorities, authorities.revokeAuthority, { authority, emergency: true });
    assert.equal((await refusal(wrong)).mca, "MCA_REQUEST_INVALID", authority);
  }
  const second = await prepare(on);
  await call(authorities, authorities.activateAuthority, { authority: second, emergency: true });
  assert.equal(await spkiIn(on, State.STATE_ACTIVE), second);
});
