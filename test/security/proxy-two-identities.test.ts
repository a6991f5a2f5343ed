// Callers at the same time, over HTTP/1.1 and HTTP/2: nobody gets another one's verdict, another one's answer, or calls in another one's
// name, whether connections to the target are shared or not.
import assert from "node:assert/strict";
import { type ClientHttp2Session, connect } from "node:http2";
import { test } from "node:test";
import { type HttpWorld, startHttp } from "../proxy-tls/support/http.ts";
import { world } from "../proxy-tls/support/proxy.ts";
import { connectClient, type End } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

const CALLERS = ["a", "b", "c"];
const POLICIES = [
  ...CALLERS.map((name) => ({
    ...{ name, action: "allow" },
    rules: [{ from: { ids: [`spiffe://example.test/${name}`] }, to: { paths: [`/${name}/**`] } }],
  })),
];
const REQUESTS = 40;

/** Answers each request with what it was: its target and the caller that the proxy names. */
function mirror(end: End): void {
  let seen = 0;
  end.socket.on("data", () => {
    for (let at = end.text.indexOf("\r\n\r\n", seen); at >= 0; at = end.text.indexOf("\r\n\r\n", seen)) {
      const head = end.text.slice(seen, at);
      seen = at + 4;
      const caller = /x-forwarded-client-cert: .*URI=([^;,\r]+)/.exec(head)?.[1] ?? "nobody";
      const body = `<${head.split(" ")[1]} by ${caller}>`;
      // Not at once, so that answers overtake each other.
      const delay = seen % 3;
      setTimeout(() => end.socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`), delay);
    }
  });
  end.socket.on("end", () => end.socket.end());
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** What this caller must be answered for that target. */
function expected(caller: string, target: string): Answer {
  const own = target.startsWith(`/${caller}/`);
  return own ? { status: 200, body: `<${target} by spiffe://example.test/${caller}>` } : { status: 403, body: "" };
}

/** Alternately the caller's own and the others' paths. */
function* targets(caller: string): Generator<string> {
  for (let index = 0; index < REQUESTS; index++) {
    yield `/${CALLERS[(CALLERS.indexOf(caller) + (index % 4 === 3 ? 1 : 0)) % CALLERS.length]}/${caller}${index}`;
  }
}

async function overHttp1(http: HttpWorld, caller: string): Promise<void> {
  let client = await http.client(`/${caller}`);
  for (const target of targets(caller)) {
    const from = client.length;
    client.socket.write(`GET ${target} HTTP/1.1\r\nhost: a.test\r\n\r\n`);
    const wanted = expected(caller, target);
    await until(() => client.text.indexOf(">", from) >= 0 || client.ended || client.closed !== "no", "an answer");
    const text = client.text.slice(from);
    assert.equal(text.slice(9, 12), String(wanted.status), target);
    if (wanted.status === 200) assert(text.endsWith(`\r\n\r\n${wanted.body}`), text);
    else {
      client.socket.destroy();
      client = await http.client(`/${caller}`);
    }
  }
}

function ask(session: ClientHttp2Session, target: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":path": target });
    let status = 0;
    let body = "";
    stream.on("response", (headers) => {
      status = headers[":status"] ?? 0;
    });
    stream.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    stream.on("error", reject);
    stream.on("close", () => resolve({ status, body }));
  });
}

async function overHttp2(http: HttpWorld, caller: string): Promise<void> {
  const client = await connectClient(http.proxy.port("in"), world.identity(`/${caller}`), { alpn: ["h2"] });
  const session = connect("https://a.test", { createConnection: () => client.socket });
  session.on("error", () => {});
  // All at once: the streams of one session are of one caller.
  const answers = await Promise.all(
    [...targets(caller)].map(async (target) => ({ target, answer: await ask(session, target) })),
  );
  session.destroy();
  for (const { target, answer } of answers) {
    const wanted = expected(caller, target);
    assert.equal(answer.status, wanted.status, target);
    if (wanted.status === 200) assert.equal(answer.body, wanted.body);
    else assert.match(answer.body, /MCA_PROXY_DENIED/);
  }
}

for (const shareUpstream of [false, true]) {
  test(`verdicts, answers and names of callers never mix${shareUpstream ? ", on shared connections too" : ""}`, async () => {
    await using http = await startHttp(mirror, { policies: POLICIES, http: { shareUpstream } });
    await Promise.all(
      CALLERS.flatMap((caller) => [overHttp1(http, caller), overHttp1(http, caller), overHttp2(http, caller)]),
    );
    const heads = http.backend.ends.flatMap((end) => end.text.split("\r\n\r\n").slice(0, -1));
    assert.equal(heads.length, (CALLERS.length * 3 * REQUESTS * 3) / 4);
    const namesOf = (text: string): Set<string> => new Set(text.match(/URI=[^;,\r]+/g));
    for (const head of heads) {
      const path = /^GET \/([abc])\//.exec(head)?.[1];
      assert.deepEqual([...namesOf(head)], [`URI=spiffe://example.test/${path}`], head);
    }
    // Unless the listener says so, a connection to the target carries one caller.
    const callers = http.backend.ends.map((end) => namesOf(end.text).size);
    assert.equal(Math.max(...callers) > 1, shareUpstream);
    for (const { decision, peer, target, status } of http.proxy.observer.exchanges) {
      const caller = peer?.at(-1) ?? "";
      const wanted = expected(caller, target ?? "");
      assert.deepEqual([status, decision?.policy], [wanted.status, wanted.status === 200 ? caller : undefined]);
    }
  });
}
