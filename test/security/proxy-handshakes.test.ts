// Bug class: a handshake that says strange things. What is asked for by ALPN decides alone which protocol is spoken, hostile names neither
// throw nor choose anything, and nobody comes back by a session or a second handshake, whatever version of TLS is allowed.
import assert from "node:assert/strict";
import { connect as tcpConnect } from "node:net";
import { Duplex } from "node:stream";
import { after, before, describe, test } from "node:test";
import { type ConnectionOptions, connect } from "node:tls";
import { answering, GET, inboundHttp, OK } from "../proxy-tls/support/http.ts";
import { ALLOW_ALL, inboundTcp, startProxy, type TestProxy, world } from "../proxy-tls/support/proxy.ts";
import { type Backend, connectClient, type End, startBackend } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

const identity = world.identity("/client");
const TLS12: ConnectionOptions = { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" };

let backend: Backend;
let proxy: TestProxy;

before(async () => {
  backend = await startBackend(answering(OK));
  const relaxed = { minTlsVersion: "1.2" };
  proxy = await startProxy({
    listeners: [
      inboundHttp(backend.port, {}, relaxed),
      inboundTcp(backend.port, { name: "bytes", ...relaxed }),
      inboundHttp(backend.port, {}, { name: "strict", hosts: [{ names: ["service.test"] }] }),
    ],
    policies: [ALLOW_ALL],
  });
});
after(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

/** Asks over a connection, in HTTP/1.1. */
async function served(end: End): Promise<boolean> {
  end.socket.write(GET);
  await until(() => end.text.endsWith("ok") || end.ended || end.closed !== "no", "an answer");
  return end.text.startsWith("HTTP/1.1 200 ");
}

describe("ALPN", () => {
  for (const [alpn, chosen] of [
    [[], false],
    [["http/1.1"], "http/1.1"],
    [["http/1.1", "h2"], "h2"],
    [["spdy/3", "http/1.1"], "http/1.1"],
    [["x".repeat(255), "http/1.1"], "http/1.1"],
    [["http/1.1\0", "h2\0", "http/1.1"], "http/1.1"],
  ] as const) {
    test(`${JSON.stringify(alpn).slice(0, 60)}: ${chosen}`, async () => {
      const end = await connectClient(proxy.port("in"), identity, { alpn });
      assert.equal(end.socket.alpnProtocol, chosen);
      if (chosen !== "h2") assert.equal(await served(end), true);
      end.socket.destroy();
    });
  }

  for (const alpn of ["h2c", "H2", "HTTP/1.1", "http/1.0", "http/1.1 ", "h2\0", "\u00ff", "ftp", "acme-tls/1"]) {
    test(`${JSON.stringify(alpn)} alone is refused in the handshake`, async () => {
      await assert.rejects(connectClient(proxy.port("in"), identity, { alpn: [alpn] }), {
        code: "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
      });
    });
  }

  test("without it HTTP/2 is not guessed from its preface: it is a bad request line", async () => {
    const end = await connectClient(proxy.port("in"), identity);
    end.socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    await end.whenEnded();
    assert.match(end.text, /^HTTP\/1\.1 (?:400|405|505) /);
    end.socket.destroy();
  });

  test("means nothing to a tcp listener", async () => {
    for (const alpn of [["h2"], ["ftp"], []]) {
      const end = await connectClient(proxy.port("bytes"), identity, { alpn });
      assert.equal(end.socket.alpnProtocol, false);
      assert.equal(await served(end), true);
      end.socket.destroy();
    }
  });
});

test("A PROXY header before the handshake is no handshake: nobody is let in by the address that it says", async () => {
  for (const header of [
    "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n",
    `\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c${"\x7f".repeat(12)}`,
  ]) {
    for (const listener of ["in", "bytes"]) {
      const refused = proxy.plane.counts().find((counts) => counts.listener === listener)?.refused;
      const before = refused?.get("MCA_TLS_HANDSHAKE_FAILED") ?? 0;
      const raw = tcpConnect({ host: "127.0.0.1", port: proxy.port(listener) });
      raw.on("error", () => {});
      raw.write(Buffer.concat([Buffer.from(header, "latin1"), await clientHello("service.test")]));
      raw.resume();
      await new Promise((resolve) => raw.once("close", resolve));
      assert.equal(refused?.get("MCA_TLS_HANDSHAKE_FAILED"), before + 1);
    }
  }
});

/** The first bytes of a client with this server name. */
function clientHello(servername: string): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk);
        done();
      },
    });
    const socket = connect({ socket: wire, servername, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
    socket.on("error", () => {});
  });
}

