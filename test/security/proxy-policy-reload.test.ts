// Policies that change while the proxy works: nobody gets through by the old ones, half of the new ones, or a connection that is open.
import assert from "node:assert/strict";
import { connect } from "node:http2";
import { test } from "node:test";
import { answering, GET, OK, startHttp } from "../proxy-tls/support/http.ts";
import { ALLOW_ALL, world } from "../proxy-tls/support/proxy.ts";
import { connectClient } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

const READ_ONLY = { name: "read", action: "allow", rules: [{ to: { methods: ["GET"] } }] };
const NO_SECRETS = { name: "no-secrets", action: "deny", rules: [{ to: { paths: ["/secret/**"] } }] };

const request = (path: string, fields = "", method = "GET"): string =>
  `${method} ${path} HTTP/1.1\r\nhost: service.test\r\n${fields}\r\n`;

test("a request that is under way is ended when it is no longer allowed; those that are, go on", async () => {
  await using http = await startHttp(() => {});
  const [denied, allowed] = [await http.client("/denied"), await http.client("/allowed")];
  denied.socket.write(request("/secret/plan"));
  allowed.socket.write(request("/open"));
  await until(
    () => http.backend.ends.length === 2 && http.backend.ends.every(({ length }) => length > 0),
    "both requests",
  );
  http.proxy.setPolicies([ALLOW_ALL, NO_SECRETS]);
  await denied.whenEnded();
  assert.match(denied.text, /^HTTP\/1\.1 403 .*MCA_PROXY_DENIED/s);
  const [plan, open] = ["/secret/plan", "/open"].map((path) =>
    http.backend.ends.find(({ text }) => text.includes(path)),
  );
  await plan?.whenEnded();
  open?.socket.write(OK);
  assert.match(await allowed.receive(OK.length), /^HTTP\/1\.1 200 /);
  const record = http.proxy.observer.exchanges.find(({ target }) => target === "/secret/plan");
  assert.deepEqual([record?.decision?.policy, record?.status], ["no-secrets", 403]);
});

