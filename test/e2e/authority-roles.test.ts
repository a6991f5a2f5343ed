// Who may do what to authorities, and what a hostile operator achieves with an upload: nothing, and nothing secret is written down.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import {
  ActivateAuthorityRequest,
  type AuthorityServiceClient,
  CreateAuthorityRequestRequest,
  ImportAuthorityRequest,
  ListAuthoritiesRequest,
  PrepareAuthorityRequest,
  RevokeAuthorityRequest,
  TaintAuthorityRequest,
} from "../../src/proto/gen/meshca/identity/v1/authority.ts";
import { createIntermediate, createRoot } from "../support/pki.ts";
import { signRequest } from "../support/sign-request.ts";
import {
  authoritiesOf,
  authoritiesOver,
  call,
  closeClients,
  connect,
  enrol,
  local,
  refusal,
  startTestServer,
  type TestServer,
} from "./fixture.ts";

const role = (name: string, roles: readonly string[]) => ({
  name,
  priority: 1,
  match: { "token.service": name },
  spiffeId: `spiffe://{trustDomain}/${name}`,
  roles,
});
const rules = [
  role("operator", ["operator"]),
  role("auditor", ["auditor"]),
  role("admin", ["admin"]),
  { name: "services", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" },
];
const SPKI = "ab".repeat(32);
let on: TestServer;

before(async () => {
  on = await startTestServer({ changes: { rules, limits: { maxMessageBytes: 16_777_216 } } });
});

after(async () => {
  closeClients();
  await on.close();
});

/** Every change that there is. */
function changes(client: AuthorityServiceClient): readonly (() => Promise<unknown>)[] {
  return [
    () => call(client, client.createAuthorityRequest, CreateAuthorityRequestRequest.fromPartial({})),
    () => call(client, client.importAuthority, ImportAuthorityRequest.fromPartial({ dryRun: true })),
    () => call(client, client.prepareAuthority, PrepareAuthorityRequest.fromPartial({})),
    () => call(client, client.activateAuthority, ActivateAuthorityRequest.fromPartial({ authority: SPKI })),
    () => call(client, client.rotateAuthority, {}),
    () => call(client, client.taintAuthority, TaintAuthorityRequest.fromPartial({ authority: SPKI })),
    () => call(client, client.revokeAuthority, RevokeAuthorityRequest.fromPartial({ authority: SPKI })),
    () => call(client, client.pruneAnchor, { anchor: "CN=Any" }),
  ];
}

for (const [who, code, mayList] of [
  ["operator", "MCA_FORBIDDEN", true],
  ["auditor", "MCA_FORBIDDEN", false],
  ["cart", "MCA_FORBIDDEN", false],
] as const) {
  test(`${who}: ${mayList ? "lists authorities" : "sees none"}, and changes nothing`, async () => {
    const before = (await authoritiesOf(on.server, true)).authorities;
    const client = authoritiesOver(on.address, await enrol(on, who));
    const list = call(client, client.listAuthorities, ListAuthoritiesRequest.fromPartial({}));
    if (mayList) assert.equal((await list).authorities.length, 1);
    else assert.equal((await refusal(list)).mca, code);
    for (const change of changes(client)) assert.equal((await refusal(change())).mca, code);
    assert.deepEqual((await authoritiesOf(on.server, true)).authorities, before);
  });
}

test("a stranger without a certificate does nothing, and may acknowledge trust without harm", async () => {
  const client = authoritiesOver(on.address);
  const list = call(client, client.listAuthorities, ListAuthoritiesRequest.fromPartial({}));
  assert.equal((await refusal(list)).mca, "MCA_UNAUTHENTICATED");
  for (const change of changes(client)) assert.equal((await refusal(change())).mca, "MCA_UNAUTHENTICATED");
  const identity = connect(on.address);
  for (const revision of [0n, 1n, (1n << 64n) - 1n]) await call(identity, identity.acknowledgeTrust, { revision });
});

test("an admin changes authorities over the network, and the record says who it was", async () => {
  const client = authoritiesOver(on.address, await enrol(on, "admin"));
  const { spkiSha256 } = await call(client, client.prepareAuthority, PrepareAuthorityRequest.fromPartial({}));
  const { authorities } = await authoritiesOf(on.server);
  const made = authorities.find((each) => each.spkiSha256 === spkiSha256);
  assert.match(made?.transitions[0]?.cause ?? "", /spiffe:\/\/example\.test\/admin/);
});

test("the socket of a production domain asks for a reason, and records it as the cause", async () => {
  const production = await startTestServer({ development: false });
  try {
    const { authorities } = local(production.server);
    const prepare = (metadata?: InstanceType<typeof Metadata>) =>
      call(
        authorities,
        authorities.prepareAuthority,
        PrepareAuthorityRequest.fromPartial({}),
        metadata ? { metadata } : {},
      );
    assert.equal((await refusal(prepare())).mca, "MCA_REASON_REQUIRED");
    const metadata = new Metadata();
    metadata.set("mca-reason", "ticket 4711");
    await prepare(metadata);
    const listed = await call(authorities, authorities.listAuthorities, ListAuthoritiesRequest.fromPartial({}), {
      metadata,
    });
    assert.match(listed.authorities.at(-1)?.transitions[0]?.cause ?? "", /ticket 4711/);
  } finally {
    await production.close();
  }
});

test("hostile uploads: nothing is changed, the server goes on, and no private key is written anywhere", {
  timeout: 100_000,
}, async () => {
  const offline = await startTestServer({
    changes: { authority: { upstream: "offline" }, limits: { maxMessageBytes: 16_777_216 } },
  });
  try {
    const { authorities } = local(offline.server);
    const send = (...contents: readonly Uint8Array[]) => {
      const files = contents.map((content, index) => ({ name: `\u001b[31m${index}`, content }));
      const request = ImportAuthorityRequest.fromPartial({ files });
      return call(authorities, authorities.importAuthority, request, { timeoutMs: 30_000 });
    };
    const refused = async (...contents: readonly Uint8Array[]): Promise<void> => {
      const outcome = await send(...contents).then(
        (answer) => answer.outcome?.$case,
        () => "error",
      );
      assert.ok(outcome === "refused" || outcome === "error", String(outcome));
    };
    const root = createRoot({ subject: "Enterprise Root" });
    const issuing = createIntermediate(root, { pathLength: 1 });
    await refused();
    await refused(new Uint8Array());
    await refused(Buffer.alloc(8_000_000, 0x30));
    await refused(Buffer.from("-----BEGIN CERTIFICATE-----\n".repeat(200_000)));
    await refused(Buffer.from(issuing.pem.repeat(10_000)));
    await refused(...Array.from({ length: 10_000 }, () => root.der.slice(0, 200)));

    const made = await call(
      authorities,
      authorities.createAuthorityRequest,
      CreateAuthorityRequestRequest.fromPartial({}),
    );
    const signed = signRequest(issuing, made.request?.csr ?? new Uint8Array());
    const secret = issuing.keyPem.split("\n")[1] ?? "";
    assert.ok(secret.length > 40);
    const withKey = send(Buffer.from(issuing.keyPem), signed, issuing.der, root.der);
    assert.equal((await refusal(withKey)).mca, "MCA_IMPORT_PRIVATE_KEY");
    const log = JSON.stringify(offline.log.lines, (_key, value) =>
      typeof value === "bigint" ? String(value) : value instanceof Error ? `${value.stack} ${value.message}` : value,
    );
    assert.ok(log.includes("MCA_IMPORT_PRIVATE_KEY"), "it is told loudly");
    assert.ok(!log.includes(secret) && !log.includes("PRIVATE KEY-----"), "and the key is not");
    assert.equal((await authoritiesOf(offline.server)).authorities.length, 1);
    const good = await send(signed, issuing.der, root.der);
    assert.equal(good.outcome?.$case, "accepted", JSON.stringify(good.outcome));
  } finally {
    await offline.close();
  }
});
