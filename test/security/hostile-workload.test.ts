// One caller against all others: worthless evidence must not use up what honest workloads live on, an issuer that does not answer must
// not stop renewals, and a CA that was removed must not vouch for anybody over a connection that is still open.
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ExplainIdentityRequest } from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { createCsr, oid } from "../../src/x509/index.ts";
import {
  call,
  closeClients,
  connect,
  createToken,
  enrol,
  issue,
  local,
  newKey,
  refusal,
  renew,
  startTestServer,
  type TestServer,
} from "../e2e/fixture.ts";
import { AUDIENCE, claims, ISSUER, testKey, token } from "../identity-api/attest/jwt-support.ts";
import { chainPem, createCertificate, createRoot } from "../support/pki.ts";
import { temporaryFolder } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const BURST = 20;
const PLACES = 16;
const corporate = createRoot({ subject: "Corporate Root" });
const replacement = createRoot({ subject: "Replacement Root" });
const webServer = createCertificate(corporate, {
  subject: "issuer",
  keyUsage: ["digitalSignature"],
  extendedKeyUsage: [oid.serverAuth],
  names: [{ kind: "ip", bytes: Uint8Array.of(127, 0, 0, 1) }],
});

let folder: string;
let caFile: string;
let silent: Server;
const held = new Set<Socket>();
let on: TestServer;

