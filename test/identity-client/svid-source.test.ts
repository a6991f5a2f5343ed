// An SvidSource against a server that fails on purpose: what it does with its evidence, its keys and its state.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { inspect } from "node:util";
import { status } from "@grpc/grpc-js";
import { ServerRefusal, SvidSource, type SvidSourceOptions } from "../../src/identity-client/index.ts";
import { encodeTrustFile } from "../../src/spiffe/index.ts";
import { FaultyServer, type FaultyServerOptions } from "./faulty-server.ts";
import { createAuthority, eventually, ManualClock, temporaryDirectory, trustOf } from "./helpers.ts";

const authority = createAuthority();
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

async function startServer(t: TestContext, options: Partial<FaultyServerOptions> = {}): Promise<FaultyServer> {
  const server = await FaultyServer.start({ authority, ...options });
  t.after(() => server.stop());
  return server;
}

async function startSource(t: TestContext, options: SvidSourceOptions): Promise<SvidSource> {
  const source = await SvidSource.start({ startTimeoutMs: 0, callTimeoutMs: 2_000, ...options });
  t.after(() => source.close());
  return source;
}

function trustFile(): string {
  const file = join(temporaryDirectory(), "trust.json");
  writeFileSync(file, encodeTrustFile(trustOf([authority])));
  return file;
}

test("A workload joins by token and holds an SVID whose key only it has", async (t) => {
  const server = await startServer(t);
  const source = await startSource(t, { joinToken: { text: server.token() }, stateDir: temporaryDirectory() });
  assert.equal(source.current().id.toString(), "spiffe://example.test/cart");
  assert.match(source.current().keyPem, /^-----BEGIN PRIVATE KEY-----/);
  assert.equal(source.health().kind, "fresh");
  assert.equal(source.trust().authorities?.length, 1);
  assert.deepEqual(
    server.requests.map(({ evidence }) => evidence),
    ["joinToken"],
  );
});

test("Printing or serialising a source, its SVID or its settings shows no private key and no token", async (t) => {
  const server = await startServer(t);
  const token = server.token();
  const source = await startSource(t, { joinToken: { text: token }, stateDir: temporaryDirectory() });
  const printed = [
    inspect(source, { depth: 20, showHidden: true }),
    inspect(source.current(), { depth: 20, showHidden: true }),
    JSON.stringify(source.current()),
    String(source),
    String(source.current()),
    JSON.stringify(source),
  ].join("\n");
  assert.doesNotMatch(printed, /PRIVATE KEY-----/);
  assert.ok(!printed.includes(token.slice(-40)));
});

test("A JWT is sent only to a server that a trust file vouches for", async (t) => {
  const server = await startServer(t);
  const jwt = { file: join(temporaryDirectory(), "jwt") };
  writeFileSync(jwt.file, "header.payload.signature\n");
  await assert.rejects(SvidSource.start({ server: server.address, jwt, memoryOnly: true }), {
    code: "MCA_CLIENT_OPTIONS",
  });
  assert.equal(server.requests.length, 0);
  await startSource(t, { server: server.address, jwt, memoryOnly: true, trustFile: trustFile() });
  assert.deepEqual(
    server.requests.map(({ evidence }) => evidence),
    ["jwt"],
  );
});

test("A renewal shows the present certificate and asks for a new key", async (t) => {
  const server = await startServer(t);
  const source = await startSource(t, { joinToken: { text: server.token() }, stateDir: temporaryDirectory() });
  const first = source.current();
  let changes = 0;
  source.onChange(() => {
    changes += 1;
  });
  const second = await source.renew();
  assert.equal(source.current(), second);
  assert.notEqual(second.keyPem, first.keyPem);
  assert.equal(changes, 1);
  const [join, renewal] = server.requests;
  assert.equal(renewal?.evidence, "tlsCertificate");
  assert.equal(renewal?.presented, first.serial);
  assert.notEqual(renewal?.spkiSha256, join?.spkiSha256);
});

