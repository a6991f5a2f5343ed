// JWTs end to end, with the issuer's keys from each place they may come from: a Kubernetes API server by URL, an identity provider by
// OpenID discovery, both over HTTPS under a CA of their own. (Keys from a file: evidence-and-roles.test.ts.)
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createCsr, oid } from "../../src/x509/index.ts";
import { jwks, testKey, token } from "../identity-api/attest/jwt-support.ts";
import { chainPem, createCertificate, createRoot } from "../support/pki.ts";
import { temporaryFolder } from "../support/postgres.ts";
import {
  closeClients,
  connect,
  type Identity,
  identityOf,
  issue,
  listed,
  newKey,
  readyz,
  refusal,
  renew,
  startTestServer,
  type TestServer,
} from "./fixture.ts";

const CLUSTER = "https://kubernetes.default.svc";
const root = createRoot({ subject: "Cluster Root" });
const leaf = createCertificate(root, {
  subject: "issuer",
  keyUsage: ["digitalSignature"],
  extendedKeyUsage: [oid.serverAuth],
  names: [
    { kind: "dns", value: "localhost" },
    { kind: "ip", bytes: Uint8Array.of(127, 0, 0, 1) },
  ],
});

let web: Server;
let url: string;
let folder: string;
let on: TestServer;
const clusterKeys = [testKey("RS256", "cluster-1")];
let down = false;

before(async () => {
  web = createServer({ cert: chainPem(leaf), key: leaf.keyPem }, (request, response) => {
    const pages: Record<string, () => string> = {
      "/openid/v1/jwks": () => jwks(...clusterKeys),
      "/idp/.well-known/openid-configuration": () =>
        JSON.stringify({ issuer: `${url}/idp`, jwks_uri: `${url}/idp/keys` }),
      "/idp/keys": () => jwks(testKey("ES256", "idp-1")),
    };
    const page = pages[request.url ?? ""];
    if (page === undefined || down) response.writeHead(down ? 503 : 404).end();
    else response.end(page());
  });
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  url = `https://localhost:${(web.address() as AddressInfo).port}`;
  folder = await temporaryFolder();
  const caFile = join(folder, "ca.pem");
  await writeFile(caFile, root.pem);
  on = await startTestServer({
    changes: {
      attestors: {
        token: { kind: "join-token" },
        k8s: {
          kind: "jwt",
          preset: "kubernetes",
          issuer: CLUSTER,
          audience: "mesh-ca",
          jwksUrl: `${url}/openid/v1/jwks`,
          caFile,
        },
        idp: {
          kind: "jwt",
          issuer: `${url}/idp`,
          audience: "mesh-ca",
          discovery: true,
          caFile,
          claims: { team: "team" },
        },
        untrusted: { kind: "jwt", issuer: "https://untrusted", audience: "mesh-ca", jwksUrl: `${url}/idp/keys` },
      },
      rules: [
        {
          name: "pods",
          match: { "k8s.namespace": "*", "k8s.serviceAccount": "*" },
          spiffeId: "spiffe://{trustDomain}/ns/{k8s.namespace}/sa/{k8s.serviceAccount}",
        },
        {
          name: "robots",
          match: { "idp.subject": "*", "idp.team": "*" },
          spiffeId: "spiffe://{trustDomain}/team/{idp.team}/{idp.subject}",
        },
        { name: "never", match: { "untrusted.subject": "*" }, spiffeId: "spiffe://{trustDomain}/never" },
      ],
    },
  });
});
after(async () => {
  closeClients();
  await on.close();
  await new Promise((resolve) => web.close(resolve));
  await rm(folder, { recursive: true });
});

const seconds = (): number => Math.floor(Date.now() / 1000);

function podToken(key = testKey("RS256", "cluster-1"), ageSeconds = 0): Promise<string> {
  const payload = {
    iss: CLUSTER,
    aud: ["mesh-ca"],
    sub: "system:serviceaccount:shop:cart",
    iat: seconds() - ageSeconds,
    exp: seconds() + 3600,
    "kubernetes.io": { namespace: "shop", serviceaccount: { name: "cart", uid: "1" } },
  };
  return token(payload, key);
}

async function enrolBy(text: string, attestor = ""): Promise<Identity> {
  const key = newKey();
  const evidence = { $case: "jwt", value: { token: text, attestor } } as const;
  return identityOf(await issue(connect(on.address), { csr: createCsr({ key }), evidence }), key);
}

test("a pod enrols by its projected token, whose keys come from the API server's URL, and renews by its SVID", async () => {
  const first = await enrolBy(await podToken());
  assert.equal(first.response.spiffeId, "spiffe://example.test/ns/shop/sa/cart");
  const second = await renew(connect(on.address, first));
  assert.equal(second.response.lineage, first.response.lineage);
});

test("the preset takes Kubernetes' hour-old tokens, but none of two hours", async () => {
  await enrolBy(await podToken(undefined, 3_600));
  assert.equal((await refusal(enrolBy(await podToken(undefined, 7_200)))).mca, "MCA_JWT_TOO_OLD");
});

test("a robot enrols by discovery, its claim becomes an attribute, and the record says who asked", async () => {
  const payload = {
    iss: `${url}/idp`,
    aud: "mesh-ca",
    sub: "robot",
    team: "payments",
    iat: seconds(),
    exp: seconds() + 60,
  };
  const key = testKey("ES256", "idp-1");
  const { response } = await enrolBy(await token(payload, key));
  assert.equal(response.spiffeId, "spiffe://example.test/team/payments/robot");
  assert.equal((await listed(on, { requester: "jwt:idp:robot" })).length, 1);
  const old = { ...payload, iat: seconds() - 601 };
  assert.equal((await refusal(enrolBy(await token(old, key)))).mca, "MCA_JWT_TOO_OLD", "600 s without the preset");
});

test("a key set behind a CA that the attestor does not trust is not used, and readiness has a note", async () => {
  const payload = { iss: "https://untrusted", aud: "mesh-ca", sub: "robot", iat: seconds(), exp: seconds() + 60 };
  const failed = await refusal(enrolBy(await token(payload, testKey("ES256", "idp-1"))));
  assert.equal(failed.mca, "MCA_JWKS_UNAVAILABLE");
  assert.equal(failed.code, 14);
  const { status, body } = await readyz(on);
  assert.equal(status, 200);
  assert.match(JSON.stringify(body), /attestor untrusted/);
});

test("while the issuer is away its known keys go on working", async () => {
  down = true;
  try {
    await enrolBy(await podToken());
  } finally {
    down = false;
  }
});

test("a token of a key that the issuer does not publish is refused, and so is one of another issuer's key", async () => {
  const stranger = await podToken(testKey("RS256", "stranger"));
  assert.equal((await refusal(enrolBy(stranger))).mca, "MCA_JWT_KEY_UNKNOWN");
  const mixed = { iss: CLUSTER, aud: "mesh-ca", sub: "robot", iat: seconds(), exp: seconds() + 60 };
  assert.equal(
    (await refusal(enrolBy(await token(mixed, testKey("ES256", "idp-1"))))).mca,
    "MCA_JWT_KEY_UNKNOWN",
    "the identity provider's key signs nothing of the cluster",
  );
});
