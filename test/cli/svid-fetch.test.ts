// `mesh-ca svid fetch` against a real server: what it prints, what it writes, how it exits.
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseTrustFile } from "../../src/spiffe/index.ts";
import { closeClients, createToken, startTestServer, type TestServer, until } from "../e2e/fixture.ts";
import { temporaryDirectory } from "../identity-client/helpers.ts";
import { cli, startCli } from "./run.ts";

let api: TestServer;

before(async () => {
  api = await startTestServer();
});

after(async () => {
  closeClients();
  await api.close();
});

function token(service = "cart"): Promise<string> {
  return createToken(api.server, { service });
}

/** A file with a token, and the folder it lies in. */
async function tokenFile(service?: string): Promise<{ folder: string; file: string }> {
  const folder = temporaryDirectory();
  const file = join(folder, "token");
  writeFileSync(file, `${await token(service)}\n`);
  return { folder, file };
}

test("The files fit together, nobody else can read them, and the result is for people", async () => {
  const { folder, file } = await tokenFile();
  const out = join(folder, "out");
  const result = await cli(["svid", "fetch", "--out", out, "--token-file", file]);
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /^identity +spiffe:\/\/example\.test\/cart$/m);
  assert.doesNotMatch(result.stdout, /mcajt1|PRIVATE KEY/);
  const current = join(out, "current");
  assert.match(readlinkSync(current), /^svid-[0-9a-f]{16}$/);
  const certificate = new X509Certificate(readFileSync(join(current, "svid.pem")));
  const key = createPrivateKey(readFileSync(join(current, "svid_key.pem")));
  assert.ok(certificate.publicKey.equals(createPublicKey(key)));
  assert.match(readFileSync(join(current, "svid_bundle.pem"), "utf8"), /^-----BEGIN CERTIFICATE-----/);
  assert.equal(parseTrustFile(readFileSync(join(current, "trust.json"), "utf8")).authorities?.length, 1);
  assert.equal(statSync(join(current, "svid_key.pem")).mode & 0o777, 0o600);
  assert.equal(statSync(out).mode & 0o777, 0o700);
});

test("A second run needs no token, and --json prints one document on one line", async () => {
  const { folder, file } = await tokenFile();
  const out = join(folder, "out");
  assert.equal((await cli(["svid", "fetch", "--out", out, "--token-file", file])).code, 0);
  const again = await cli(["svid", "fetch", "--out", out, "--json"]);
  assert.equal(again.code, 0, again.stderr);
  assert.equal(again.stdout.trim().split("\n").length, 1);
  const { spiffeId, folder: written } = JSON.parse(again.stdout);
  assert.equal(spiffeId, "spiffe://example.test/cart");
  assert.equal(written, join(out, "current"));
});

test("A later run renews what is due, and keeps what is valid where the server is away", async () => {
  const { folder, file } = await tokenFile();
  const out = join(folder, "out");
  const serialOf = async (...args: readonly string[]): Promise<{ serial: string; renewAt: string; stderr: string }> => {
    const { code, stdout, stderr } = await cli(["svid", "fetch", "--out", out, "--json", ...args]);
    assert.equal(code, 0, stderr);
    return { ...JSON.parse(stdout), stderr };
  };
  const first = await serialOf("--token-file", file, "--ttl", "60s");
  assert.equal((await serialOf()).serial, first.serial, "not due");
  // As if half of its life were over: what the state says of the time is all that is asked.
  const state = join(out, "state", "svid.json");
  const due = { ...JSON.parse(readFileSync(state, "utf8")), renewAt: new Date(Date.now() - 1000).toISOString() };
  writeFileSync(state, JSON.stringify(due));
  const away = await serialOf("--server", "127.0.0.1:1", "--timeout", "1s");
  assert.equal(away.serial, first.serial);
  assert.match(away.stderr, /not renewed, and good until/);
  const second = await serialOf();
  assert.notEqual(second.serial, first.serial);
  assert.ok(Date.parse(second.renewAt) > Date.now());
});

test("A token comes from standard input or the environment, and there is no option that takes it", async () => {
  const folder = temporaryDirectory();
  const piped = await cli(["svid", "fetch", "--out", join(folder, "a"), "--token-file", "-"], { input: await token() });
  assert.equal(piped.code, 0, piped.stderr);
  const byEnvironment = await cli(["svid", "fetch", "--out", join(folder, "b")], {
    env: { MESH_CA_JOIN_TOKEN: await token() },
  });
  assert.equal(byEnvironment.code, 0, byEnvironment.stderr);
  const help = await cli(["svid", "fetch", "--help"]);
  assert.doesNotMatch(help.stdout, /--token <|--password/);
});