test("Renewals follow the server's renew_at by themselves, again and again", async (t) => {
  const server = await startServer(t, { ttlMs: 6_000, renewAfterMs: 1_500 });
  const source = await startSource(t, { joinToken: { text: server.token() }, memoryOnly: true });
  await eventually("three renewals", () => server.requests.length >= 4);
  const keys = new Set(server.requests.map(({ spkiSha256 }) => spkiSha256));
  assert.equal(keys.size, server.requests.length);
  assert.equal(source.health().kind, "fresh");
});

test("A restart begins from its state and needs neither server nor evidence", async (t) => {
  const server = await startServer(t);
  const stateDir = temporaryDirectory();
  const source = await SvidSource.start({ joinToken: { text: server.token() }, stateDir });
  const { serial } = source.current();
  await source.close();
  await server.stop();
  const again = await startSource(t, { stateDir });
  assert.equal(again.current().serial, serial);
  assert.equal(again.trust().authorities?.length, 1);
});

test("A restart that is due renews with the certificate it kept, and not with its token", async (t) => {
  const server = await startServer(t, { renewAfterMs: 1 });
  const stateDir = temporaryDirectory();
  const joinToken = { text: server.token() };
  const source = await SvidSource.start({ joinToken, stateDir });
  const { serial } = source.current();
  await source.close();
  const before = server.requests.length;
  await startSource(t, { joinToken, stateDir });
  await eventually("a renewal", () => server.requests.length > before);
  assert.equal(server.requests.at(-1)?.evidence, "tlsCertificate");
  assert.notEqual(serial, undefined);
});

test("With nothing but an expired certificate the renewal after expiry is tried first, then the evidence", async (t) => {
  const clock = new ManualClock();
  const server = await startServer(t, { now: () => clock.now() });
  const stateDir = temporaryDirectory();
  const first = await SvidSource.start({ joinToken: { text: server.token() }, stateDir, clock });
  await first.close();
  clock.advance(3 * HOUR_MS);

  const renewed = await SvidSource.start({ stateDir, clock });
  assert.equal(server.requests.at(-1)?.evidence, "tlsCertificate");
  await renewed.close();
  clock.advance(3 * HOUR_MS);

  server.behave = ({ evidence }) =>
    evidence === "tlsCertificate"
      ? { kind: "refuse", code: "MCA_SVID_EXPIRED", status: status.UNAUTHENTICATED }
      : { kind: "answer" };
  const again = await startSource(t, { joinToken: { text: server.token() }, stateDir, clock });
  assert.deepEqual(
    server.requests.slice(-2).map(({ evidence }) => evidence),
    ["tlsCertificate", "joinToken"],
  );
  assert.equal(again.health().kind, "fresh");
});

test("A token that was redeemed is not sent a second time: the renewal's refusal is what is told", async (t) => {
  const clock = new ManualClock();
  const server = await startServer(t, { now: () => clock.now() });
  const stateDir = temporaryDirectory();
  const joinToken = { text: server.token() };
  await (await SvidSource.start({ joinToken, stateDir, clock })).close();
  clock.advance(3 * HOUR_MS);
  server.behave = () => ({ kind: "refuse", code: "MCA_LINEAGE_FROZEN", status: status.PERMISSION_DENIED });
  await assert.rejects(SvidSource.start({ joinToken, stateDir, clock }), (error) => {
    assert.ok(error instanceof ServerRefusal);
    assert.equal(error.code, "MCA_LINEAGE_FROZEN");
    assert.equal(error.message, "Refused by the test.");
    return true;
  });
  assert.equal(server.requests.filter(({ evidence }) => evidence === "joinToken").length, 1);
});

