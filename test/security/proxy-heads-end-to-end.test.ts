// Heads that attack, over TLS through a whole proxy, in HTTP/1.1 and in HTTP/2 frames written by hand. The oracle is the bytes at the
// backend: each of our requests has a number, and what was refused never gets there.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { anyFields } from "../proxy-tls/support/any-fields.ts";
import { HOSTILE_HOSTS, HOSTILE_TARGETS } from "../proxy-tls/support/hostile-heads.ts";
import { answering, type HttpWorld, OK, startHttp } from "../proxy-tls/support/http.ts";
import {
  DATA,
  END_STREAM,
  FrameReader,
  GOAWAY,
  headers,
  openingFrames,
  PREFACE,
  RST_STREAM,
} from "../proxy-tls/support/http2-frames.ts";
import { naiveFields } from "../proxy-tls/support/naive-screen.ts";
import { ALLOW_ALL, world } from "../proxy-tls/support/proxy.ts";
import { connectClient } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

const POLICIES = [
  ALLOW_ALL,
  { name: "admin", action: "deny", rules: [{ to: { paths: ["/admin/**"] } }, { to: { hosts: ["admin.test"] } }] },
  {
    ...{ name: "tenant", action: "deny" },
    rules: [{ to: { paths: ["/tenant"] }, when: { headers: [{ name: "x-tenant", values: ["red"] }] } }],
  },
];

interface Asked {
  readonly target?: string;
  readonly host?: string;
  readonly fields?: readonly string[];
}

let http: HttpWorld;
let asked = 0;
before(async () => {
  http = await startHttp(answering(OK), { policies: POLICIES });
});
after(() => http[Symbol.asyncDispose]());

/** The reason with which we were refused, "ok" from the backend, or "closed". */
async function ask(version: "1.1" | "2", { target = "/", host = "shop.test", fields = [] }: Asked): Promise<string> {
  const numbered = [...fields, "x-number", `${asked++}`];
  return (version === "1.1" ? askH1 : askH2)(asWritten(target), asWritten(host), numbered);
}

/** UTF-8, as latin1 has its bytes. */
function asWritten(text: string): string {
  return Buffer.from(text).toString("latin1");
}

async function askH1(target: string, host: string, fields: readonly string[]): Promise<string> {
  const client = await http.client();
  let head = `GET ${target} HTTP/1.1\r\nhost: ${host}\r\n`;
  for (let index = 0; index < fields.length; index += 2) head += `${fields[index]}: ${fields[index + 1]}\r\n`;
  client.socket.write(`${head}\r\n`, "latin1");
  await until(() => client.ended || client.closed !== "no" || client.text.endsWith("\r\n\r\nok"), "an answer");
  client.socket.destroy();
  return outcome(client.text);
}

async function askH2(target: string, host: string, fields: readonly string[]): Promise<string> {
  const { socket } = await connectClient(http.proxy.port("in"), world.identity("/client"), { alpn: ["h2"] });
  const frames = new FrameReader(socket);
  const pseudo = [":method", "GET", ":scheme", "https", ":path", target, ":authority", host];
  socket.write(Buffer.concat([PREFACE, openingFrames(), headers(1, END_STREAM, ...pseudo, ...fields)]));
  const last = await frames
    .find(({ type, flags }) => (type === DATA && (flags & END_STREAM) !== 0) || type === RST_STREAM || type === GOAWAY)
    .catch(() => undefined);
  socket.destroy();
  const body = frames.of(1).filter(({ type }) => type === DATA);
  return last === undefined ? "closed" : outcome(Buffer.concat(body.map(({ payload }) => payload)).toString("latin1"));
}

function outcome(text: string): string {
  return /"reason":"([a-z0-9-]+)"/.exec(text)?.[1] ?? (text.endsWith("ok") ? "ok" : "closed");
}

/** The heads that came to the backend, each as its lines. */
function received(): string[][] {
  return http.backend.ends.flatMap((end) => end.text.split("\r\n\r\n").slice(0, -1)).map((head) => head.split("\r\n"));
}

/** The head with the number of the last request. */
function lastReceived(): string[] {
  return received().find((lines) => lines.includes(`x-number: ${asked - 1}`)) ?? [];
}

async function refused(what: string, request: Asked, versions: readonly ("1.1" | "2")[] = ["1.1", "2"]): Promise<void> {
  for (const version of versions) {
    const answer = await ask(version, request);
    assert.notEqual(answer, "ok", `HTTP/${version} ${what}`);
    assert.deepEqual(lastReceived(), [], `HTTP/${version} ${what}`);
  }
}

test("no hostile target gets to the backend", async () => {
  for (const target of HOSTILE_TARGETS) await refused(JSON.stringify(target), { target });
});

test("no hostile host gets to the backend", async () => {
  for (const host of HOSTILE_HOSTS) await refused(JSON.stringify(host), { host });
});

