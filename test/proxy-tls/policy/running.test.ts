// The running proxy, its log, `proxy explain` and the bytes at the backend agree about every request, while policies change from one
// request to the next.
import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import fc from "fast-check";
import type { InboundConfig } from "../../../src/proxy-tls/config/index.ts";
import type { ExchangeRecord } from "../../../src/proxy-tls/observe/records.ts";
import type { HttpPolicyInput } from "../../../src/proxy-tls/policy/decision.ts";
import { explainRequest, type RequestText } from "../../../src/proxy-tls/policy/explain-request.ts";
import { parsePolicies } from "../../../src/proxy-tls/policy/parse.ts";
import { SpiffeId } from "../../../src/spiffe/index.ts";
import { until } from "../../tls/support/endpoints.ts";
import { anyPolicies } from "../support/any-policies.ts";
import { answering, inboundHttp, OK } from "../support/http.ts";
import { type NaivePolicy, naiveDecision } from "../support/naive-policies.ts";
import { inboundTcp, proxyConfig, startProxy, type TestProxy, world } from "../support/proxy.ts";
import { type Backend, connectClient, type End, startBackend, startEcho } from "../support/sockets.ts";
import { TestDomain } from "../support/state.ts";

const one = new TestDomain("one.test");
const LISTENER = { name: "web" };
/** So that each outcome comes up among policies of chance. */
const ALWAYS: readonly NaivePolicy[] = [
  { name: "zz", action: "allow", rules: [{ to: { methods: ["GET"] } }] },
  { name: "zy", action: "deny", rules: [{ to: { paths: ["/a/b/**"] } }] },
];

const CONNECTION_POLICIES: readonly NaivePolicy[] = [
  { name: "zz", action: "allow", rules: [{ from: { ids: ["spiffe://one.test/a/**"] } }] },
];

const anyRequest: fc.Arbitrary<RequestText> = fc.record({
  method: fc.constantFrom("GET", "GET", "POST", "DELETE", "TRACE", "get"),
  host: fc.constantFrom(
    "a.test",
    "a.test",
    "B.A.Test.",
    "ab.test:443",
    "a.test:8443",
    "b.test:80",
    "a..test",
    "a.test:",
  ),
  path: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom("/", "/a", "/a/", "/a/b", "/ab", "/a/b/c?d=/../e", "/b/a", "/a/xb", "/%C3%A9"),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom("/x/../a", "//a", "/%61", "/a%2fb", "/a;b", "/a%00", "/%C3", "http://a.test/"),
    },
  ),
  headers: fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom("x-a: 1", "X-A: 2", "x-b:1", "x-b: 1,2", "x-c: 1", "user-agent: x") },
      { weight: 1, arbitrary: fc.constantFrom("x_a: 1", "connection: x-a", "x-original-url: /a", "x-a : 1", "x.b: 2") },
    ),
    { maxLength: 3 },
  ),
});

interface World {
  readonly proxy: TestProxy;
  readonly backend: Backend;
  /** Every head that the backend has got, in the order of their arrival, in latin1. */
  readonly heads: readonly string[];
  [Symbol.asyncDispose](): Promise<void>;
}

async function startWorld(): Promise<World> {
  const heads: string[] = [];
  const answer = answering(OK);
  const backend = await startBackend((end) => {
    let count = 0;
    end.socket.on("data", () => {
      const all = end.text.split("\r\n\r\n").slice(0, -1);
      heads.push(...all.slice(count));
      count = all.length;
    });
    answer(end);
  });
  const listeners = [inboundHttp(backend.port, {}, LISTENER)];
  const proxy = await startProxy({ listeners, trust: [world.trust(), one.trust()] });
  return {
    ...{ proxy, backend, heads },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
    },
  };
}

/** What policies look at, read from the bytes of a head and by none of our code. */
function inputOf(head: string): HttpPolicyInput {
  const [start = "", ...lines] = head.split("\r\n");
  const [method = "", target = ""] = start.split(" ");
  const pairs = lines.map((line) => [
    line.slice(0, line.indexOf(":")).toLowerCase(),
    line.slice(line.indexOf(":") + 1).trim(),
  ]);
  const authority = pairs.find(([name]) => name === "host")?.[1] ?? "";
  const path = decodeURIComponent(target.split("?")[0] ?? "");
  return { method, authority, path, fields: pairs.filter(([name]) => name !== "host").flat() as string[] };
}