test("An answer that was lost is asked for again with the same key, also after a crash", async (t) => {
  const server = await startServer(t);
  const stateDir = temporaryDirectory();
  const joinToken = { text: server.token() };
  server.behave = () => ({ kind: "lose-answer" });
  await assert.rejects(SvidSource.start({ joinToken, stateDir, startTimeoutMs: 0 }), {
    code: "MCA_SERVER_UNAVAILABLE",
  });
  assert.ok(existsSync(join(stateDir, "pending.json")));
  server.behave = () => ({ kind: "answer" });
  const source = await startSource(t, { joinToken, stateDir });
  assert.equal(server.requests.length, 2);
  assert.equal(server.requests[0]?.spkiSha256, server.requests[1]?.spkiSha256);
  assert.ok(!existsSync(join(stateDir, "pending.json")));

  const { serial } = source.current();
  server.behave = () => ({ kind: "lose-answer" });
  await assert.rejects(source.renew(), { code: "MCA_SERVER_UNAVAILABLE" });
  assert.equal(source.current().serial, serial, "the valid certificate stays in use");
  assert.equal(source.health().kind, "renewal-failing");
  server.behave = () => ({ kind: "answer" });
  await source.renew();
  const [lost, retry] = server.requests.slice(-2);
  assert.equal(lost?.spkiSha256, retry?.spkiSha256);
  assert.equal(retry?.presented, serial);
});

test("A request that the server refuses for its key is not repeated with the same key", async (t) => {
  const server = await startServer(t);
  const source = await startSource(t, { joinToken: { text: server.token() }, stateDir: temporaryDirectory() });
  for (const [code, grpcStatus] of [
    ["MCA_CSR_KEY_REFUSED", status.INVALID_ARGUMENT],
    // The server has recorded the key but can show no certificate for it.
    ["MCA_REPLAY_UNSIGNED", status.ABORTED],
  ] as const) {
    server.behave = () => ({ kind: "refuse", code, status: grpcStatus });
    await assert.rejects(source.renew(), { code });
    server.behave = () => ({ kind: "answer" });
    await source.renew();
    assert.notEqual(server.requests.at(-1)?.spkiSha256, server.requests.at(-2)?.spkiSha256, code);
  }
});

test("A server that never answers is given up after the deadline, and its silence is a retry with the same key", async (t) => {
  const server = await startServer(t);
  const source = await startSource(t, {
    joinToken: { text: server.token() },
    memoryOnly: true,
    callTimeoutMs: 300,
  });
  server.behave = () => ({ kind: "silence" });
  await assert.rejects(source.renew(), { code: "MCA_SERVER_UNAVAILABLE" });
  server.behave = () => ({ kind: "answer" });
  await source.renew();
  assert.equal(server.requests.at(-1)?.spkiSha256, server.requests.at(-2)?.spkiSha256);
});

test("While the server is away the certificate serves to its end, the waits stay below 150 s, and the return is noticed", async (t) => {
  const clock = new ManualClock();
  const server = await startServer(t, { now: () => clock.now() });
  const source = await startSource(t, {
    joinToken: { text: server.token() },
    stateDir: temporaryDirectory(),
    clock,
    callTimeoutMs: 500,
  });
  const svid = source.current();
  await server.stop();
  // The next renewal and the next attempt to open the stream: as long as one of them is missing, an attempt is under way.
  const settled = (): Promise<void> => eventually("both wait", () => clock.waiting === 2);
  await settled();
  let attempts = 0;
  let lastAttempt = svid.renewAt;
  let longestWait = 0;
  while (clock.now() < svid.notAfter - MINUTE_MS) {
    clock.advance(10_000);
    await settled();
    const health = source.health();
    if (health.kind === "renewal-failing" && health.attempts > attempts) {
      attempts = health.attempts;
      longestWait = Math.max(longestWait, clock.now() - lastAttempt);
      lastAttempt = clock.now();
    }
    assert.equal(source.current().serial, svid.serial);
  }
  assert.ok(attempts >= 12, `tried ${attempts} times in half an hour`);
  assert.ok(longestWait <= 170_000, `waited ${longestWait} ms`);
  assert.ok(longestWait >= 75_000, `never backed off: ${longestWait} ms`);
  clock.advance(2 * MINUTE_MS);
  assert.throws(() => source.current(), { code: "MCA_CLIENT_NO_SVID" });
  assert.equal(source.health().kind, "expired");
  await server.listen();
  await eventually("it is fresh again", () => {
    if (clock.waiting === 2) clock.advance(10_000);
    return source.health().kind === "fresh";
  });
  assert.equal(server.requests.at(-1)?.presented, svid.serial);
});

