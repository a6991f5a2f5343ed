// Clients that were away while authorities came and went: what they are told, and how they come back. And X-16 for what went.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { SvidSource } from "../../src/identity-client/index.ts";
import { Authority_State as State } from "../../src/proto/gen/meshca/identity/v1/authority.ts";
import { encodeTrustFile } from "../../src/spiffe/index.ts";
import { connectTls } from "../../src/tls/index.ts";
import { bytesEqual, type Certificate, parseCertificate } from "../../src/x509/index.ts";
import { temporaryDirectory } from "../identity-client/helpers.ts";
import {
  authoritiesOf,
  call,
  closeClients,
  connect,
  createToken,
  local,
  readyz,
  refusal,
  renew,
  type TestServer,
  until,
} from "./fixture.ts";
import { issuerOf, startRotatingServer } from "./rotation-fixture.ts";

after(closeClients);

async function open(t: TestContext, options: Parameters<typeof SvidSource.start>[0]): Promise<SvidSource> {
  const source = await SvidSource.start(options);
  t.after(() => source.close());
  return source;
}

/** The authority by which the server shows itself. */
async function shownIssuer(on: TestServer): Promise<string | undefined> {
  const [host = "", port] = on.address.split(":");
  let issuer = new Uint8Array();
  const verify = ([leaf]: readonly Certificate[]): void => {
    issuer = new Uint8Array(leaf?.issuer ?? []);
  };
  (await connectTls({ host, port: Number(port), alpn: ["h2"], verify })).destroy();
  const { authorities } = await authoritiesOf(on.server);
  return authorities.find(({ certificate }) => bytesEqual(parseCertificate(certificate).subject, issuer))?.spkiSha256;
}

/** A successor signs at once, and the server shows itself by it. */
async function rotate(on: TestServer): Promise<string> {
  const { authorities } = local(on.server);
  const { spkiSha256 } = await call(authorities, authorities.prepareAuthority, {
    recover: false,
    changeUpstream: false,
  });
  await call(authorities, authorities.activateAuthority, { authority: spkiSha256, emergency: true });
  return spkiSha256;
}

test("who was away for two rotations is told so, and comes back by a new token or a new trust file, with its state", async (t) => {
  const on = await startRotatingServer(t);
  const [byToken, byFile] = ["a", "b"].map((name) => join(temporaryDirectory(), name));
  const memory = { joinToken: { text: await createToken(on.server, { service: "web" }) }, memoryOnly: true } as const;
  const present = await open(t, memory);
  for (const stateDir of [byToken, byFile]) {
    const joinToken = { text: await createToken(on.server, { service: "cart" }) };
    await (await open(t, { joinToken, stateDir: String(stateDir) })).close();
  }

  const first = String(issuerOf(present));
  await rotate(on);
  const third = await rotate(on);
  await until(() => present.trust().authorities?.length === 3, "who is here has followed");
  // The server shows the third by its next certificate: here at once.
  const { authorities } = local(on.server);
  await call(authorities, authorities.taintAuthority, { authority: first, spreadSeconds: 1, emergency: false });
  await until(async () => (await shownIssuer(on)) === third, "the server shows itself by the third");

  const text = await createToken(on.server, { service: "cart" });
  const lost = await open(t, { stateDir: String(byToken) });
  assert.equal(lost.current().id.toString(), "spiffe://example.test/cart", "a valid certificate needs no server");
  await assert.rejects(lost.renew(), { code: "MCA_SERVER_UNTRUSTED" });
  await lost.close();
  const back = await open(t, { joinToken: { text }, stateDir: String(byToken) });
  await back.renew();
  assert.equal(issuerOf(back), third);

  const trustFile = join(temporaryDirectory(), "trust.json");
  writeFileSync(trustFile, encodeTrustFile(present.trust()));
  const told = await open(t, { stateDir: String(byFile), trustFile });
  await told.renew();
  assert.equal(issuerOf(told), third);
});

test("X-16: tainted is accepted; revoked is refused by peers and by the API", { timeout: 60_000 }, async (t) => {
  const on = await startRotatingServer(t);
  const web = await open(t, {
    joinToken: { text: await createToken(on.server, { service: "web" }) },
    memoryOnly: true,
  });
  const stateDir = join(temporaryDirectory(), "thief");
  const joinToken = { text: await createToken(on.server, { service: "cart" }) };
  const thief = await open(t, { joinToken, stateDir });
  const stolen = thief.current();
  await thief.close();
  const first = issuerOf(web);
  await rotate(on);
  const CART = "spiffe://example.test/cart";
  web.verifyPeer(stolen.chain, CART);
  const { authorities } = local(on.server);
  await call(authorities, authorities.taintAuthority, { authority: String(first), spreadSeconds: 1, emergency: false });
  await until(() => issuerOf(web) !== first, "whoever is here renews");
  web.verifyPeer(stolen.chain, CART);
  await call(authorities, authorities.revokeAuthority, { authority: String(first), emergency: false });
  await until(() => web.trust().authorities?.every(({ publicKey }) => publicKey.spkiSha256 !== first) ?? false, "told");
  assert.throws(() => web.verifyPeer(stolen.chain, CART), { code: "MCA_SVID_UNTRUSTED" });
  const states = (await authoritiesOf(on.server, true)).authorities;
  const state = states.find(({ spkiSha256 }) => spkiSha256 === first)?.state;
  assert.ok(state === State.STATE_REVOKED || state === State.STATE_REMOVED, `${state}`);

  // To the API it is nobody: it renews nothing.
  assert.equal((await refusal(renew(connect(on.address, stolen.tlsIdentity)))).mca, "MCA_SVID_UNTRUSTED");
  await until(async () => (await readyz(on)).status === 200, "the server has followed");
  const back = await open(t, { joinToken: { text: await createToken(on.server, { service: "cart" }) }, stateDir });
  await back.renew();
  web.verifyPeer(back.current().chain, CART);
});
