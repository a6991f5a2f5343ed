// One TLS port for everybody: callers with a token and no certificate, with an SVID, with an enterprise certificate, and callers that
// offer no ALPN; at once, and without one being taken for another.
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { IssueX509SvidRequest, IssueX509SvidResponse } from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import type { TlsIdentity } from "../../src/tls/index.ts";
import { createCsr, oid } from "../../src/x509/index.ts";
import { chainPem, createCertificate, createRoot } from "../support/pki.ts";
import { temporaryFolder } from "../support/postgres.ts";
import {
  closeClients,
  connect,
  createToken,
  enrol,
  identityOf,
  newKey,
  renew,
  startTestServer,
  type TestServer,
} from "./fixture.ts";
import { openPlain, type PlainAnswer, plainCall } from "./plain-http2.ts";

const enterprise = createRoot({ subject: "Enterprise Root" });
const ISSUE = "/meshca.identity.v1.IdentityService/IssueX509Svid";
let folder: string;
let on: TestServer;

before(async () => {
  folder = await temporaryFolder();
  const caFile = join(folder, "ca.pem");
  await writeFile(caFile, enterprise.pem);
  on = await startTestServer({
    changes: {
      attestors: { token: { kind: "join-token" }, corp: { kind: "x509", caFile } },
      rules: [
        { name: "services", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" },
        {
          name: "machines",
          match: { "corp.commonName": "*" },
          spiffeId: "spiffe://{trustDomain}/machine/{corp.commonName}",
        },
      ],
    },
  });
});
after(async () => {
  closeClients();
  await on.close();
  await rm(folder, { recursive: true });
});

function machine(name: string): TlsIdentity {
  const leaf = createCertificate(enterprise, {
    subject: name,
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: [oid.clientAuth],
  });
  return {
    certificateChainPem: chainPem(leaf),
    privateKeyPem: leaf.keyPem,
    notAfter: leaf.certificate.notAfter,
  };
}

const ask = (request: Partial<IssueX509SvidRequest>): Uint8Array =>
  IssueX509SvidRequest.encode(IssueX509SvidRequest.fromPartial(request)).finish();

function idIn(answer: PlainAnswer): string {
  assert.equal(answer.status, 0, answer.mca);
  return IssueX509SvidResponse.decode(answer.message).spiffeId;
}

test("a caller that offers no ALPN enrols by token and renews by certificate", async () => {
  const key = newKey();
  const value = await createToken(on.server, { service: "no-alpn" });
  const first = await openPlain(on.address);
  assert.equal(first.socket.alpnProtocol, false);
  const answer = await plainCall(
    first,
    ISSUE,
    ask({ csr: createCsr({ key }), evidence: { $case: "joinToken", value } }),
  );
  first.close();
  assert.equal(idIn(answer), "spiffe://example.test/no-alpn");
  const identity = identityOf(IssueX509SvidResponse.decode(answer.message), key);
  const second = await openPlain(on.address, { identity });
  assert.equal(
    idIn(await plainCall(second, ISSUE, ask({ csr: createCsr({ key: newKey() }) }))),
    "spiffe://example.test/no-alpn",
  );
  second.close();
});

test("a caller that speaks another protocol than h2 is refused", async () => {
  const { hostname, port } = new URL(`https://${on.address}`);
  const socket = tlsConnect({
    host: hostname,
    port: Number(port),
    rejectUnauthorized: false,
    ALPNProtocols: ["http/1.1"],
  });
  const ended = await new Promise((resolve) => {
    socket.once("error", () => resolve("refused"));
    socket.once("close", () => resolve("refused"));
    socket.once("data", () => resolve("answered"));
  });
  assert.equal(ended, "refused");
});

test("HTTP/1.1 without ALPN gets no answer in HTTP/1.1", async () => {
  const { hostname, port } = new URL(`https://${on.address}`);
  const socket = tlsConnect({ host: hostname, port: Number(port), rejectUnauthorized: false });
  socket.on("error", () => {});
  const received: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => received.push(chunk));
  socket.once("secureConnect", () => socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"));
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  assert.equal(Buffer.concat(received).includes("HTTP/1.1 200"), false);
});

test("every kind of caller at once on one port: each gets its own identity and nobody another's", async () => {
  const workload = await enrol(on, "mixed-svid");
  const expected: string[] = [];
  const asked: Promise<string>[] = [];
  for (let n = 0; n < 8; n++) {
    expected.push(`spiffe://example.test/mixed-${n}`);
    asked.push(enrol(on, `mixed-${n}`).then(({ response }) => response.spiffeId));
    expected.push(`spiffe://example.test/machine/host${n}`);
    asked.push(renew(connect(on.address, machine(`host${n}`))).then(({ response }) => response.spiffeId));
    expected.push(`spiffe://example.test/machine/plain${n}`);
    asked.push(
      openPlain(on.address, { identity: machine(`plain${n}`) }).then(async (connection) => {
        const answer = await plainCall(connection, ISSUE, ask({ csr: createCsr({ key: newKey() }) }));
        connection.close();
        return idIn(answer);
      }),
    );
  }
  expected.push("spiffe://example.test/mixed-svid");
  asked.push(renew(connect(on.address, workload)).then(({ response }) => response.spiffeId));
  assert.deepEqual(await Promise.all(asked), expected);
});

test("a token on a connection with an SVID earns the token's identity; the SVID lends it nothing", async () => {
  const workload = await enrol(on, "carrier");
  const value = await createToken(on.server, { service: "carried" });
  const connection = await openPlain(on.address, { identity: workload, alpn: ["h2"] });
  const evidence = { $case: "joinToken", value } as const;
  const byToken = await plainCall(connection, ISSUE, ask({ csr: createCsr({ key: newKey() }), evidence }));
  assert.equal(idIn(byToken), "spiffe://example.test/carried");
  const renewed = await plainCall(connection, ISSUE, ask({ csr: createCsr({ key: newKey() }) }));
  assert.equal(idIn(renewed), "spiffe://example.test/carrier", "the connection is still the carrier's");
  connection.close();
});

test("without certificate and evidence a caller without ALPN is refused with its code, not dropped", async () => {
  const connection = await openPlain(on.address);
  const answer = await plainCall(connection, ISSUE, ask({ csr: createCsr({ key: newKey() }) }));
  assert.deepEqual([answer.status, answer.mca], [16, "MCA_EVIDENCE_MISSING"]);
  connection.close();
});