test("a response that has begun is cut off, and cannot be taken for a whole one", async () => {
  await using http = await startHttp((end) => {
    end.socket.on("data", () => end.socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsecret"));
  });
  const client = await http.client();
  client.socket.write(request("/secret/plan"));
  await until(() => client.text.endsWith("secret"), "the beginning");
  http.proxy.setPolicies([ALLOW_ALL, NO_SECRETS]);
  await client.whenClosed();
  assert.doesNotMatch(client.text, /403|\r\n0\r\n/);
  const [record] = http.proxy.observer.exchanges;
  assert.equal(record?.decision?.policy, "no-secrets");
});

test("an idle connection is closed when nothing is allowed over it any more, and lives while something is", async () => {
  await using http = await startHttp(answering(OK));
  const [gone, stays] = [await http.client("/gone"), await http.client("/stays")];
  for (const client of [gone, stays]) {
    client.socket.write(GET);
    await until(() => client.text.endsWith("ok"), "an answer");
  }
  const rules = [{ from: { ids: ["spiffe://example.test/stays"] }, to: { paths: ["/other"] } }];
  http.proxy.setPolicies([{ name: "some", action: "allow", rules }]);
  await gone.whenEnded();
  assert.doesNotMatch(gone.text, /403/);
  stays.socket.write(request("/other"));
  await until(() => stays.text.match(/ok/g)?.length === 2, "another answer");
});

test("HTTP/2: the session of whom nothing is allowed any more is told to go away", async () => {
  await using http = await startHttp(answering(OK));
  const client = await connectClient(http.proxy.port("in"), world.identity("/client"), { alpn: ["h2"] });
  const session = connect("https://service.test", { createConnection: () => client.socket });
  session.on("error", () => {});
  let goneAway = false;
  session.on("goaway", () => {
    goneAway = true;
  });
  const stream = session.request({ ":path": "/" });
  stream.resume();
  await new Promise((resolve) => stream.once("end", resolve));
  http.proxy.setPolicies([]);
  await until(() => goneAway, "GOAWAY");
  session.destroy();
});

test("HTTP/2: the stream that is no longer allowed ends, the others of its session go on", async () => {
  await using http = await startHttp(() => {});
  const client = await connectClient(http.proxy.port("in"), world.identity("/client"), { alpn: ["h2"] });
  const session = connect("https://service.test", { createConnection: () => client.socket });
  session.on("error", () => {});
  const ask = (path: string): Promise<number> =>
    new Promise((resolve) => {
      const stream = session.request({ ":path": path });
      stream.on("error", () => resolve(0));
      stream.on("response", (headers) => resolve(headers[":status"] ?? 0));
      stream.resume();
    });
  const [denied, allowed] = [ask("/secret/plan"), ask("/open")];
  const heads = (): string => http.backend.ends.map(({ text }) => text).join("");
  await until(() => heads().includes("/secret/plan") && heads().includes("/open"), "both requests");
  http.proxy.setPolicies([ALLOW_ALL, NO_SECRETS]);
  assert.equal(await denied, 403);
  http.backend.ends.find(({ text }) => text.includes("/open"))?.socket.write(OK);
  assert.equal(await allowed, 200);
  assert.equal(await ask("/secret/other"), 403);
  session.destroy();
});

test("HTTP/2: a response that has begun is cut off by a reset of its stream, and of no other", async () => {
  await using http = await startHttp((end) => {
    end.socket.once("data", () => end.socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsecret"));
  });
  const client = await connectClient(http.proxy.port("in"), world.identity("/client"), { alpn: ["h2"] });
  const session = connect("https://service.test", { createConnection: () => client.socket });
  session.on("error", () => {});
  const ask = async (path: string) => {
    const stream = session.request({ ":path": path });
    stream.on("error", () => {});
    let text = "";
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    await until(() => text === "secret", "the beginning");
    return { stream, text: () => text };
  };
  const [denied, allowed] = [await ask("/secret/plan"), await ask("/open")];
  http.proxy.setPolicies([ALLOW_ALL, NO_SECRETS]);
  await until(() => denied.stream.closed, "the stream has ended");
  assert.ok(denied.stream.rstCode !== 0, "nobody takes it for a whole one");
  const open = http.backend.ends.find(({ text }) => text.includes("/open"));
  open?.socket.write("x".repeat(94));
  await until(() => allowed.text().length === 100, "the other one goes on");
  session.destroy();
});

test("what the new policies name counts from the next request on, on connections that are open", async () => {
  await using http = await startHttp(answering(OK), { http: { allowUnderscores: true } });
  const naming = {
    ...{ name: "debug", action: "deny" },
    rules: [{ when: { headers: [{ name: "x-debug", present: true, values: ["on"] }] } }],
  };
  for (const [fields, reason] of [
    ["x-debug: off\r\nx-debug: off\r\n", "field-twice"],
    ["x_debug: on\r\n", "field-twin"],
    ["connection: x-debug\r\n", "connection-names-field"],
    ["x-original-url: /secret\r\n", "override"],
  ]) {
    http.proxy.setPolicies([ALLOW_ALL]);
    const client = await http.client();
    client.socket.write(request("/", fields));
    await until(() => client.text.endsWith("ok"), `${reason} by the old policies`);
    http.proxy.setPolicies([ALLOW_ALL, naming, NO_SECRETS]);
    client.socket.write(request("/", fields));
    await client.whenEnded();
    assert.match(client.text, new RegExp(`ok\\S* ?HTTP/1\\.1 400 .*${reason}`, "s"));
  }
});

test("a pipelined request is decided when its turn comes, not when its bytes came", async () => {
  await using http = await startHttp(() => {});
  const client = await http.client();
  client.socket.write(request("/first") + request("/secret/second"));
  const backend = await http.backend.end();
  await until(() => backend.length > 0, "the first request");
  http.proxy.setPolicies([ALLOW_ALL, NO_SECRETS]);
  backend.socket.write(OK);
  await client.whenEnded();
  assert.match(client.text, /^HTTP\/1\.1 200 .*ok.*HTTP\/1\.1 403 /s);
  assert.doesNotMatch(backend.text, /second/);
});

test("whoever waits for 100 Continue is denied without it, and his body is read by nobody", async () => {
  await using http = await startHttp(answering(OK), { policies: [READ_ONLY] });
  const client = await http.client();
  client.socket.write(request("/", "expect: 100-continue\r\ncontent-length: 4\r\n", "POST"));
  await client.whenEnded();
  assert.match(client.text, /^HTTP\/1\.1 403 /);
  assert.doesNotMatch(client.text, /100/);
  assert.equal(http.backend.ends.length, 0);
});

test("policies that come while the proxy drains count for what is still under way", async () => {
  await using http = await startHttp(() => {});
  const [denied, allowed] = [await http.client("/denied"), await http.client("/allowed")];
  denied.socket.write(request("/secret/plan"));
  allowed.socket.write(request("/open"));
  const under = (): boolean => http.backend.ends.length === 2 && http.backend.ends.every(({ length }) => length > 0);
  await until(under, "both requests");
  const drained = http.proxy.plane.drain(5_000);
  http.proxy.setPolicies([ALLOW_ALL, NO_SECRETS]);
  await denied.whenEnded();
  assert.match(denied.text, /^HTTP\/1\.1 403 /);
  http.backend.ends.find(({ text }) => text.includes("/open"))?.socket.write(OK);
  await allowed.whenEnded();
  assert.match(allowed.text, /^HTTP\/1\.1 200 .*connection: close.*ok$/is);
  for (const { socket } of [denied, allowed]) socket.end();
  await drained;
});

test("under load each request is decided by one set of policies, and none fails", async () => {
  await using http = await startHttp(answering(OK));
  const sets = [
    [{ ...ALLOW_ALL, name: "one" }],
    [{ ...ALLOW_ALL, name: "two" }, NO_SECRETS],
    [
      { ...ALLOW_ALL, name: "three" },
      { ...NO_SECRETS, dryRun: true },
    ],
  ];
  let stop = false;
  let answers = 0;
  const statuses = new Set<string>();
  const one = async (path: string): Promise<void> => {
    let client = await http.client(path);
    let seen = 0;
    while (!stop) {
      client.socket.write(request("/secret/plan"));
      const from = seen;
      await until(
        () => client.text.indexOf("\r\n\r\n", from) >= 0 || client.ended || client.closed !== "no",
        "an answer",
      );
      const status = client.text.slice(from, from + 12);
      statuses.add(status);
      answers += 1;
      if (status === "HTTP/1.1 200") {
        await until(() => client.length >= from + OK.length && client.text.endsWith("ok"), "the whole answer");
        seen = client.length;
        continue;
      }
      await client.whenEnded();
      client.socket.destroy();
      client = await http.client(path);
      seen = 0;
    }
  };
  const clients = ["/a", "/b", "/c", "/d"].map(one);
  for (let round = 0; round < 30; round++) {
    http.proxy.setPolicies(sets[round % sets.length] ?? []);
    const before = answers;
    await until(() => answers >= before + 8, "answers by these policies");
  }
  stop = true;
  await Promise.all(clients);
  assert.deepEqual([...statuses].sort(), ["HTTP/1.1 200", "HTTP/1.1 403"]);
  for (const { status, decision, aborted } of http.proxy.observer.exchanges) {
    assert.equal(aborted, undefined);
    const said = `${status} ${decision?.policy} ${decision?.dryRun.length}`;
    assert.match(said, /^(?:200 one 0|403 no-secrets 0|200 three 1)$/);
  }
});