describe("A server name", () => {
  const NAME = "service.test";
  for (const name of [
    ...[
      "service.tes\0",
      "\0ervice.test",
      "service\0test",
      "service.tes\n",
      "            ",
      "............",
      "service..tes",
    ],
    ...["\u00ff\u00fe\u0080\u0081vice.test", "../../passwd", "*.rvice.test", "[::ffff:::1]", "service.test"],
  ]) {
    test(`${JSON.stringify(name)} throws nowhere, and a good client is served`, async () => {
      const hello = await clientHello(NAME);
      const at = hello.indexOf(NAME, 0, "latin1");
      assert.ok(at > 0);
      hello.write(name, at, NAME.length, "latin1");
      for (const listener of ["in", "strict"]) {
        const raw = tcpConnect({ host: "127.0.0.1", port: proxy.port(listener) });
        const told = new Promise<Buffer>((resolve, reject) => raw.once("data", resolve).once("error", reject));
        raw.write(hello);
        // An alert, or the server's half of the handshake; never silence, never the end of the process.
        assert.ok([0x15, 0x16].includes((await told)[0] ?? 0));
        raw.destroy();
      }
      const end = await connectClient(proxy.port("strict"), identity, { tls: { servername: NAME } });
      assert.equal(await served(end), true);
      end.socket.destroy();
      assert.deepEqual(
        proxy.log.lines.filter(({ level }) => level === "error"),
        [],
      );
    });
  }

  test("as long as TLS lets it be is one like others", async () => {
    const servername = `${"a.".repeat(126)}a`;
    const end = await connectClient(proxy.port("in"), identity, { tls: { servername } });
    assert.equal(await served(end), true);
    end.socket.destroy();
  });
});

for (const [version, tls] of [
  ["TLS 1.2", TLS12],
  ["TLS 1.3", { minVersion: "TLSv1.3" }],
] as const) {
  for (const listener of ["in", "bytes"]) {
    test(`${version}: neither a ticket nor a session's id resumes at the listener "${listener}"`, async () => {
      const sessions: Buffer[] = [];
      const first = await connectClient(proxy.port(listener), identity, { tls });
      first.socket.on("session", (session: Buffer) => sessions.push(session));
      assert.equal(first.socket.getProtocol(), version.replace(" ", "v"));
      assert.equal(await served(first), true);
      if (version === "TLS 1.2") assert.equal(first.socket.getTLSTicket(), undefined);
      const present = first.socket.getSession();
      if (present !== undefined) sessions.push(present);
      first.socket.destroy();
      assert.ok(sessions.length > 0, "there is something to offer");
      for (const session of sessions) {
        const again = await connectClient(proxy.port(listener), identity, { tls: { ...tls, session } });
        assert.equal(await served(again), true);
        assert.equal(again.socket.isSessionReused(), false);
        again.socket.destroy();
      }
    });
  }
}

test("TLS 1.2: who asks for a second handshake on a connection does not get it", async () => {
  for (const listener of ["in", "bytes"]) {
    const end = await connectClient(proxy.port(listener), identity, { tls: TLS12 });
    assert.equal(await served(end), true);
    const refused = new Promise<Error | null>((resolve) => {
      end.socket.renegotiate({ rejectUnauthorized: false }, resolve);
      end.socket.once("error", resolve);
      end.socket.once("close", () => resolve(new Error("closed")));
    });
    assert.ok((await refused) instanceof Error);
    end.socket.destroy();
  }
});