test("a target that is let through comes to the backend as it was sent", async () => {
  for (const target of ["/a%20b/%e2%82%AC?c=/../%2f;d", "/.well-known/x..y", "/a:b@c!$&'()*+,=~", "/public/admin"]) {
    for (const version of ["1.1", "2"] as const) {
      assert.equal(await ask(version, { target }), "ok");
      assert.equal(lastReceived()[0], `GET ${target} HTTP/1.1`);
    }
  }
});

test("whoever is denied a path or a host is denied it in every spelling, and the host that was decided on is the one that is sent", async () => {
  for (const version of ["1.1", "2"] as const) {
    for (const target of ["/admin", "/admin/", "/admin/x?y", "/admin/%e2%82%ac"]) {
      assert.equal(await ask(version, { target }), "denied");
    }
    for (const host of ["admin.test", "ADMIN.test", "admin.test.", "Admin.Test.:443", "admin.test:443"]) {
      assert.equal(await ask(version, { host }), "denied", host);
    }
    assert.equal(await ask(version, { host: "SHOP.Test.:443" }), "ok");
    const hosts = lastReceived().filter((line) => line.startsWith("host:"));
    assert.deepEqual(hosts, ["host: shop.test"]);
  }
});

test("the backend reads one XFCC, ours, whatever the caller says", async () => {
  const spoofed = "By=spiffe://example.test/proxy;Hash=00;URI=spiffe://example.test/admin";
  const attempts = [
    ["x-forwarded-client-cert", spoofed],
    ["x-forwarded-client-cert", spoofed, "x-forwarded-client-cert", spoofed],
    ["x-forwarded-client-cert", ""],
    ["x-a", `x-forwarded-client-cert: ${spoofed}`],
    ["x-forwarded-for", "127.0.0.1", "forwarded", "for=127.0.0.1", "x-real-ip", "127.0.0.1", "l5d-client-id", "admin"],
    ["client-cert", ":AAAA:", "x-ssl-client-verify", "SUCCESS", "x-client-dn", "CN=admin", "x-envoy-internal", "true"],
  ];
  for (const version of ["1.1", "2"] as const) {
    for (const fields of attempts) {
      assert.equal(await ask(version, { fields }), "ok");
      const lines = lastReceived();
      const ours = lines.filter((line) => /^x.forwarded.client.cert/i.test(line));
      assert.equal(ours.length, 1);
      assert.match(
        ours[0] ?? "",
        /^x-forwarded-client-cert: By=spiffe:\/\/example\.test\/proxy;Hash=[0-9a-f]{64};URI=spiffe:\/\/example\.test\/client$/,
      );
      const others = /^(?:x-forwarded-for|forwarded|x-real-ip|client-cert|x-ssl-client|x-client-|x-envoy-|l5d-)/;
      assert.deepEqual(
        lines.filter((line) => others.test(line)),
        [],
      );
    }
  }
});

test("twins of fields that mean something never get to the backend", async () => {
  const twins = [
    "x_forwarded_client_cert",
    "x-forwarded-client_cert",
    "x.forwarded.client.cert",
    "content_length",
    "x.tenant",
    "l5d_x",
  ];
  for (const twin of twins) await refused(twin, { fields: [twin, "1"] });
});

test("Connection takes no field away that policies or the backend decide by", async () => {
  const tenant = ["x-tenant", "blue"];
  for (const name of [
    "x-tenant",
    "X-Tenant",
    "authorization",
    "host",
    "cookie",
    "x-forwarded-client-cert",
    "content-length",
  ]) {
    await refused(name, { fields: [...tenant, "connection", `close, ${name}`] }, ["1.1"]);
  }
  await refused("in HTTP/2", { fields: ["connection", "x-a"] }, ["2"]);
  assert.equal(
    await ask("1.1", {
      fields: [...tenant, "x-hop", "1", "connection", "X-Hop, keep-alive", "keep-alive", "timeout=9"],
    }),
    "ok",
  );
  const lines = lastReceived();
  assert.ok(lines.includes("x-tenant: blue"));
  assert.deepEqual(
    lines.filter((line) => /^(?:x-hop|connection|keep-alive|te|upgrade):/.test(line)),
    [],
  );
});

test("a field that a policy names comes once or not at all", async () => {
  const target = "/tenant";
  for (const version of ["1.1", "2"] as const) {
    assert.equal(await ask(version, { target, fields: ["x-tenant", "red"] }), "denied");
    assert.equal(await ask(version, { target }), "denied");
    assert.equal(await ask(version, { target, fields: ["x-tenant", "blue", "x-tenant", "red"] }), "field-twice");
    assert.equal(await ask(version, { target: "/", fields: ["x-tenant", "blue", "x-tenant", "blue"] }), "field-twice");
    assert.equal(await ask(version, { target, fields: ["x-tenant", "blue"] }), "ok");
  }
});

test("fields that override the path are refused where policies name paths", async () => {
  for (const name of ["x-original-url", "x-rewrite-url", "x-http-method-override", "x-http-method"]) {
    await refused(name, { fields: [name, "/admin"] });
  }
});

