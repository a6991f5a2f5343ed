// The upstream "offline": a trust domain begins with a request, people sign it elsewhere, and the import opens the port; later
// imports are made while the present authority issues. By the command line, as a security team meets it, and by the API.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { initialise } from "../../src/identity-api/index.ts";
import {
  CreateAuthorityRequestRequest,
  ImportAuthorityRequest,
  Authority_State as State,
} from "../../src/proto/gen/meshca/identity/v1/authority.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { decodePem, encodePem, parseCertificate } from "../../src/x509/index.ts";
import { type CliRun, cli, startCli } from "../cli/run.ts";
import {
  chainPem,
  createIntermediate,
  createRoot,
  freshKey,
  generalNameDer,
  nameConstraintsExtension,
} from "../support/pki.ts";
import { createTestDatabase, temporaryFolder } from "../support/postgres.ts";
import { QUICK_ROTATION } from "../support/quick-rotation.ts";
import { signRequest } from "../support/sign-request.ts";
import {
  authoritiesOf,
  call,
  closeClients,
  connect,
  enrol,
  local,
  readyz,
  renew,
  startTestServer,
  type TestServer,
  testConfig,
  until,
} from "./fixture.ts";

after(closeClients);

const offline = {
  authority: { upstream: "offline", ...QUICK_ROTATION },
  quotas: { lineage: { burst: 1000, perHour: 100_000 } },
};

const root = createRoot({ subject: "Enterprise Root", key: freshKey("rsa-2048") });
const issuing = createIntermediate(root, { subject: "Enterprise Issuing CA", pathLength: 1 });

function requestOf(pem: string): Uint8Array {
  const [block] = decodePem(pem);
  assert.equal(block?.label, "CERTIFICATE REQUEST");
  return block.der;
}

async function newRequest(on: TestServer, renewed = false) {
  const { authorities } = local(on.server);
  const request = CreateAuthorityRequestRequest.fromPartial({ renew: renewed });
  const made = await call(authorities, authorities.createAuthorityRequest, request);
  assert.ok(made.request !== undefined);
  return { ...made, request: made.request };
}

async function importFiles(on: TestServer, contents: readonly Uint8Array[], options: { dryRun?: boolean } = {}) {
  const { authorities } = local(on.server);
  const files = contents.map((content, index) => ({ name: `file ${index + 1}`, content }));
  const request = ImportAuthorityRequest.fromPartial({ files, ...options });
  return (await call(authorities, authorities.importAuthority, request)).outcome;
}

/** An offline trust domain whose first authority has been brought in. */
async function startOffline(): Promise<TestServer> {
  const on = await startTestServer({ changes: offline });
  const { request } = await newRequest(on);
  const outcome = await importFiles(on, [signRequest(issuing, request.csr), issuing.der, root.der]);
  assert.equal(outcome?.$case, "accepted", JSON.stringify(outcome));
  await until(() => on.server.addresses.grpc !== undefined, "the TLS port is open");
  return on;
}