test("Exit codes and sentences tell what to do, without a stack trace", async () => {
  const folder = temporaryDirectory();
  const out = join(folder, "out");
  const redeemed = await token();
  const first = await cli(["svid", "fetch", "--out", join(folder, "first"), "--token-file", "-"], { input: redeemed });
  assert.equal(first.code, 0, first.stderr);
  const gone = redeemed.startsWith("mcajt1.") ? ["--server", "127.0.0.1:1", "--timeout", "1s"] : [];
  const cases: readonly [readonly string[], string, number, string][] = [
    [["--token-file", "/does/not/exist"], "", 2, "MCA_CLIENT_FILE"],
    [[], "", 2, "MCA_CLIENT_EVIDENCE_MISSING"],
    [["--token-file", "-"], "mcajt1.broken", 1, "MCA_TOKEN_MALFORMED"],
    [["--token-file", "-"], redeemed, 3, "MCA_TOKEN_REDEEMED"],
    [["--token-file", "-", ...gone], await token(), 4, "MCA_SERVER_UNAVAILABLE"],
    [["--token-file", "-", "--ttl", "soon"], await token(), 2, "MCA_CLI_USAGE"],
    [["--run", "true"], "", 2, "MCA_CLI_USAGE"],
    [["--certificate", "x.pem"], "", 2, "MCA_CLI_USAGE"],
  ];
  for (const [args, input, code, mca] of cases) {
    const result = await cli(["svid", "fetch", "--out", out, ...args], { input });
    assert.equal(result.code, code, `${mca}: ${result.stderr}`);
    assert.match(result.stderr, new RegExp(`\\(${mca}\\)`));
    assert.doesNotMatch(result.stderr, /\n\s+at /);
    assert.doesNotMatch(result.stderr, /mcajt1\.[A-Za-z0-9]/);
    assert.equal(result.stdout, "");
  }
});

test("With --watch the files follow each renewal, the command runs each time, and SIGTERM ends it well", async () => {
  const { folder, file } = await tokenFile("watched");
  const out = join(folder, "out");
  const log = join(folder, "runs");
  const run = startCli([
    "svid",
    "fetch",
    "-o",
    out,
    "--token-file",
    file,
    "--ttl",
    "6s",
    "--watch",
    "--json",
    "--run",
    `readlink "$MESH_CA_SVID" >> ${log}`,
  ]);
  await until(() => run.stdout().trim().split("\n").length >= 3, "three changes", 30_000);
  await until(() => existsSync(log) && readFileSync(log, "utf8").trim().split("\n").length >= 3, "three runs", 10_000);
  run.child.kill("SIGTERM");
  const { code, stdout, stderr } = await run.result;
  assert.equal(code, 0, stderr);
  const serials = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).serial);
  assert.equal(new Set(serials).size, serials.length);
  const folders = readdirSync(out).filter((name) => name.startsWith("svid-"));
  assert.equal(folders.length, 2, "the present folder and the one before it");
});

test("The command of --run gets the environment without the join token, or anything else that is meant for us", async () => {
  const out = join(temporaryDirectory(), "out");
  const seen = join(out, "environment");
  const run = startCli(
    ["svid", "fetch", "-o", out, "--watch", "--run", `env > ${seen}.tmp && mv ${seen}.tmp ${seen}`],
    {
      env: {
        MESH_CA_JOIN_TOKEN: await token("run"),
        MESH_CA_DATABASE__URL: "postgres://mesh:hunter2@db.test/mesh",
        NGINX_PID: "17",
      },
    },
  );
  await until(() => existsSync(seen), "the command's run", 30_000);
  run.child.kill("SIGTERM");
  assert.equal((await run.result).code, 0);
  const environment = readFileSync(seen, "utf8");
  assert.doesNotMatch(environment, /mcajt1|hunter2/);
  assert.deepEqual(environment.match(/^MESH_CA_.*$/gm), [`MESH_CA_SVID=${join(out, "current")}`]);
  assert.match(environment, /^NGINX_PID=17$/m);
});

test("An identity that the program wrote reaches the API from elsewhere, and is refused what it may not do", async () => {
  const { folder, file } = await tokenFile("auditor-to-be");
  const out = join(folder, "out");
  assert.equal((await cli(["svid", "fetch", "--out", out, "--token-file", file])).code, 0);
  const refused = await cli(["token", "create", "-a", "service=x", "--server", api.address, "--svid", out]);
  assert.equal(refused.code, 3, refused.stderr);
  assert.match(refused.stderr, /MCA_FORBIDDEN/);
});

test("A token is alone on standard output, so that it can be piped into the next command", async () => {
  const created = await cli(["token", "create", "--attribute", "service=piped", "--socket", api.server.adminSocket]);
  assert.equal(created.code, 0, created.stderr);
  assert.match(created.stdout, /^mcajt1\.[A-Za-z0-9_-]+\n$/);
  assert.match(created.stderr, /spiffe:\/\/example\.test\/piped/);
  const out = join(temporaryDirectory(), "out");
  const fetched = await cli(["svid", "fetch", "--out", out, "--token-file", "-"], { input: created.stdout });
  assert.equal(fetched.code, 0, fetched.stderr);
});
