// Bug class: what changes under load costs somebody a request. Certificates of both proxies are replaced again and again while calls and a
// large body go through the two of them (plaintext, mutual TLS, plaintext): none fails, no byte is lost, and new handshakes show the new
// certificate at once. And targets that come and go are answered for by us, at once, and served again as soon as they are back.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { answering, GET, inboundHttp, OK, startHttp } from "../proxy-tls/support/http.ts";
import { ALLOW_ALL, startProxy, world } from "../proxy-tls/support/proxy.ts";
import { connectClient, connectPlain, type End, startBackend } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

const ROTATIONS = 10;
/** What node warns of: listeners that pile up on a stream, for one. */
const warnings: string[] = [];
process.on("warning", ({ message }) => warnings.push(message));

/** Calls until it is told to stop, on connections that it keeps. */
async function calling(open: () => Promise<End>, stopped: () => boolean): Promise<number> {
  const client = await open();
  let calls = 0;
  while (!stopped()) {
    calls += 1;
    client.socket.write(GET);
    await until(() => client.length >= calls * OK.length || client.ended || client.closed !== "no", "an answer");
    assert.equal(client.text.slice((calls - 1) * OK.length), OK);
  }
  client.socket.destroy();
  return calls;
}

test("ten new certificates on each side under load: no call fails, no byte of a body is lost", async () => {
  const body = randomBytes(8 * 1024 * 1024);
  const received = createHash("sha256");
  let carried = 0;
  await using backend = await startBackend((end) => {
    let isBody = false;
    end.socket.on("data", (chunk: Buffer) => {
      if (isBody || chunk.includes("PUT /")) {
        const piece = isBody ? chunk : chunk.subarray(chunk.indexOf("\r\n\r\n") + 4);
        isBody = true;
        received.update(piece);
        carried += piece.length;
        if (carried === body.length) end.socket.write(OK);
      } else if (chunk.toString("latin1").endsWith("\r\n\r\n")) end.socket.write(OK);
    });
  });
  await using inner = await startProxy({ listeners: [inboundHttp(backend.port)], policies: [ALLOW_ALL], id: "/inner" });
  await using outer = await startProxy({
    listeners: [
      {
        ...{ direction: "outbound", name: "out", protocol: "http", listen: { port: 0 }, authorities: ["service.test"] },
        targets: [{ host: "127.0.0.1", port: inner.port("in") }],
        expect: ["spiffe://example.test/inner"],
      },
    ],
    id: "/outer",
  });
  const open = (): Promise<End> => connectPlain({ port: outer.port("out") });
  let stopped = false;
  const callers = Array.from({ length: 4 }, () => calling(open, () => stopped));
  const upload = await open();
  upload.socket.write(`PUT / HTTP/1.1\r\nhost: service.test\r\ncontent-length: ${body.length}\r\n\r\n`);
  const piece = body.length / ROTATIONS;
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    upload.socket.write(body.subarray(Math.floor(rotation * piece), Math.floor((rotation + 1) * piece)));
    const inside = world.identity("/inner");
    inner.state.set({ identity: inside });
    outer.state.set({ identity: world.identity("/outer") });
    const fresh = await connectClient(inner.port("in"), world.identity("/client"), { alpn: ["http/1.1"] });
    const shown = fresh.socket.getPeerX509Certificate()?.toString();
    assert.equal(shown?.trim(), inside.certificateChainPem.split(/(?<=-----END CERTIFICATE-----)/)[0]?.trim());
    fresh.socket.destroy();
    await sleep(20);
  }
  await until(() => upload.text === OK || upload.closed !== "no", "the answer to the body");
  stopped = true;
  const calls = await Promise.all(callers);
  assert.ok(Math.min(...calls) >= 1, `${calls}`);
  assert.deepEqual(warnings, []);
  assert.equal(upload.text, OK);
  assert.equal(received.digest("hex"), createHash("sha256").update(body).digest("hex"));
  for (const { status, aborted } of [...inner.observer.exchanges, ...outer.observer.exchanges]) {
    assert.deepEqual([status, aborted], [200, undefined]);
  }
});

test("a target that comes and goes: 503 at once while it is away, served again when it is back, and nothing is left over", async () => {
  await using http = await startHttp(answering(OK));
  const { port } = http.backend;
  const ask = async (): Promise<string> => {
    const client = await http.client();
    client.socket.write(GET);
    await until(() => client.text.includes("\r\n\r\n") || client.closed !== "no", "an answer");
    client.socket.destroy();
    return client.text.slice(9, 12);
  };
  assert.equal(await ask(), "200");
  await http.backend[Symbol.asyncDispose]();
  for (let round = 0; round < 5; round++) {
    assert.equal(await ask(), "503");
    await using back = await startBackend(answering(OK), port);
    assert.equal(await ask(), "200");
    // It goes with connections of ours idle at it.
    assert.ok(back.ends.length > 0);
  }
  assert.equal(await ask(), "503");
  await until(
    () => http.proxy.plane.counts().every(({ upstreamConnections }) => upstreamConnections === 0),
    "no target",
  );
  await until(() => http.proxy.plane.counts().every(({ exchanges }) => exchanges === 0), "no exchange");
});