test("by the command line: init makes a request, the server says what it waits for, the import opens the port", {
  timeout: 110_000,
}, async () => {
  const folder = await temporaryFolder();
  const database = await createTestDatabase();
  const env = { MESH_CA_DATABASE__URL: database.connectionString };
  const at = (name: string): string => join(folder, name);
  writeFileSync(
    at("mesh-ca.yaml"),
    JSON.stringify({
      trustDomain: "example.test",
      dataDir: at("data"),
      listen: {
        grpc: { host: "127.0.0.1", port: 0 },
        https: { enabled: false },
        operations: { port: 0 },
      },
      authority: { upstream: "offline" },
      attestors: { token: { kind: "join-token" } },
      rules: [
        { name: "services", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" },
      ],
    }),
  );
  const init = (...args: string[]) => cli(["init", "--development", "--config", at("mesh-ca.yaml"), ...args], { env });
  const authority = (...args: string[]) => cli(["authority", ...args, "--data-dir", at("data")], { env });
  let server: CliRun | undefined;
  try {
    const first = await init("--csr", at("first.csr"), "--sheet", at("sheet.txt"));
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, /waits for a signature/);
    assert.match(first.stderr, /authority import/);
    const pem = readFileSync(at("first.csr"), "utf8");
    const sheet = readFileSync(at("sheet.txt"), "utf8");
    assert.match(sheet, /first\.csr/);
    assert.match(sheet, /CA:TRUE/);

    const again = await init();
    assert.equal(again.code, 0, again.stderr);
    assert.equal(again.stdout.trim(), pem.trim(), "the same request, on standard output");
    assert.match(again.stderr, /CA:TRUE/, "the sheet on standard error");

    server = startCli(["server", "--config", at("mesh-ca.yaml")], { env });
    const line = (event: string): Record<string, unknown> | undefined => {
      for (const text of server?.stderr().split("\n") ?? []) {
        if (text.includes(`"${event}"`)) return JSON.parse(text);
      }
      return undefined;
    };
    await until(() => line("server.started") !== undefined, "the server runs", 30_000);
    const started = line("server.started");
    assert.ok(started !== undefined);
    assert.equal(started["grpc"], undefined, "the TLS port is closed");
    const { host, port } = started["operations"] as { host: string; port: number };
    const ready = async () => {
      const answer = await fetch(`http://${host}:${port}/readyz`);
      return { status: answer.status, body: (await answer.json()) as { reasons: Record<string, string>[] } };
    };
    const waiting = await ready();
    assert.equal(waiting.status, 503);
    assert.deepEqual(
      waiting.body.reasons.map(({ code }) => code),
      ["MCA_AUTHORITY_AWAITING_SIGNATURE"],
      "one reason, and no other",
    );
    assert.match(JSON.stringify(waiting.body), /authority import/);

    const listed = await authority("list");
    assert.equal(listed.code, 0, listed.stderr);
    assert.match(listed.stdout, /requested/);
    assert.match(listed.stdout, /WAITS FOR A SIGNATURE/);
    assert.match(listed.stderr, /MCA_AUTHORITY_AWAITING_SIGNATURE/);
    const csr = await authority("csr", "--sheet", at("sheet-2.txt"));
    assert.equal(csr.code, 0, csr.stderr);
    assert.equal(csr.stdout.trim(), pem.trim());

    // What is refused changes nothing, and says why and what helps.
    writeFileSync(at("other.pem"), chainPem(issuing, root));
    const refused = await authority("import", at("other.pem"));
    assert.equal(refused.code, 3, refused.stderr);
    assert.match(refused.stdout, /^ERROR key\ncertificate +.*\nfound +.*\nexpected +.*\nwhat helps +/m);
    assert.match(refused.stderr, /MCA_UPSTREAM_CERTIFICATE_REFUSED/);
    const signed = encodePem("CERTIFICATE", signRequest(issuing, requestOf(pem)));
    writeFileSync(at("key.pem"), `${signed}${issuing.keyPem}`);
    const withKey = await authority("import", at("key.pem"), at("other.pem"));
    assert.equal(withKey.code, 2, withKey.stderr);
    assert.match(withKey.stderr, /MCA_IMPORT_PRIVATE_KEY/);
    assert.doesNotMatch(server.stderr(), /ImportAuthority.*PRIVATE_KEY/, "it never left the command line");

    // The bundle in the wrong order, in one file.
    writeFileSync(at("signed.pem"), `${root.pem}${issuing.pem}${signed}`);
    const dry = await authority("import", at("signed.pem"), "--dry-run", "--json");
    assert.equal(dry.code, 0, dry.stderr);
    assert.equal(JSON.parse(dry.stdout).outcome, "accepted");
    assert.equal((await ready()).status, 503, "a dry run changes nothing");
    const imported = await authority("import", at("signed.pem"));
    assert.equal(imported.code, 0, imported.stderr);
    assert.match(imported.stdout, /signs +now/);
    await until(() => line("server.port_open") !== undefined, "the TLS port opens without a restart");
    await until(async () => (await ready()).status === 200, "the server is ready");

    const token = await cli(["token", "create", "-a", "service=cart", "--data-dir", at("data")], { env });
    assert.equal(token.code, 0, token.stderr);
    writeFileSync(at("token"), token.stdout);
    const fetched = await cli(["svid", "fetch", "--out", at("svid"), "--token-file", at("token")], { env });
    assert.equal(fetched.code, 0, fetched.stderr);
    const chain = decodePem(readFileSync(join(at("svid"), "current", "svid.pem"), "utf8"));
    assert.equal(chain.length, 3, "leaf, authority, issuing CA; never the root");

    server.child.kill("SIGTERM");
    await server.result;
    const late = await init();
    assert.equal(late.code, 1);
    assert.match(late.stderr, /MCA_ALREADY_INITIALISED/);
  } finally {
    server?.child.kill("SIGKILL");
    await server?.result;
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("while the first signature is awaited nothing is issued, and the socket answers", async () => {
  const on = await startTestServer({ changes: offline });
  try {
    assert.equal(on.server.addresses.grpc, undefined);
    const state = await readyz(on);
    assert.equal(state.status, 503);
    assert.deepEqual(
      state.body.reasons.map(({ code }) => code),
      ["MCA_AUTHORITY_AWAITING_SIGNATURE"],
    );
    const { authorities, requests, problemCode } = await authoritiesOf(on.server);
    assert.deepEqual(
      authorities.map(({ state }) => state),
      [State.STATE_REQUESTED],
    );
    assert.equal(requests.length, 1);
    assert.equal(problemCode, "MCA_AUTHORITY_AWAITING_SIGNATURE");
    await assert.rejects(initialise({ config: on.config, development: true, logger: silentLogger }), "it runs");
  } finally {
    await on.close();
  }
});

test("a request survives the restart of the server, and a new one is made only when it is asked for", async () => {
  const on = await startTestServer({ changes: offline });
  const { request } = await newRequest(on);
  await on.stop();
  const again = await startTestServer({ again: on });
  try {
    assert.deepEqual((await newRequest(again)).request.csr, request.csr);
    const renewed = (await newRequest(again, true)).request;
    assert.notEqual(renewed.spkiSha256, request.spkiSha256);
    const late = await importFiles(again, [signRequest(issuing, request.csr), issuing.der, root.der]);
    assert.equal(late?.$case, "refused", "the request that was given up is not answered any more");
    const outcome = await importFiles(again, [signRequest(issuing, renewed.csr), issuing.der, root.der]);
    assert.equal(outcome?.$case, "accepted");
    await until(() => again.server.addresses.grpc !== undefined, "the port is open");
  } finally {
    await again.close();
  }
});

test("a successor is imported while the present authority issues, and takes over without a failed call", async () => {
  const on = await startOffline();
  try {
    const cart = await enrol(on, "cart");
    const client = connect(on.address, cart);
    const { request } = await newRequest(on);
    const chain = [root.der, signRequest(issuing, request.csr), issuing.der];
    const before = await authoritiesOf(on.server);
    const dry = await importFiles(on, chain, { dryRun: true });
    assert.ok(dry?.$case === "accepted" && !dry.value.activated);
    const unchanged = await authoritiesOf(on.server);
    assert.equal(unchanged.revision, before.revision);
    assert.deepEqual(
      unchanged.authorities.map(({ state, transitions }) => [state, transitions.length]),
      before.authorities.map(({ state, transitions }) => [state, transitions.length]),
    );

    const outcome = await importFiles(on, chain);
    assert.ok(outcome?.$case === "accepted");
    assert.equal(outcome.value.activated, false, "everybody has to know it first");
    assert.ok(outcome.value.activatesAt !== undefined && outcome.value.activatesAt.getTime() > Date.now());
    const { authorities } = local(on.server);
    const early = call(authorities, authorities.activateAuthority, {
      authority: request.spkiSha256.slice(0, 8),
      emergency: false,
    });
    await assert.rejects(early, /MCA_AUTHORITY_TOO_EARLY|wait another/);

    const rotated = await call(authorities, authorities.rotateAuthority, {});
    assert.equal(rotated.spkiSha256, request.spkiSha256, "the one that waits, not another one");
    const issuers = new Set<string>();
    await until(async () => {
      const { response } = await renew(client);
      const [leaf, authority] = response.certificateChain.map((der) => parseCertificate(der));
      assert.ok(leaf !== undefined && authority !== undefined);
      issuers.add(authority.publicKey.spkiSha256);
      return authority.publicKey.spkiSha256 === request.spkiSha256;
    }, "the successor signs");
    assert.equal(issuers.size, 2);
    const listed = await authoritiesOf(on.server);
    assert.deepEqual(
      listed.authorities.map(({ state }) => state),
      [State.STATE_RETIRED, State.STATE_ACTIVE],
    );
    const [, active] = listed.authorities;
    assert.deepEqual(
      active?.transitions.map(({ to }) => to),
      [State.STATE_REQUESTED, State.STATE_PREPARED, State.STATE_ACTIVE],
    );
    assert.match(active?.transitions[0]?.cause ?? "", /asked for by local/);
    assert.equal(active?.path.length, 3);
  } finally {
    await on.close();
  }
});

test("what breaks rules is refused with every finding, and the request stays open for a better answer", async () => {
  const on = await startTestServer({ changes: offline });
  try {
    const { request } = await newRequest(on);
    const noCa = signRequest(issuing, request.csr, { ca: false, keyUsage: ["digitalSignature"] });
    const outcome = await importFiles(on, [noCa, issuing.der, root.der]);
    assert.ok(outcome?.$case === "refused");
    for (const finding of outcome.value.findings) {
      assert.ok(finding.certificate !== "" && finding.rule !== "" && finding.found !== "" && finding.expected !== "");
    }
    assert.ok(outcome.value.findings.length >= 2, "all of them, not only the first");
    const garbage = await importFiles(on, [Buffer.from("no certificate at all")]);
    assert.equal(garbage?.$case, "refused");
    const foreign = signRequest(createRoot(), request.csr);
    assert.equal((await importFiles(on, [foreign, root.der]))?.$case, "refused", "another root's signature");
    assert.equal((await authoritiesOf(on.server)).requests.length, 1);
    const good = await importFiles(on, [signRequest(issuing, request.csr), issuing.der, root.der]);
    assert.equal(good?.$case, "accepted");
  } finally {
    await on.close();
  }
});

test("an enterprise CA whose name constraints forbid a DNS name of the rules is refused when it is imported", async () => {
  const on = await startTestServer({
    changes: {
      ...offline,
      rules: [
        {
          name: "services",
          match: { "token.service": "*" },
          spiffeId: "spiffe://{trustDomain}/{token.service}",
          dnsNames: ["{token.service}.svc.example.test"],
        },
      ],
    },
  });
  try {
    const limited = (dns: string) =>
      createIntermediate(root, {
        pathLength: 1,
        nameConstraints: nameConstraintsExtension({
          permitted: [generalNameDer.uri("example.test"), generalNameDer.dns(dns)],
        }),
      });
    const { request } = await newRequest(on);
    const other = limited("other.test");
    const outcome = await importFiles(on, [signRequest(other, request.csr), other.der, root.der]);
    assert.ok(outcome?.$case === "refused");
    assert.match(JSON.stringify(outcome.value.findings), /svc\.example\.test/);
    const wide = limited("example.test");
    assert.equal((await importFiles(on, [signRequest(wide, request.csr), wide.der, root.der]))?.$case, "accepted");
  } finally {
    await on.close();
  }
});

test("init with an upstream that cannot work makes no trust domain half way that could not be begun again", async () => {
  const folder = await temporaryFolder();
  const database = await createTestDatabase();
  try {
    mkdirSync(join(folder, "ca"));
    const disk = {
      certificateFile: join(folder, "ca/ca.pem"),
      keyFile: join(folder, "ca/ca.key"),
      passphraseFile: null,
    };
    const config = testConfig(join(folder, "data"), { authority: { upstream: "disk", disk, ...QUICK_ROTATION } });
    const withDatabase = { ...config, database: { ...config.database, url: database.connectionString } };
    const run = () => initialise({ config: withDatabase, development: true, logger: silentLogger });
    await assert.rejects(run(), { code: "MCA_UPSTREAM_FILES_UNUSABLE" });
    assert.deepEqual(readdirSync(join(folder, "data", "keys")), []);
    writeFileSync(disk.certificateFile, chainPem(issuing, root));
    writeFileSync(disk.keyFile, issuing.keyPem, { mode: 0o600 });
    const done = await run();
    assert.equal(done.request, undefined);
    await assert.rejects(run(), { code: "MCA_ALREADY_INITIALISED" });
  } finally {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