test("what is explained, what is done, what is logged and what the backend got are one decision", async () => {
  await using running = await startWorld();
  const { proxy, backend, heads } = running;
  const { listeners } = proxyConfig([inboundHttp(backend.port, {}, LISTENER)]);
  const clients = new Map<string, End<TLSSocket>>();
  const seen = new Set<string>();

  async function send(path: string, { method, path: target, host, headers }: RequestText): Promise<ExchangeRecord> {
    const known = clients.get(path);
    const usable = known !== undefined && !known.ended && known.closed === "no";
    const client = usable ? known : await connectClient(proxy.port("web"), one.identity(path), { alpn: ["http/1.1"] });
    clients.set(path, client);
    const [before, sent] = [proxy.observer.exchanges.length, heads.length];
    client.socket.write(
      `${[`${method} ${target} HTTP/1.1`, `host: ${host}`, ...headers].join("\r\n")}\r\n\r\n`,
      "latin1",
    );
    await until(() => proxy.observer.exchanges.length > before || client.ended, "the record");
    const record = proxy.observer.exchanges[before];
    if (record === undefined) {
      // The proxy was ending the connection, over which the policies before allowed nothing, when the request was sent: clients ask anew.
      assert(usable, "a new connection ended without a record");
      assert.equal(heads.length, sent, "the backend got what no record tells of");
      client.socket.destroy();
      clients.delete(path);
      return send(path, { method, path: target, host, headers });
    }
    if (record.refusal !== undefined) {
      await client.whenEnded();
      client.socket.destroy();
      clients.delete(path);
    }
    return record;
  }

  async function check(policies: readonly NaivePolicy[], path: string, request: RequestText): Promise<void> {
    proxy.setPolicies(policies);
    const sent = heads.length;
    const record = await send(path, request);
    const connection = {
      ...{ listener: "web", principal: SpiffeId.parse(`spiffe://one.test${path}`) },
      ...{ sourceAddress: "127.0.0.1", port: proxy.port("web") },
    };
    const answer = explainRequest(parsePolicies({ policies }), listeners[0] as InboundConfig, connection, request);
    const got = heads.slice(sent);
    if (answer.kind === "refused") {
      assert.deepEqual(record.refusal, answer.refusal);
      assert.equal(record.decision, undefined);
      assert.deepEqual(got, []);
      seen.add("refused");
      return;
    }
    assert.deepEqual(record.decision, answer.explanation.decision);
    seen.add(answer.explanation.decision.reason);
    if (answer.explanation.decision.effect === "deny") {
      assert.equal(record.status, 403);
      assert.deepEqual(got, []);
      return;
    }
    assert.equal(record.status, 200);
    assert.equal(got.length, 1);
    assert.deepEqual(record.decision, naiveDecision(policies, { ...connection, http: inputOf(got[0] ?? "") }));
  }

  await fc.assert(
    fc.asyncProperty(
      anyPolicies().map((policies) => [...policies, ...ALWAYS]),
      fc.constantFrom("/a", "/a/b", "/ab"),
      fc.array(anyRequest, { minLength: 2, maxLength: 4 }),
      async (policies, path, requests) => {
        for (const request of requests) await check(policies, path, request);
      },
    ),
    { numRuns: 50 },
  );
  for (const client of clients.values()) client.socket.destroy();
  assert.deepEqual([...seen].sort(), ["allowed", "default-deny", "denied", "refused"]);
});

test("HTTP/2 is decided on what the backend gets in HTTP/1.1", async () => {
  await using running = await startWorld();
  const { proxy, heads } = running;
  const identity = one.identity("/a/b");
  const connection = {
    ...{ listener: "web", principal: SpiffeId.parse("spiffe://one.test/a/b") },
    ...{ sourceAddress: "127.0.0.1", port: proxy.port("web") },
  };
  const anyH2 = fc.record({
    ":method": fc.constantFrom("GET", "POST"),
    ":path": fc.constantFrom("/", "/a", "/a/b?c=d", "/%C3%A9", "/a/xb"),
    ":authority": fc.constantFrom("a.test", "B.A.Test", "a.test:8443"),
    "x-a": fc.constantFrom("1", "2"),
  });
  await fc.assert(
    fc.asyncProperty(anyPolicies(), anyH2, async (policies, headers) => {
      proxy.setPolicies([...policies, ...ALWAYS]);
      const sent = heads.length;
      const before = proxy.observer.exchanges.length;
      // A connection over which the policies before allowed nothing is being drained.
      const client = await connectClient(proxy.port("web"), identity, { alpn: ["h2"] });
      const session = connectHttp2("https://a.test", { createConnection: () => client.socket });
      session.on("error", () => {});
      const stream = session.request(headers, { endStream: true });
      stream.on("error", () => {});
      stream.resume();
      await until(() => proxy.observer.exchanges.length > before, "the record");
      session.destroy();
      const record = proxy.observer.exchanges[before];
      const [got] = heads.slice(sent);
      assert.equal(got !== undefined, record?.decision?.effect === "allow");
      if (got !== undefined)
        assert.deepEqual(
          record?.decision,
          naiveDecision([...policies, ...ALWAYS], { ...connection, http: inputOf(got) }),
        );
    }),
    { numRuns: 60 },
  );
});

test("a tcp connection is decided as it is explained, and a denied one never reaches the backend", async () => {
  await using backend = await startEcho();
  const listeners = [inboundTcp(backend.port, LISTENER)];
  await using proxy = await startProxy({ listeners, trust: [world.trust(), one.trust()] });
  const [web] = proxyConfig(listeners).listeners;
  const effects = new Set<string>();
  await fc.assert(
    fc.asyncProperty(anyPolicies(), fc.constantFrom("/a", "/a/b", "/ab"), async (chance, path) => {
      const policies = [...chance, ...CONNECTION_POLICIES];
      proxy.setPolicies(policies);
      const [connections, reached] = [proxy.observer.connections.length, backend.ends.length];
      const client = await connectClient(proxy.port("web"), one.identity(path));
      client.socket.end("x");
      await until(() => proxy.observer.connections.length > connections, "the record");
      const record = proxy.observer.connections[connections];
      const connection = {
        ...{ listener: "web", principal: SpiffeId.parse(`spiffe://one.test${path}`) },
        ...{ sourceAddress: "127.0.0.1", port: proxy.port("web") },
      };
      const answer = explainRequest(parsePolicies({ policies }), web as InboundConfig, connection, undefined);
      assert(answer.kind === "decided");
      assert.deepEqual(record?.decision, answer.explanation.decision);
      const allowed = record?.decision?.effect === "allow";
      assert.equal(backend.ends.length > reached, allowed);
      effects.add(String(record?.decision?.effect));
      client.socket.destroy();
    }),
    { numRuns: 60 },
  );
  assert.equal(effects.size, 2);
});
