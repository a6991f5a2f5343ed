// Every kind of evidence, and every role, against a whole server over the wire.
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Metadata, status } from "@grpc/grpc-js";
import {
  CreateJoinTokenRequest,
  RegistryServiceClient,
  Rule,
  TokenServiceClient,
} from "../../src/proto/gen/meshca/identity/v1/admin.ts";
import { ExplainIdentityRequest } from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { meshChannelCredentials, meshChannelOptions } from "../../src/tls/channel-credentials.ts";
import type { TlsIdentity } from "../../src/tls/index.ts";
import { createCsr, oid } from "../../src/x509/index.ts";
import { jwks, testKey, token } from "../identity-api/attest/jwt-support.ts";
import { chainPem, createCertificate, createIntermediate, createRoot, type TestCertificate } from "../support/pki.ts";
import { temporaryFolder } from "../support/postgres.ts";
import {
  auditOver,
  call,
  closeClients,
  connect,
  enrol,
  type Identity,
  identityOf,
  issue,
  listed,
  local,
  newKey,
  refusal,
  renew,
  startTestServer,
  type TestServer,
} from "./fixture.ts";

const enterprise = createRoot({ subject: "Enterprise Root" });
const issuing = createIntermediate(enterprise, { subject: "Enterprise Issuing CA" });
let folder: string;
let on: TestServer;