test("Starting waits for a server that is away, and gives up when its time is over", async (t) => {
  const server = await startServer(t);
  const token = server.token();
  await server.stop();
  await assert.rejects(
    SvidSource.start({ joinToken: { text: token }, memoryOnly: true, startTimeoutMs: 0, callTimeoutMs: 500 }),
    { code: "MCA_SERVER_UNAVAILABLE" },
  );
  const waiting = startSource(t, { joinToken: { text: token }, memoryOnly: true, startTimeoutMs: 30_000 });
  setTimeout(() => void server.listen(), 300);
  assert.equal((await waiting).health().kind, "fresh");
});

test("A start that waits ends when its signal fires, and gives the state directory free", async (t) => {
  const server = await startServer(t);
  const token = server.token();
  await server.stop();
  const stateDir = temporaryDirectory();
  const abort = new AbortController();
  const waiting = SvidSource.start({
    joinToken: { text: token },
    stateDir,
    startTimeoutMs: 60_000,
    signal: abort.signal,
  });
  setTimeout(() => abort.abort(), 100);
  await assert.rejects(waiting, { code: "MCA_CLIENT_CLOSED" });
  await server.listen();
  await startSource(t, { joinToken: { text: token }, stateDir });
});

test("Trust that was lost is not learned from the next best server: fresh evidence is needed", async (t) => {
  const server = await startServer(t);
  const stateDir = temporaryDirectory();
  await (await SvidSource.start({ joinToken: { text: server.token() }, stateDir })).close();
  writeFileSync(join(stateDir, "trust.json"), "{}");
  await assert.rejects(SvidSource.start({ server: server.address, stateDir }), { code: "MCA_CLIENT_EVIDENCE_MISSING" });
  const source = await startSource(t, { joinToken: { text: server.token() }, stateDir });
  assert.equal(source.health().kind, "fresh");
});

test("A full or read-only disk costs a running workload nothing but its memory after a restart", async (t) => {
  const server = await startServer(t);
  const stateDir = temporaryDirectory();
  const source = await startSource(t, { joinToken: { text: server.token() }, stateDir });
  const before = readFileSync(join(stateDir, "svid.json"), "utf8");
  const { mkdirSync, rmSync } = await import("node:fs");
  // A directory in the place of each file makes every rename fail, for root too.
  for (const name of ["svid.json", "pending.json", "trust.json"]) {
    rmSync(join(stateDir, name), { force: true });
    mkdirSync(join(stateDir, name));
    writeFileSync(join(stateDir, name, "x"), "");
  }
  const { serial } = source.current();
  await source.renew();
  assert.notEqual(source.current().serial, serial);
  assert.ok(before.includes("keyPem"));
  assert.deepEqual(
    readdirSync(stateDir).filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test("Options that contradict each other are refused before anything is done", async () => {
  const text = "mcajt1.x";
  const wrong: readonly object[] = [
    {},
    { memoryOnly: true, stateDir: "/x" },
    { memoryOnly: true, joinToken: { text }, jwt: { file: "x" } },
    { memoryOnly: true, joinToken: { text }, server: "localhost" },
    { memoryOnly: true, joinToken: { text }, ttlSeconds: -1 },
    { memoryOnly: true, joinToken: { text }, keyAlgorithm: "dsa" },
  ];
  for (const options of wrong) {
    // A caller in plain JavaScript can write these.
    await assert.rejects(SvidSource.start(options as SvidSourceOptions), { code: "MCA_CLIENT_OPTIONS" });
  }
});
