// What strangers may send to the HTTPS listener: requests that two readers would read differently, too much of anything, and nothing at all
// for as long as they like. Whoever does that is cut off; others are served meanwhile.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { ask, converse, rawTls, startWeb, statusesOf } from "../identity-api/http/https-support.ts";
import { silentConnection, until } from "../tls/support/endpoints.ts";

const GOOD = "GET /v1/bundle HTTP/1.1\r\nhost: x\r\n\r\n";
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";

/** Requests that some reader would take for something else than another does; each with a second request inside or behind. */
const AMBIGUOUS: readonly (readonly [what: string, bytes: string])[] = [
  [
    "both lengths",
    `GET /v1/bundle HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  ["two lengths", `GET /v1/bundle HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\ncontent-length: 37\r\n\r\n${SMUGGLED}`],
  ["a length twice in one", `GET /v1/bundle HTTP/1.1\r\nhost: x\r\ncontent-length: 0, 37\r\n\r\n${SMUGGLED}`],
  ["a signed length", `GET /v1/bundle HTTP/1.1\r\nhost: x\r\ncontent-length: +0\r\n\r\n${SMUGGLED}`],
  [
    "a body that is a request",
    `GET /v1/bundle HTTP/1.1\r\nhost: x\r\ncontent-length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  ],
  [
    "a chunked body on GET",
    `GET /v1/bundle HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  ["an unknown coding", `GET /v1/bundle HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n${SMUGGLED}`],
  [
    "chunked before the end",
    `POST /v1/bundle HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n${SMUGGLED}`,
  ],
  [
    "a space before the colon",
    `GET /v1/bundle HTTP/1.1\r\nhost: x\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  ["a folded header", `GET /v1/bundle HTTP/1.1\r\nhost: x\r\na: b\r\n transfer-encoding: chunked\r\n\r\n${SMUGGLED}`],
  ["lines that end in LF alone", "GET /v1/bundle HTTP/1.1\nhost: x\n\nGET /smuggled HTTP/1.1\nhost: x\n\n"],
  ["a CR inside a header", `GET /v1/bundle HTTP/1.1\r\nhost: x\r\na: b\rtransfer-encoding: chunked\r\n\r\n${SMUGGLED}`],
  ["a NUL in a header", `GET /v1/bundle HTTP/1.1\r\nhost: x\r\na: b\0c\r\n\r\n${SMUGGLED}`],
  ["no host", `GET /v1/bundle HTTP/1.1\r\n\r\n${SMUGGLED}`],
  ["two hosts", `GET /v1/bundle HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n${SMUGGLED}`],
  ["another version", `GET /v1/bundle HTTP/1.2\r\nhost: x\r\n\r\n${SMUGGLED}`],
  ["HTTP/2 in plain", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["no HTTP", `\x16\x03\x01\x00\x05hello${SMUGGLED}`],
];

test("a request that could be read in two ways is refused, and nothing behind it is read as a request", async () => {
  await using web = await startWeb();
  for (const [what, bytes] of AMBIGUOUS) {
    const text = await converse(web.port, bytes);
    const statuses = statusesOf(text);
    assert.ok(statuses.length <= 1, `${what}: ${text}`);
    // The end of the connection without an answer is a refusal, too.
    if (statuses.length === 0) continue;
    assert.ok([400, 405].includes(statuses[0] ?? 0), `${what}: ${text}`);
    assert.match(text, /connection: close/i, what);
    // Node itself answers where the host is missing.
    if (what !== "no host") assert.match(text, /"code":"MCA_(REQUEST_INVALID|METHOD_NOT_ALLOWED)"/, what);
    assert.doesNotMatch(text, /MCA_NOT_FOUND/, what);
  }
  assert.equal((await ask(web.port)).status, 200);
});

test("garbage behind a good request never comes back as an answer to it", async () => {
  await using web = await startWeb();
  for (const garbage of [
    "\0\0\0",
    "GET / HTTP/1.1\r\nbad header\r\n\r\n",
    `GET / HTTP/1.1\r\na: ${"b".repeat(20_000)}\r\n\r\n`,
  ]) {
    const statuses = statusesOf(await converse(web.port, GOOD + garbage));
    assert.ok(statuses.length === 0 || statuses[0] === 200, String(statuses));
  }
});

test("headers of more than 8 KiB, or more than a hundred, are refused", async () => {
  await using web = await startWeb();
  const many = Array.from({ length: 100 }, (_, at) => `h${at}: v\r\n`).join("");
  for (const headers of [`a: ${"b".repeat(9_000)}\r\n`, many, "a:\r\n".repeat(1_900)]) {
    const text = await converse(web.port, `GET /v1/bundle HTTP/1.1\r\nhost: x\r\n${headers}\r\n`);
    assert.deepEqual(statusesOf(text), [431]);
    assert.match(text, /"code":"MCA_HEADERS_TOO_LARGE"/);
  }
  const long = await converse(web.port, `GET /${"a".repeat(9_000)} HTTP/1.1\r\nhost: x\r\n\r\n`);
  assert.deepEqual(statusesOf(long), [431]);
  assert.equal((await ask(web.port, "/v1/bundle", { headers: { cookie: "c".repeat(6_000) } })).status, 200);
});

test("CONNECT, upgrades and expectations open nothing", async () => {
  await using web = await startWeb();
  assert.deepEqual(statusesOf(await converse(web.port, "CONNECT x:443 HTTP/1.1\r\nhost: x:443\r\n\r\n")), []);
  const close = "connection: close\r\n";
  const upgrade = `GET /v1/bundle HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n`;
  assert.deepEqual(statusesOf(await converse(web.port, upgrade)), [200]);
  const odd = `GET /v1/bundle HTTP/1.1\r\nhost: x\r\nexpect: miracles\r\n${close}\r\n`;
  assert.deepEqual(statusesOf(await converse(web.port, odd)), [417]);
});

// Both wait for what the clock ends; each has a server of its own.
describe("over ten seconds", { concurrency: true }, () => {
  test("a connection answers a hundred requests, however many are sent at once", async () => {
    await using web = await startWeb();
    const statuses = statusesOf(await converse(web.port, GOOD.repeat(300)));
    assert.deepEqual(statuses.slice(0, 100), new Array(100).fill(200));
    assert.deepEqual(new Set(statuses.slice(100)), new Set([503]));
    // More than one TLS record full of them: Node gives the connection up.
    assert.ok(statusesOf(await converse(web.port, GOOD.repeat(5_000))).length <= 1_000);
    assert.equal((await ask(web.port)).status, 200);
  });

  test("slow, silent and idle clients are cut off within seconds, and others are served meanwhile", {
    timeout: 60_000,
  }, async () => {
    await using web = await startWeb();
    const began = performance.now();
    const { port } = web;
    const start = async (bytes: string): Promise<TLSSocket> => {
      const socket = await rawTls(port);
      socket.resume().write(bytes);
      return socket;
    };
    const drips = await start("GET /v1/bundle HTTP/1.1\r\n");
    const drip = setInterval(() => drips.write("a: b\r\n"), 500);
    const slow = new Map<string, { readonly closed: boolean; destroy(): unknown }>([
      ["no handshake", await silentConnection(port)],
      ["no request", await start("")],
      ["a header at a time", drips],
      ["half a request", await start("GET /v1/bundle HTTP/1.1\r\nhost: x\r\n")],
      ["idle after a request", await start(GOOD)],
      [
        "a body that never comes",
        await start("POST /v1/bundle HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"),
      ],
    ]);
    let servedBeside = 0;
    while ([...slow.values()].some(({ closed }) => !closed) && performance.now() - began < 50_000) {
      assert.equal((await ask(port)).status, 200);
      if ([...slow.values()].filter(({ closed }) => !closed).length >= 3) servedBeside += 1;
      await sleep(250);
    }
    clearInterval(drip);
    const left = [...slow].filter(([, { closed }]) => !closed).map(([what]) => what);
    for (const socket of slow.values()) socket.destroy();
    assert.deepEqual(left, []);
    assert.ok(performance.now() - began < 40_000, "it took longer than twice the longest bound");
    assert.ok(servedBeside >= 3, `an honest client was served ${servedBeside} times while most of them held on`);
  });
});

test("one address has a quarter of the places, so that it keeps out nobody else", async () => {
  await using web = await startWeb({ limits: { maxHttpsConnections: 40 } });
  const greedy: TLSSocket[] = [];
  for (let at = 0; at < 30; at++) {
    const socket = await rawTls(web.port).catch(() => undefined);
    if (socket !== undefined) greedy.push(socket.resume());
  }
  // Those whose handshake had begun when the quarter was full are let through.
  assert.ok(greedy.filter(({ closed }) => !closed).length < 15, `${greedy.length} of 30 stay`);
  assert.equal((await ask(web.port, "/v1/bundle", { tls: { localAddress: "127.0.0.2" } })).status, 200);
  await assert.rejects(ask(web.port));
  for (const socket of greedy) socket.destroy();
  await until(() => greedy.every(({ closed }) => closed), "they are gone");
  const served = async (): Promise<boolean> => (await ask(web.port).catch(() => ({ status: 0 }))).status === 200;
  await until(served, "the address is served again");
});