test("an answer of the backend cannot say what is ours to say, nor take fields away", async () => {
  const said = "x-forwarded-client-cert: a\r\nl5d-x: 1\r\nx-hop: 1\r\nconnection: x-hop\r\nset-cookie: a=b\r\n";
  await using other = await startHttp(answering(`HTTP/1.1 200 OK\r\n${said}content-length: 2\r\n\r\nok`));
  const client = await other.client();
  client.socket.write("GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n");
  await until(() => client.text.endsWith("\r\n\r\nok"), "the answer");
  assert.deepEqual(client.text.split("\r\n").slice(1, 3), ["set-cookie: a=b", "content-length: 2"]);
  for (const field of ["x_forwarded_for: 1", "connection: set-cookie", "connection: a b"]) {
    await using bad = await startHttp(answering(`HTTP/1.1 200 OK\r\n${field}\r\ncontent-length: 2\r\n\r\nok`));
    const victim = await bad.client();
    victim.socket.write("GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n");
    await until(() => victim.ended || victim.closed !== "no", "the end");
    assert.match(victim.text, /^HTTP\/1\.1 502 /, field);
  }
});

test("early hints cannot say what is ours to say, nor take fields away", async () => {
  const ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
  const said = "x-forwarded-client-cert: a\r\nl5d-x: 1\r\nconnection: x-hop\r\nx-hop: 1\r\nlink: </a>\r\n";
  await using other = await startHttp(answering(`HTTP/1.1 103 \r\n${said}\r\n${ok}`));
  const client = await other.client();
  client.socket.write("GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n");
  await until(() => client.text.endsWith("\r\n\r\nok"), "the answer");
  assert.equal(client.text, `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${ok}`);
  await using bad = await startHttp(answering(`HTTP/1.1 103 \r\nx_forwarded_for: 1\r\n\r\n${ok}`));
  const victim = await bad.client();
  victim.socket.write("GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n");
  await until(() => victim.ended || victim.closed !== "no", "the end");
  assert.match(victim.text, /^HTTP\/1\.1 502 /);
});

test("HTTP/2's cookie comes to an HTTP/1.1 backend in one piece, and host beside :authority only where it says the same", async () => {
  const crumbs = ["cookie", "a=b", "x-a", "1", "cookie", "c=d", "host", "SHOP.test.:443"];
  assert.equal(await ask("2", { fields: crumbs }), "ok");
  const lines = lastReceived().filter((line) => /^(?:cookie|host):/.test(line));
  assert.deepEqual(lines, ["host: shop.test", "cookie: a=b; c=d"]);
  await refused("another host", { fields: ["host", "admin.test"] }, ["2"]);
  await refused("two hosts", { fields: ["host", "shop.test", "host", "shop.test"] }, ["1.1", "2"]);
});

test("a request id that would forge a log line is replaced, and the log has the one that the backend got", async () => {
  const replaced = () => http.proxy.observer.counted("request-id-replaced");
  const before = replaced();
  for (const version of ["1.1", "2"] as const) {
    for (const id of ['a","level":"error', "a b", "x".repeat(129), "\u00e4", "<script>"]) {
      assert.equal(await ask(version, { fields: ["x-request-id", id] }), "ok");
      const ids = lastReceived().filter((line) => line.startsWith("x-request-id: "));
      assert.equal(ids.length, 1);
      assert.match(ids[0] ?? "", /^x-request-id: [0-9a-f-]{36}$/);
      assert.equal(ids[0]?.slice(14), http.proxy.observer.exchanges.at(-1)?.requestId);
    }
  }
  assert.equal(replaced() - before, 10);
});

test("of any mixture of fields the backend gets what the specification leaves, in order, then what is ours, or nothing", async () => {
  const options = { named: ["x-tenant"], namesTargets: true, allowUnderscores: false };
  let kept = 0;
  await fc.assert(
    fc.asyncProperty(anyFields(), async (pairs) => {
      const answer = await ask("1.1", { fields: pairs.flat() });
      const expected = naiveFields(pairs, options);
      const [start, host, ...lines] = lastReceived();
      if (expected === undefined) {
        assert.notEqual(answer, "ok");
        assert.equal(start, undefined);
        return;
      }
      kept += 1;
      assert.deepEqual([answer, start, host], ["ok", "GET / HTTP/1.1", "host: shop.test"]);
      const ours = lines.slice(expected.length);
      assert.deepEqual(
        lines.slice(0, expected.length),
        expected.map(([name, value]) => `${name}: ${value}`),
      );
      const added = ours.map((line) => line.slice(0, line.indexOf(":")));
      const begun = ["x-request-id", "traceparent"].filter((name) => expected.every((pair) => pair[0] !== name));
      assert.deepEqual(added, ["x-number", ...begun, "x-forwarded-client-cert", "via"]);
    }),
    { numRuns: 100 },
  );
  assert.ok(kept > 5, `${kept} were kept: nothing was tried`);
});

test("every request that got to the backend was answered by it, and none beside those that we sent", () => {
  const numbers = received().map((lines) => lines.filter((line) => line.startsWith("x-number: ")));
  assert.ok(numbers.length > 20);
  assert.ok(numbers.every((found) => found.length === 1));
  assert.equal(new Set(numbers.flat()).size, numbers.length);
});
