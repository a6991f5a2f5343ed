// Trailers through a whole proxy: they come when everything was decided, and many programs merge them into the head. What is not on the
// list goes nowhere, and what only the proxy may say ends the exchange as a broken one.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answering, type HttpWorld, OK, startHttp } from "../proxy-tls/support/http.ts";
import { data, END_STREAM, FrameReader, headers, openingFrames, PREFACE } from "../proxy-tls/support/http2-frames.ts";
import { ALLOW_ALL, world } from "../proxy-tls/support/proxy.ts";
import { connectClient, type End } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

const POST = "POST / HTTP/1.1\r\nhost: shop.test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
const GET = "GET / HTTP/1.1\r\nhost: shop.test\r\nte: trailers\r\n\r\n";
const CHUNKED = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n";
const OURS = [
  "x-forwarded-client-cert: URI=spiffe://example.test/admin",
  "x_forwarded_for: 1",
  "L5d-Client-Id: a",
  "forwarded: for=a",
];

/** A backend that answers once the whole chunked request is there. */
function answeringAtEnd(end: End): void {
  let answered = false;
  end.socket.on("data", () => {
    if (answered || !/\r\n0\r\n(?:[^\r]+\r\n)*\r\n$/.test(end.text)) return;
    answered = true;
    end.socket.write(OK);
  });
}

async function ask(http: HttpWorld, bytes: string): Promise<End> {
  const client = await http.client();
  client.socket.write(bytes, "latin1");
  await until(
    () =>
      client.ended ||
      client.closed !== "no" ||
      /\r\n\r\n(?:ok$|[\s\S]*\r\n0\r\n(?:[^\r]+\r\n)*\r\n$)/.test(client.text),
    "an answer",
  );
  return client;
}

describe("Trailers of a request", () => {
  test("go no further unless the listener names them, and are counted; also one that a policy looks at", async () => {
    const tenant = {
      name: "t",
      action: "deny",
      rules: [{ when: { headers: [{ name: "x-tenant", values: ["red"] }] } }],
    };
    await using http = await startHttp(answeringAtEnd, {
      http: { requestTrailers: ["X-Sum", "x-tenant"] },
      policies: [ALLOW_ALL, tenant],
    });
    const head = POST.replace("\r\n\r\n", "\r\nx-tenant: blue\r\n\r\n");
    const client = await ask(
      http,
      `${head}0\r\nX-Sum: 1\r\nx-other: 2\r\nhost: evil.test\r\ncontent-length: 9\r\nx-tenant: red\r\n\r\n`,
    );
    assert.match(client.text, /^HTTP\/1\.1 200 /);
    const [body] = (await http.backend.end()).text.split("\r\n\r\n").slice(1);
    assert.equal(body, "3\r\nabc\r\n0\r\nx-sum: 1");
    assert.equal(http.proxy.observer.counted("dropped-trailer"), 4);
  });

  test("that are ours to say end the request: the backend never sees it whole", async () => {
    await using http = await startHttp(answeringAtEnd, { http: { requestTrailers: ["x-sum"] } });
    for (const [index, trailer] of OURS.entries()) {
      const client = await http.client();
      client.socket.write(POST);
      const end = await http.backend.end(index);
      await until(() => end.text.endsWith("abc\r\n"), "the body");
      client.socket.write(`0\r\nx-sum: 1\r\n${trailer}\r\n\r\n`);
      await client.whenEnded();
      assert.match(client.text, /^HTTP\/1\.1 400 [\s\S]*(?:protected-trailer|field-twin|underscore)/);
      await end.whenEnded();
      assert.ok(end.text.endsWith("\r\n\r\n3\r\nabc\r\n"), end.text);
    }
  });

  test("in HTTP/2 are held to the same", async () => {
    await using http = await startHttp(answeringAtEnd, { http: { requestTrailers: ["x-sum"] } });
    const post = async (...trailers: string[]) => {
      const { socket } = await connectClient(http.proxy.port("in"), world.identity("/client"), { alpn: ["h2"] });
      const frames = new FrameReader(socket);
      const pseudo = [":method", "POST", ":scheme", "https", ":path", "/", ":authority", "shop.test"];
      const request = [headers(1, 0, ...pseudo), data(1, 0, "abc"), headers(1, END_STREAM, ...trailers)];
      socket.write(Buffer.concat([PREFACE, openingFrames(), ...request]));
      await frames.find(({ stream, flags }) => stream === 1 && (flags & END_STREAM) !== 0).catch(() => undefined);
      socket.destroy();
      return Buffer.concat(frames.of(1).map(({ payload }) => payload)).toString("latin1");
    };
    assert.match(await post("x-sum", "1", "x-other", "2"), /ok$/);
    const [body] = (await http.backend.end()).text.split("\r\n\r\n").slice(1);
    assert.equal(body, "3\r\nabc\r\n0\r\nx-sum: 1");
    assert.doesNotMatch(await post("x-sum", "1", "x-forwarded-client-cert", "URI=spiffe://example.test/admin"), /ok$/);
    await until(
      () => http.backend.ends.every((end) => end.closed !== "no" || end.text.endsWith("\r\n\r\n")),
      "the ends",
    );
    for (const end of http.backend.ends.slice(1)) assert.doesNotMatch(end.text, /\r\n0\r\n/);
  });
});

describe("Trailers of a response", () => {
  const trailers = "grpc-status: 0\r\nServer-Timing: a\r\nx-other: 1\r\nset-cookie: a=b\r\n";

  test("are grpc-* and what the listener names, for a client that asked for any", async () => {
    await using http = await startHttp(answering(`${CHUNKED}0\r\n${trailers}\r\n`), {
      http: { responseTrailers: ["server-timing"] },
    });
    const asked = await ask(http, GET);
    assert.equal(asked.text.split("\r\n\r\n")[1], "2\r\nok\r\n0\r\ngrpc-status: 0\r\nserver-timing: a");
    assert.equal(http.proxy.observer.counted("dropped-trailer"), 2);
    const silent = await ask(http, GET.replace("te: trailers\r\n", ""));
    assert.equal(silent.text.split("\r\n\r\n").slice(1).join("|"), "2\r\nok\r\n0|");
  });

  test("that are ours to say cut the response, so that it can not be taken for complete", async () => {
    for (const trailer of OURS) {
      await using http = await startHttp(answering(`${CHUNKED}0\r\n${trailer}\r\n\r\n`));
      const client = await ask(http, GET);
      assert.doesNotMatch(client.text, /\r\n0\r\n/, trailer);
      assert.doesNotMatch(client.text, /forwarded|l5d/i);
      const [record] = http.proxy.observer.exchanges;
      assert.equal(record?.aborted?.by, "upstream");
    }
  });
});
