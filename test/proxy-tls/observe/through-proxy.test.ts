// The access log and the numbers of a whole data plane: each request gives one line, and its decision is the one that was made on the
// bytes that the backend got.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProxyObserver } from "../../../src/proxy-tls/observe/observer.ts";
import { parsePolicies } from "../../../src/proxy-tls/policy/parse.ts";
import { SpiffeId } from "../../../src/spiffe/index.ts";
import { until } from "../../tls/support/endpoints.ts";
import { answering, OK, startHttp } from "../support/http.ts";
import { ALLOW_ALL, inboundTcp, startProxy, world } from "../support/proxy.ts";
import { connectClient, type End, startBackend } from "../support/sockets.ts";
import { TestDomain } from "../support/state.ts";

const POLICIES = [
  {
    name: "clients-read",
    action: "allow",
    rules: [{ from: { ids: ["spiffe://example.test/client"] }, to: { methods: ["GET"] } }],
  },
  { name: "nobody-secret", action: "deny", rules: [{ to: { paths: ["/secret/**"] } }] },
  { name: "watch-items", action: "audit", rules: [{ to: { paths: ["/items/*"] } }] },
  { name: "tomorrow", action: "deny", dryRun: true, rules: [{ to: { paths: ["/items/1"] } }] },
];

function observe() {
  const lines: string[] = [];
  const sink = { lost: 0, line: (line: string) => void lines.push(line) };
  return { lines, observer: new ProxyObserver({ lines: sink, clock: { now: () => 0 } }) };
}

test("each request gives one line; its decision is that of the policies on the head that the backend got", async () => {
  const { lines, observer } = observe();
  await using http = await startHttp(answering(OK), { policies: POLICIES, observer });
  const client = await http.client();
  const requests = ["/items/1?x=%22", "/items/2", "/other"];
  for (const [index, target] of requests.entries()) {
    client.socket.write(`GET ${target} HTTP/1.1\r\nhost: Service.Test\r\n\r\n`);
    await until(() => lines.length === index + 1, "a line");
  }
  const set = parsePolicies({ policies: POLICIES });
  const received = http.backend.ends.flatMap((end) => end.text.split("\r\n\r\n").slice(0, -1));
  assert.equal(received.length, requests.length);
  for (const [index, head] of received.entries()) {
    const [start = "", ...fields] = head.split("\r\n");
    const [method = "", target = ""] = start.split(" ");
    const host = fields.find((field) => field.startsWith("host: "))?.slice(6) ?? "";
    const line = JSON.parse(lines[index] ?? "");
    const decided = set.decide({
      principal: SpiffeId.parse("spiffe://example.test/client"),
      ...{ listener: "in", sourceAddress: "127.0.0.1", port: http.proxy.port("in") },
      http: { method, authority: host, path: target.split("?")[0] ?? "", fields: [] },
    });
    assert.deepEqual(line.decision, JSON.parse(JSON.stringify(decided)));
    assert.equal(line.target, target);
    assert.equal(line.authority, host);
    assert.equal(line.status, 200);
    assert.equal(line.peer, "spiffe://example.test/client");
    assert.equal(line.responseBytes, 2);
    assert.equal(head.includes(`x-request-id: ${line.requestId}`), true, "the id in the line is the one that was sent");
    assert.equal(head.includes(`traceparent: 00-${line.traceId}-`), true);
    assert.ok(line.addedMs >= 0 && line.addedMs <= line.durationMs);
  }
  assert.deepEqual(
    lines.map((line) => [JSON.parse(line).decision.dryRun.length, JSON.parse(line).decision.audit.length]),
    [
      [1, 1],
      [0, 1],
      [0, 0],
    ],
  );
});

test("a denied request's line names the policy; what the caller gets names none", async () => {
  const { lines, observer } = observe();
  await using http = await startHttp(answering(OK), { policies: POLICIES, observer });
  const client = await http.client();
  client.socket.write("GET /secret/x HTTP/1.1\r\nhost: service.test\r\n\r\n");
  await until(() => client.ended || client.closed !== "no", "the end");
  assert.match(client.text, /^HTTP\/1\.1 403 /);
  assert.match(client.text, /MCA_PROXY_DENIED/);
  assert.doesNotMatch(client.text, /nobody-secret|clients-read/);
  assert.equal(lines.length, 1);
  const line = JSON.parse(lines[0] ?? "");
  assert.deepEqual(line.decision, {
    effect: "deny",
    policy: "nobody-secret",
    rule: 0,
    reason: "denied",
    dryRun: [],
    audit: [],
  });
  assert.equal(line.refusal.code, "MCA_PROXY_DENIED");
  assert.equal(http.backend.ends.length, 0);
});