before(async () => {
  folder = await temporaryFolder();
  const jwksFile = join(folder, "keys.json");
  const caFile = join(folder, "ca.pem");
  await writeFile(jwksFile, jwks(testKey()));
  await writeFile(caFile, enterprise.pem);
  on = await startTestServer({
    changes: {
      attestors: {
        token: { kind: "join-token" },
        k8s: { kind: "jwt", preset: "kubernetes", issuer: "https://k8s.example", audience: "mesh-ca", jwksFile },
        corp: { kind: "x509", caFile },
      },
      rules: [
        { name: "services", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" },
        {
          name: "pods",
          match: { "k8s.namespace": "shop", "k8s.serviceAccount": "*" },
          spiffeId: "spiffe://{trustDomain}/ns/{k8s.namespace}/sa/{k8s.serviceAccount}",
          dnsNames: ["{k8s.serviceAccount}.{k8s.namespace}.svc"],
        },
        {
          name: "machines",
          match: { "corp.commonName": "*" },
          spiffeId: "spiffe://{trustDomain}/machine/{corp.commonName}",
        },
        ...["auditor", "operator", "admin"].map((role) => ({
          name: `people-${role}`,
          priority: 10,
          match: { "token.service": `person-${role}` },
          spiffeId: "spiffe://{trustDomain}/person/{token.service}",
          roles: [role],
        })),
      ],
    },
  });
});
after(async () => {
  closeClients();
  await on.close();
  await rm(folder, { recursive: true });
});

function kubernetesToken(changes: Record<string, unknown> = {}): Promise<string> {
  const seconds = Math.floor(Date.now() / 1000);
  return token({
    iss: "https://k8s.example",
    aud: ["mesh-ca"],
    sub: "system:serviceaccount:shop:cart",
    iat: seconds,
    exp: seconds + 3600,
    "kubernetes.io": { namespace: "shop", serviceaccount: { name: "cart", uid: "1" } },
    ...changes,
  });
}

async function enrolByJwt(text: string, attestor = ""): Promise<Identity> {
  const key = newKey();
  const evidence = { $case: "jwt", value: { token: text, attestor } } as const;
  return identityOf(await issue(connect(on.address), { csr: createCsr({ key }), evidence }), key);
}

function clientIdentity(leaf: TestCertificate, ...chain: readonly TestCertificate[]): TlsIdentity {
  return {
    certificateChainPem: chainPem(leaf, ...chain),
    privateKeyPem: leaf.keyPem,
    notAfter: leaf.certificate.notAfter,
  };
}

const channel = (identity: TlsIdentity) => meshChannelCredentials({ identity: () => identity, verify: () => {} });
const own = { ...meshChannelOptions, "grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0 };

function createTokenAs(identity: TlsIdentity, service: string) {
  const client = new TokenServiceClient(on.address, channel(identity), own);
  const request = CreateJoinTokenRequest.fromPartial({ attributes: { service } });
  return call(client, client.createJoinToken, request).finally(() => client.close());
}

function applyAs(identity: TlsIdentity, rule: Partial<Rule>) {
  const client = new RegistryServiceClient(on.address, channel(identity), own);
  return call(client, client.applyRules, { rules: [Rule.fromPartial(rule)] }).finally(() => client.close());
}

function apply(rule: Partial<Rule>) {
  const { registry } = local(on.server);
  return call(registry, registry.applyRules, { rules: [Rule.fromPartial(rule)] });
}

test("a Kubernetes pod enrols by its service-account token, gets the DNS name of its rule, and renews by its SVID", async () => {
  const first = await enrolByJwt(await kubernetesToken());
  assert.equal(first.response.spiffeId, "spiffe://example.test/ns/shop/sa/cart");
  assert.equal(first.response.rule, "pods");
  const second = await renew(connect(on.address, first));
  assert.equal(second.response.spiffeId, first.response.spiffeId);
  assert.equal(second.response.lineage, first.response.lineage);
  const [issuance] = await listed(on, { requester: "jwt:k8s:system:serviceaccount:shop:cart" });
  assert.equal(issuance?.spiffeId, first.response.spiffeId);
});

test("a JWT that is not good enough is refused with its code", async () => {
  const seconds = Math.floor(Date.now() / 1000);
  for (const [changes, mca] of [
    [{ aud: "other" }, "MCA_JWT_AUDIENCE"],
    [{ exp: undefined }, "MCA_JWT_NO_EXPIRY"],
    [{ exp: seconds - 1 }, "MCA_JWT_EXPIRED"],
    [{ iat: seconds - 3800 }, "MCA_JWT_TOO_OLD"],
    [{ iss: "https://other.example" }, "MCA_JWT_ISSUER"],
    [{ sub: "system:serviceaccount:shop:admin" }, "MCA_EVIDENCE_REFUSED"],
  ] as const) {
    const failed = await refusal(enrolByJwt(await kubernetesToken(changes)));
    assert.equal(failed.mca, mca);
  }
  const foreign = {
    sub: "system:serviceaccount:kube-system:cart",
    "kubernetes.io": { namespace: "kube-system", serviceaccount: { name: "cart" } },
  };
  assert.equal((await refusal(enrolByJwt(await kubernetesToken(foreign)))).mca, "MCA_NO_RULE_MATCHES");
  const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${(await kubernetesToken()).split(".")[1]}.x`;
  assert.equal((await refusal(enrolByJwt(none, "k8s"))).mca, "MCA_JWT_MALFORMED");
  assert.equal((await refusal(enrolByJwt(none.replace(/x$/, "eA"), "k8s"))).mca, "MCA_JWT_ALGORITHM");
});

const machine = { keyUsage: ["digitalSignature"], extendedKeyUsage: [oid.clientAuth] } as const;

test("a machine enrols by its enterprise certificate, and renews by its SVID", async () => {
  const leaf = createCertificate(issuing, { ...machine, subject: "db1" });
  const first = await renew(connect(on.address, clientIdentity(leaf, issuing)));
  assert.equal(first.response.spiffeId, "spiffe://example.test/machine/db1");
  const second = await renew(connect(on.address, first));
  assert.equal(second.response.lineage, first.response.lineage);
  const [issuance] = await listed(on, { requester: `x509:corp:${leaf.certificate.serialHex}` });
  assert.equal(issuance?.serial, first.response.serial);
});

test("an enterprise certificate that names a SPIFFE ID, is for servers, or is of another PKI is refused", async () => {
  const stranger = createRoot({ subject: "Enterprise Root" });
  for (const [leaf, mca] of [
    [
      createCertificate(issuing, { ...machine, subject: "db1", spiffeId: "spiffe://example.test/machine/db1" }),
      /^MCA_SVID/,
    ],
    [
      createCertificate(issuing, { ...machine, subject: "db1", extendedKeyUsage: [oid.serverAuth] }),
      /^MCA_PEER_REFUSED/,
    ],
    [createCertificate(stranger, { ...machine, subject: "db1" }), /^MCA_PEER_REFUSED/],
  ] as const) {
    const failed = await refusal(renew(connect(on.address, clientIdentity(leaf, issuing))));
    assert.match(failed.mca, mca);
    assert.equal(failed.code, status.UNAUTHENTICATED);
  }
});

test("an enterprise certificate is no identity of ours: it has no roles, whatever it is called", async () => {
  const leaf = createCertificate(issuing, { ...machine, subject: "person-admin" });
  assert.equal((await refusal(createTokenAs(clientIdentity(leaf, issuing), "cart"))).mca, "MCA_UNAUTHENTICATED");
});

test("deleting a rule stops renewals of what it granted, on connections that are open too", async () => {
  await apply({
    name: "short",
    priority: 5,
    match: { "token.service": "short" },
    spiffeId: "spiffe://{trustDomain}/short",
  });
  const identity = await enrol(on, "short");
  assert.equal(identity.response.rule, "short");
  const connection = connect(on.address, identity);
  const renewed = await renew(connection);
  const { registry } = local(on.server);
  await call(registry, registry.deleteRule, { name: "short" });
  // The rule `services` would match as well: a renewal is never taken over by another rule.
  for (const client of [connection, connect(on.address, renewed)]) {
    const failed = await refusal(renew(client));
    assert.equal(failed.mca, "MCA_RULE_GONE");
    assert.equal(failed.code, status.PERMISSION_DENIED);
  }
});

test("a rule that grants another ID now refuses the renewal; put back, it renews again", async () => {
  const rule = {
    name: "moving",
    priority: 5,
    match: { "token.service": "moving" },
    spiffeId: "spiffe://{trustDomain}/v1/moving",
  };
  await apply(rule);
  const identity = await enrol(on, "moving");
  await apply({ ...rule, spiffeId: "spiffe://{trustDomain}/v2/moving" });
  assert.equal((await refusal(renew(connect(on.address, identity)))).mca, "MCA_RENEWAL_ID_CHANGED");
  await apply(rule);
  assert.equal((await renew(connect(on.address, identity))).response.spiffeId, identity.response.spiffeId);
});

test("a new attribute in a rule's match ends the renewals of those who never had it", async () => {
  const rule = {
    name: "narrow",
    priority: 5,
    match: { "token.service": "narrow" },
    spiffeId: "spiffe://{trustDomain}/narrow",
  };
  await apply(rule);
  const identity = await enrol(on, "narrow");
  await apply({ ...rule, match: { "token.service": "narrow", "token.env": "prod" } });
  assert.equal((await refusal(renew(connect(on.address, identity)))).mca, "MCA_RENEWAL_RULE_MISMATCH");
});

test("roles work over the wire: each may do its own, and no more", async () => {
  const people = new Map<string, Identity>();
  for (const role of ["auditor", "operator", "admin"]) people.set(role, await enrol(on, `person-${role}`));
  people.set("nobody", await enrol(on, "person"));
  const allowed = async (attempt: Promise<unknown>): Promise<boolean> => {
    try {
      await attempt;
      return true;
    } catch (error) {
      assert.equal((error as { code?: number }).code, status.PERMISSION_DENIED);
      return false;
    }
  };
  const found: Record<string, readonly boolean[]> = {};
  for (const [role, identity] of people) {
    const audit = auditOver(on.address, identity);
    const { ListIssuancesRequest } = await import("../../src/proto/gen/meshca/identity/v1/admin.ts");
    found[role] = [
      await allowed(call(audit, audit.listIssuances, ListIssuancesRequest.fromPartial({ pageSize: 1 }))),
      await allowed(createTokenAs(identity, "cart")),
      await allowed(
        applyAs(identity, {
          name: `by-${role}`,
          match: { "token.service": "x" },
          spiffeId: "spiffe://{trustDomain}/x",
        }),
      ),
    ];
  }
  assert.deepEqual(found, {
    auditor: [true, false, false],
    operator: [false, true, false],
    admin: [true, true, true],
    nobody: [false, false, false],
  });
});

test("an operator cannot make a token that earns a role; an admin can", async () => {
  const operator = await enrol(on, "person-operator");
  const failed = await refusal(createTokenAs(operator, "person-auditor"));
  assert.equal(failed.mca, "MCA_FORBIDDEN");
  assert.match(failed.details, /only an admin/);
  const admin = await enrol(on, "person-admin");
  const created = await createTokenAs(admin, "person-auditor");
  assert.equal(created.grant?.spiffeId, "spiffe://example.test/person/person-auditor");
});

test("an operator who stocks up a token before a rule with roles exists does not earn them", async () => {
  const operator = await enrol(on, "person-operator");
  const { token: stocked } = await createTokenAs(operator, "future-admin");
  await apply({
    name: "future",
    priority: 20,
    match: { "token.service": "future-admin" },
    spiffeId: "spiffe://{trustDomain}/future",
    roles: ["admin"],
  });
  const evidence = { $case: "joinToken", value: stocked } as const;
  const failed = await refusal(issue(connect(on.address), { csr: createCsr({ key: newKey() }), evidence }));
  assert.equal(failed.mca, "MCA_RULE_NEWER_THAN_TOKEN");
});

test("a role that is taken from a rule is gone at the next call of an open connection", async () => {
  const rule = {
    name: "temporary",
    priority: 20,
    match: { "token.service": "temp" },
    spiffeId: "spiffe://{trustDomain}/temp",
  };
  await apply({ ...rule, roles: ["operator"] });
  const identity = await enrol(on, "temp");
  const client = new TokenServiceClient(on.address, channel(identity), own);
  try {
    const request = CreateJoinTokenRequest.fromPartial({ attributes: { service: "cart" } });
    await call(client, client.createJoinToken, request);
    await apply({ ...rule, roles: [] });
    assert.equal((await refusal(call(client, client.createJoinToken, request))).mca, "MCA_FORBIDDEN");
  } finally {
    client.close();
  }
});

test("ExplainIdentity: one's own evidence is explained to everybody, attributes of one's choice to operators", async () => {
  const stranger = connect(on.address);
  const jwt = { $case: "jwt", value: { token: await kubernetesToken(), attestor: "k8s" } } as const;
  const mine = await call(stranger, stranger.explainIdentity, { attributes: {}, evidence: jwt, ttlSeconds: 0 });
  assert.equal(mine.grant?.spiffeId, "spiffe://example.test/ns/shop/sa/cart");
  assert.deepEqual(
    mine.rules.map(({ rule }) => rule),
    ["pods"],
    "a stranger does not read the rule set",
  );
  const asked = ExplainIdentityRequest.fromPartial({ attributes: { "token.service": "person-admin" } });
  assert.equal((await refusal(call(stranger, stranger.explainIdentity, asked))).mca, "MCA_UNAUTHENTICATED");
  const operator = connect(on.address, await enrol(on, "person-operator"));
  const all = await call(operator, operator.explainIdentity, asked);
  assert.equal(all.grant?.rule, "people-admin");
  assert(all.rules.length >= 6);
  assert.match(all.rules.find(({ rule }) => rule === "services")?.reason ?? "", /higher priority/);
});

test("metadata that claims a reason, a role or a local caller gives nothing over the network", async () => {
  const metadata = new Metadata();
  for (const name of ["mca-reason", "x-role", "role", "x-forwarded-client-cert"]) metadata.set(name, "admin");
  const { registry } = local(on.server);
  const identity = await enrol(on, "plain");
  const client = new RegistryServiceClient(on.address, channel(identity), own);
  try {
    assert.equal((await refusal(call(client, client.listRules, {}, { metadata }))).mca, "MCA_FORBIDDEN");
    assert((await call(registry, registry.listRules, {})).rules.length > 0);
  } finally {
    client.close();
  }
});
