// Bug class: a connection that was let through for one host carries requests for another. Who filters or routes by the name of the TLS
// handshake (SNI) sees that name and nothing else; so a Host outside of what it covers is 421, in both versions of HTTP.
import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { describe, test } from "node:test";
import { ServedHosts } from "../../src/proxy-tls/http/fields/served-hosts.ts";
import { answering, inboundHttp, OK } from "../proxy-tls/support/http.ts";
import { ALLOW_ALL, startProxy, type TestProxy, world } from "../proxy-tls/support/proxy.ts";
import { type Backend, connectClient, connectPlain, startBackend } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

const HOSTS = [
  { names: ["shop.test", "shop", "*.shop.test:8443", "localhost"] },
  { names: ["admin.test", "10.0.0.1", "[::1]:15443"] },
];

interface Served {
  readonly proxy: TestProxy;
  readonly backend: Backend;
  /** The status and reason of a request over HTTP/1.1. */
  ask(host: string, servername?: string): Promise<string>;
  /** The statuses of requests for these hosts on one connection over HTTP/2. */
  askHttp2(hosts: readonly string[], servername?: string): Promise<number[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

async function startServed(hosts: readonly object[] = HOSTS): Promise<Served> {
  const backend = await startBackend(answering(OK));
  const proxy = await startProxy({ listeners: [inboundHttp(backend.port, {}, { hosts })], policies: [ALLOW_ALL] });
  const open = (alpn: string, servername?: string) =>
    connectClient(proxy.port("in"), world.identity("/client"), {
      alpn: [alpn],
      tls: servername === undefined ? {} : { servername },
    });
  return {
    ...{ proxy, backend },
    async ask(host, servername) {
      const client = await open("http/1.1", servername);
      client.socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
      await until(() => /\r\n\r\n(?:ok|\{.*\}\n)$/.test(client.text) || client.ended, "an answer");
      const [, status = "", reason = ""] = /^HTTP\/1\.1 (\d+)(?:[\s\S]*"reason":"([a-z-]+)")?/.exec(client.text) ?? [];
      if (status !== "200") await client.whenEnded();
      client.socket.destroy();
      return `${status} ${reason}`.trimEnd();
    },
    async askHttp2(hosts, servername) {
      const client = await open("h2", servername);
      const session = connectHttp2("https://unused", { createConnection: () => client.socket });
      const statuses: number[] = [];
      for (const host of hosts) {
        const stream = session.request({ ":path": "/", ":authority": host });
        stream.on("response", ({ ":status": status = 0 }) => statuses.push(status));
        stream.resume();
        await new Promise((resolve) => stream.once("close", resolve));
      }
      session.destroy();
      return statuses;
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
    },
  };
}

describe("A client that asked for a host in its handshake", () => {
  test("may name every host of that host's group, with any port that the group allows, and no other", async () => {
    await using served = await startServed();
    for (const host of ["shop.test", "SHOP.test.", "shop.test:443", "shop.test:9", "shop", "a.shop.test:8443"]) {
      for (const name of ["shop.test", "SHOP.TEST", "shop", "a.shop.test"]) {
        assert.equal(await served.ask(host, name), "200", `${name} ${host}`);
      }
    }
    const forwarded = served.backend.ends.length;
    for (const host of ["admin.test", "ADMIN.TEST.:443", "10.0.0.1", "[::1]:15443"]) {
      assert.equal(await served.ask(host, "shop.test"), "421 server-name", host);
    }
    assert.equal(await served.ask("shop.test", "admin.test"), "421 server-name");
    assert.equal(served.backend.ends.length, forwarded, "the application hears nothing of them");
    const last = served.proxy.observer.exchanges.at(-1);
    assert.equal(last?.refusal?.code, "MCA_PROXY_MISDIRECTED");
    assert.equal(last?.decision, undefined, "no policy is asked");
  });

  test("is refused that stream alone over HTTP/2: the others of its connection go on", async () => {
    await using served = await startServed();
    assert.deepEqual(await served.askHttp2(["shop.test", "admin.test", "shop"], "shop.test"), [200, 421, 200]);
    assert.deepEqual(
      served.proxy.observer.exchanges.map(({ refusal }) => refusal?.code),
      [undefined, "MCA_PROXY_MISDIRECTED", undefined],
    );
  });

  test("that is in no group may name nothing", async () => {
    await using served = await startServed();
    for (const name of ["other.test", "xshop.test", "shop.test.evil.test", "b.a.shop.test"]) {
      assert.equal(await served.ask("shop.test", name), "421 server-name", name);
    }
    assert.deepEqual(await served.askHttp2(["shop.test", "admin.test"], "other.test"), [421, 421]);
  });

  test("keeps to it after policies have changed", async () => {
    await using served = await startServed();
    const client = await connectClient(served.proxy.port("in"), world.identity("/client"), {
      alpn: ["http/1.1"],
      tls: { servername: "shop.test" },
    });
    client.socket.write("GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n");
    await until(() => client.text.endsWith("ok"), "the first answer");
    served.proxy.setPolicies([ALLOW_ALL, { name: "x", action: "deny", rules: [{ to: { methods: ["PUT"] } }] }]);
    client.socket.write("GET / HTTP/1.1\r\nhost: admin.test\r\n\r\n");
    await client.whenEnded();
    assert.match(client.text, /HTTP\/1\.1 421 Misdirected Request\r\n[\s\S]*"reason":"server-name"/);
    client.socket.destroy();
  });
});

describe("A client that asked for no host", () => {
  test("as those that dial an address do, may name every host that is served, and no other", async () => {
    await using served = await startServed();
    assert.deepEqual(await served.askHttp2(["shop.test", "admin.test", "10.0.0.1", "other.test"]), [
      ...[200, 200, 200, 421],
    ]);
    assert.equal(await served.ask("admin.test"), "200");
    assert.equal(await served.ask("other.test"), "421 authority");
    assert.equal(await served.ask("a.shop.test"), "421 authority", "the group names another port");
  });
});

test("Where no hosts are named, every Host passes, whatever the client asked for", async () => {
  await using served = await startServed([]);
  for (const name of [undefined, "shop.test", "outbound_.8080_._.shop.prod.svc.cluster.local"]) {
    assert.equal(await served.ask("admin.test", name), "200");
  }
  assert.deepEqual(await served.askHttp2(["a.test", "b.test"], "c.test"), [200, 200]);
});

test("Our own outbound side asks for its target's host, beside whatever Host the application says", async () => {
  for (const [names, status] of [
    [["shop.test", "localhost"], 200],
    [["shop.test"], 421],
  ] as const) {
    await using served = await startServed([{ names: [...names] }]);
    await using near = await startProxy({
      id: "/client",
      listeners: [
        {
          ...{ direction: "outbound", name: "out", protocol: "http", listen: { port: 0 }, authorities: ["shop.test"] },
          targets: [{ host: "localhost", port: served.proxy.port("in") }],
          expect: ["spiffe://example.test/proxy"],
        },
      ],
    });
    const client = await connectPlain({ port: near.port("out") });
    client.socket.write("GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n");
    await client.receive(12);
    assert.match(client.text, new RegExp(`^HTTP/1\\.1 ${status}`));
    client.socket.destroy();
  }
});

test("What is no host covers nothing, however it is written", () => {
  const hosts = ServedHosts.of(HOSTS, () => assert.fail());
  const covers = (name: string | undefined, host = "shop.test"): boolean | undefined =>
    hosts?.coveredBy(name)?.matches(host);
  assert.equal(covers(undefined), undefined, "all that is served");
  for (const name of ["shop.test", "Shop.Test", "shop.test."]) assert.equal(covers(name), true, name);
  for (const name of [
    ...["", ".", "shop.test..", "shop.test:443", "shop.test:8443", "*.shop.test", "*", "shop.test\0", "shop.test\n"],
    ...[" shop.test", "shop.test/", "sh\u00f6p.test", "shop,shop.test", "[::2]", "::1", "%73hop.test", "a".repeat(300)],
  ]) {
    assert.equal(covers(name), false, JSON.stringify(name));
    assert.equal(covers(name, "admin.test"), false, JSON.stringify(name));
  }
  assert.equal(covers("10.0.0.1", "admin.test"), true);
});