before(async () => {
  folder = await temporaryFolder();
  caFile = join(folder, "corp.pem");
  const webCa = join(folder, "web.pem");
  await writeFile(caFile, corporate.pem);
  await writeFile(webCa, corporate.pem);
  // It takes the request for its keys and never answers.
  silent = createServer({ cert: chainPem(webServer), key: webServer.keyPem }, () => {});
  silent.on("connection", (socket: Socket) => held.add(socket));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const jwksUrl = `https://127.0.0.1:${(silent.address() as AddressInfo).port}/keys`;
  on = await startTestServer({
    changes: {
      quotas: { rule: { burst: BURST, perHour: 1 } },
      limits: { maxIssuancesInFlight: PLACES },
      attestors: {
        token: { kind: "join-token" },
        corp: { kind: "x509", caFile },
        idp: { kind: "jwt", issuer: ISSUER, audience: AUDIENCE, jwksUrl, caFile: webCa },
      },
      rules: [
        { name: "services", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" },
        { name: "drained", match: { "token.team": "*" }, spiffeId: "spiffe://{trustDomain}/team/{token.team}" },
        { name: "machines", match: { "corp.dns": "*" }, spiffeId: "spiffe://{trustDomain}/machine/{corp.dns}" },
      ],
    },
  });
});

after(async () => {
  closeClients();
  await on.close();
  for (const socket of held) socket.destroy();
  silent.close();
  await rm(folder, { recursive: true, force: true });
});

test("a spent token, and a retry that is answered from the record, use up nothing of the rule's quota", async () => {
  const text = await createToken(on.server, { team: "red" });
  const thief = connect(on.address);
  const evidence = { $case: "joinToken", value: text } as const;
  const first = createCsr({ key: newKey() });
  await issue(thief, { csr: first, evidence });
  const other = createCsr({ key: newKey() });
  for (let attempt = 0; attempt < BURST; attempt++) {
    assert.equal((await refusal(issue(thief, { csr: other, evidence }))).mca, "MCA_TOKEN_REDEEMED");
    await issue(thief, { csr: first, evidence });
  }
  const key = newKey();
  const honest = { $case: "joinToken", value: await createToken(on.server, { team: "blue" }) } as const;
  await issue(connect(on.address), { csr: createCsr({ key }), evidence: honest });
});

test("what is issued still counts: the bucket of a rule has a bottom", async () => {
  for (let issued = 2; issued < BURST; issued++) {
    const value = await createToken(on.server, { team: `t${issued}` });
    await issue(connect(on.address), { csr: createCsr({ key: newKey() }), evidence: { $case: "joinToken", value } });
  }
  const value = await createToken(on.server, { team: "late" });
  const evidence = { $case: "joinToken", value } as const;
  const late = await refusal(issue(connect(on.address), { csr: createCsr({ key: newKey() }), evidence }));
  assert.equal(late.mca, "MCA_RULE_QUOTA_EXCEEDED");
});

test("callers whose issuer does not answer do not keep others from renewing, and are bounded themselves", async () => {
  const honest = connect(on.address, await enrol(on, "honest"));
  const stranger = connect(on.address);
  const now = Math.floor(Date.now() / 1000);
  const jwt = await token(claims({ iat: now, exp: now + 300 }), testKey("ES256", "nobody-knows"));
  const evidence = { $case: "jwt", value: { token: jwt, attestor: "idp" } } as const;
  // Whichever of them finds no place is told so at once; the others wait.
  const asked = Array.from({ length: PLACES + 1 }, () =>
    refusal(issue(stranger, { csr: createCsr({ key: newKey() }), evidence })),
  );
  const over = await Promise.race(asked);
  assert.equal(over.mca, "MCA_OVERLOADED");
  await renew(honest);
  for (const refused of await Promise.all(asked)) {
    if (refused === over) continue;
    const { mca, details } = refused;
    assert.equal(mca, "MCA_JWKS_UNAVAILABLE");
    // An issuer that names addresses inside our network must not learn what answers there.
    assert.doesNotMatch(details, /127\.0\.0\.1|https:|did not answer/);
  }
});

test("a CA that was removed from the PKI's file vouches for nobody over a connection that is still open", async () => {
  const machine = createCertificate(corporate, {
    subject: "machine",
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: [oid.clientAuth],
    names: [{ kind: "dns", value: "m1" }],
  });
  const client = connect(on.address, {
    certificateChainPem: chainPem(machine),
    privateKeyPem: machine.keyPem,
    notAfter: machine.certificate.notAfter,
  });
  await issue(client, { csr: createCsr({ key: newKey() }) });
  await writeFile(caFile, replacement.pem);
  const explained = () => call(client, client.explainIdentity, ExplainIdentityRequest.fromPartial({}));
  await until(
    () =>
      explained().then(
        () => false,
        () => true,
      ),
    "the file is read again",
  );
  assert.equal((await refusal(explained())).mca, "MCA_PEER_REFUSED");
  const refused = await refusal(issue(client, { csr: createCsr({ key: newKey() }) }));
  assert.equal(refused.mca, "MCA_PEER_REFUSED");
});

test("what is explained is bounded as evidence is, because every rule's reason repeats it", async () => {
  const { identity } = local(on.server);
  const long = ExplainIdentityRequest.fromPartial({ attributes: { "token.service": "x".repeat(50_000) } });
  assert.equal((await refusal(call(identity, identity.explainIdentity, long))).mca, "MCA_REQUEST_INVALID");
  const names = Array.from({ length: 33 }, (_, index) => [`token.a${index}`, "x"]);
  const many = ExplainIdentityRequest.fromPartial({ attributes: Object.fromEntries(names) });
  assert.equal((await refusal(call(identity, identity.explainIdentity, many))).mca, "MCA_REQUEST_INVALID");
});

test("an index beyond what the database counts is a wrong request and no failure of the server", async () => {
  const { audit } = local(on.server);
  for (const value of [2n ** 63n, 2n ** 64n - 1n]) {
    const asked = call(audit, audit.getIssuance, { key: { $case: "logIndex", value } });
    assert.equal((await refusal(asked)).mca, "MCA_REQUEST_INVALID");
  }
});

test("what a call is answered is about the peer of its own connection, however many call at the same moment", async () => {
  const names = Array.from({ length: 12 }, (_, index) => `crowd${index}`);
  const peers = await Promise.all(
    names.map(async (name) => ({ name, client: connect(on.address, await enrol(on, name)) })),
  );
  for (let round = 0; round < 8; round++) {
    await Promise.all(
      [...peers, ...peers, ...peers].map(async ({ name, client }) => {
        const asked = ExplainIdentityRequest.fromPartial({});
        const { attributes } = await call(client, client.explainIdentity, asked);
        assert.deepEqual(attributes, { "token.service": name });
      }),
    );
  }
});