test("ends that race, from every side at once, give one line for each request", async () => {
  const { lines, observer } = observe();
  const half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
  await using http = await startHttp(({ socket }) => socket.on("data", () => socket.write(half)), { observer });
  const ways: readonly ((client: End, backend: End) => void)[] = [
    (client) => client.reset(),
    (_client, backend) => backend.reset(),
    (client, backend) => {
      client.reset();
      backend.reset();
    },
    (client, backend) => {
      http.proxy.setPolicies([]);
      client.reset();
      backend.socket.end("more!!");
    },
    (client, backend) => {
      backend.socket.end("more!!and too much");
      http.proxy.setPolicies([]);
      client.socket.end();
    },
  ];
  for (const [index, end] of ways.entries()) {
    http.proxy.setPolicies([ALLOW_ALL]);
    const client = await http.client();
    client.socket.write("POST /up HTTP/1.1\r\nhost: service.test\r\ncontent-length: 9\r\n\r\nhalf");
    await until(() => client.text.includes("half"), "half of the response");
    const backend = http.backend.ends.at(-1);
    assert.ok(backend);
    end(client, backend);
    await until(() => lines.length > index, `line ${index}`);
    await until(() => client.closed !== "no" && (backend.ended || backend.closed !== "no"), "both are told");
  }
  assert.equal(lines.length, ways.length);
  const open = () => http.proxy.plane.counts()[0];
  await until(() => open()?.connections === 0 && open()?.upstreamConnections === 0, "nothing is open");
  assert.equal(open()?.exchanges, 0);
});

test("heads that are refused give one harmless line each, whatever is in them", async () => {
  const { lines, observer } = observe();
  await using http = await startHttp(answering(OK), { policies: POLICIES, observer });
  const hostile = [
    'GET /a"b HTTP/1.1\r\nhost: service.test\r\n\r\n',
    "GET /\u001b[2J HTTP/1.1\r\nhost: service.test\r\n\r\n",
    "GET /\u00e9\u009b HTTP/1.1\r\nhost: service.test\r\n\r\n",
    "GET /x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    'GET /x HTTP/1.1\r\nhost: "},{"\r\n\r\n',
    `GET /${"a".repeat(40_000)} HTTP/1.1\r\nhost: service.test\r\n\r\n`,
    "GET /x\nfoo HTTP/1.1\r\n\r\n",
    '{"level":"info"}\n{"level":"info"}\n\n',
  ];
  for (const [index, bytes] of hostile.entries()) {
    const client = await http.client();
    client.socket.write(bytes, "latin1");
    await until(() => lines.length > index, `line ${index}`);
    assert.equal(lines.length, index + 1);
    const line = lines[index] ?? "";
    assert.match(line, /^\{[\x20-\x7e]*\}\n$/);
    assert.ok(line.length <= 4_096);
    const said = JSON.parse(line);
    assert.match(said.refusal.code, /^MCA_PROXY_/);
    assert.equal(said.decision, undefined);
  }
  assert.equal(http.backend.ends.length, 0);
});

test("numbers of a whole data plane: requests, decisions, what is open, and handshakes that were refused", async () => {
  const { observer } = observe();
  await using http = await startHttp(answering(OK), { policies: POLICIES, observer });
  const client = await http.client();
  client.socket.write("GET /items/1 HTTP/1.1\r\nhost: service.test\r\n\r\n");
  await client.receive(10);
  const stranger = new TestDomain("stranger.test").identity("/client");
  await connectClient(http.proxy.port("in"), stranger, { alpn: ["http/1.1"] }).catch(() => {});
  const refused = () =>
    http.proxy.plane.counts().reduce((sum, counts) => sum + [...counts.refused.values()].reduce((a, b) => a + b, 0), 0);
  await until(() => refused() === 1, "the refusal");
  const { counters, gauges } = observer.snapshot(http.proxy.plane.counts());
  const told = [...counters, ...gauges].map(({ metric, labels, value }) => [metric, ...labels, value].join(" "));
  for (const expected of [
    "requests in 1.1 2xx 1",
    "decisions in allow allowed clients-read 1",
    "matches in dry-run deny tomorrow 1",
    "matches in audit audit watch-items 1",
    "events in upstream-connected 1",
    "bytes in sent 2",
    "handshakesRefused in MCA_SVID_UNTRUSTED 1",
    "connections in 1",
    "upstreamConnections in 1",
    "exchanges in 0",
  ]) {
    assert.ok(told.includes(expected), `${expected} is among\n${told.join("\n")}`);
  }
});

test("a tcp connection gives one line at its end, with its decision and what it carried", async () => {
  const { lines, observer } = observe();
  await using backend = await startBackend((end) => end.socket.on("data", () => end.socket.end("pong")));
  const policies = [{ name: "clients", action: "allow", rules: [{ from: { ids: ["spiffe://example.test/client"] } }] }];
  await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)], policies, observer });
  const client = await connectClient(proxy.port("in"), world.identity("/client"));
  client.socket.end("ping");
  await until(() => lines.length > 0, "the line");
  const line = JSON.parse(lines[0] ?? "");
  assert.deepEqual(line.decision, {
    effect: "allow",
    policy: "clients",
    rule: 0,
    reason: "allowed",
    dryRun: [],
    audit: [],
  });
  assert.deepEqual(
    [line.end, line.receivedBytes, line.sentBytes, line.peer],
    ["closed", 4, 4, "spiffe://example.test/client"],
  );
  const denied = await connectClient(proxy.port("in"), world.identity("/other"));
  await until(() => lines.length > 1 && denied.closed !== "no", "the second line");
  assert.equal(lines.length, 2);
  assert.equal(JSON.parse(lines[1] ?? "").decision.reason, "default-deny");
});
