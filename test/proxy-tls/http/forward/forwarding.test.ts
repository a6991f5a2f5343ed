// Requests through a whole data plane, HTTP/1.1 on both sides: decided, forwarded, answered, recorded.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../../../tls/support/endpoints.ts";
import { answering, GET, OK, startHttp } from "../../support/http.ts";
import { ALLOW_ALL } from "../../support/proxy.ts";

const HEAD_END = "\r\n\r\n";

describe("a request", () => {
  test("reaches the target as it was decided on, with our own fields behind it, and its answer comes back", async () => {
    await using world = await startHttp(
      answering("HTTP/1.1 201 Created\r\nX-Own: Value \r\ncontent-length: 2\r\n\r\nok"),
    );
    const client = await world.client();
    client.socket.write(
      "POST /a%C3%A9?x=%2f HTTP/1.1\r\nHost: Service.Test:443\r\nX-Thing:  a  b\r\nX-Thing: c\r\nContent-Length: 4\r\n\r\nbody",
    );
    await until(() => client.text.endsWith("ok"), "the answer");
    const { text } = await world.backend.end();
    const lines = (text.split(HEAD_END)[0] ?? "").split("\r\n");
    assert.equal(lines[0], "POST /a%C3%A9?x=%2f HTTP/1.1");
    assert.deepEqual(
      lines.slice(1).map((line) => line.split(": ")[0]),
      ["host", "x-thing", "x-thing", "x-request-id", "traceparent", "x-forwarded-client-cert", "via", "content-length"],
    );
    assert.ok(lines.includes("host: service.test"));
    assert.ok(lines.includes("x-thing: a  b") && lines.includes("x-thing: c"));
    assert.ok(text.endsWith(`${HEAD_END}body`));
    assert.match(client.text, /^HTTP\/1.1 201 Created\r\nx-own: Value\r\ncontent-length: 2\r\n\r\nok$/);
    const [record] = world.proxy.observer.exchanges;
    assert.equal(record?.status, 201);
    assert.equal(record?.requestBytes, 4);
    assert.equal(record?.responseBytes, 2);
    assert.equal(record?.decision?.policy, "all");
    assert.ok(lines.includes(`x-request-id: ${record?.requestId}`));
  });

  test("with chunks is re-framed, byte for byte, whatever the splits", async () => {
    await using world = await startHttp((end) =>
      end.socket.on("data", () => {
        if (end.text.endsWith("\r\n0\r\n\r\n")) end.socket.write(OK);
      }),
    );
    const client = await world.client();
    const message =
      "POST / HTTP/1.1\r\nhost: s.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n";
    for (const byte of message) {
      client.socket.write(byte);
      await new Promise(setImmediate);
    }
    await until(() => client.text.endsWith("ok"), "the answer");
    const { text } = await world.backend.end();
    const chunks = text.slice(text.indexOf(HEAD_END) + 4);
    assert.match(chunks, /^(?:[0-9a-f]+\r\n[a-z0-9]+\r\n)+0\r\n\r\n$/);
    assert.equal(chunks.replaceAll(/[0-9a-f]+\r\n([a-z0-9]*)\r\n/g, "$1"), "hello0123456789");
  });

  test("that no policy allows gets 403 with the reason's code and nothing of the policy, and the target never hears of it", async () => {
    const deny = { name: "secret-name", action: "deny", rules: [{ to: { paths: ["/admin/**"] } }] };
    await using world = await startHttp(answering(OK), { policies: [ALLOW_ALL, deny] });
    const client = await world.client();
    client.socket.write(GET.replace("GET /", "GET /admin/x"));
    await client.whenEnded();
    assert.match(client.text, /^HTTP\/1.1 403 Forbidden\r\n[\s\S]*\{"code":"MCA_PROXY_DENIED","reason":"denied"\}\n$/);
    assert.doesNotMatch(client.text, /secret-name/);
    assert.equal(world.backend.ends.length, 0);
    assert.equal(world.proxy.observer.exchanges[0]?.decision?.policy, "secret-name");
  });

  test("that is denied gets its 403 before any 100, and its body is never asked for", async () => {
    await using world = await startHttp(answering(OK), { policies: [] });
    const client = await world.client();
    client.socket.write("POST / HTTP/1.1\r\nhost: s.test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    await client.whenEnded();
    assert.match(client.text, /^HTTP\/1.1 403 [\s\S]*connection: close/);
  });

  test("that waits for 100 gets the target's, once, and only while it waits", async () => {
    await using world = await startHttp((end) => {
      end.socket.once("data", () => end.socket.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"));
      void end
        .receive(1)
        .then(() => until(() => end.text.endsWith("hello"), "the body"))
        .then(() => {
          end.socket.write(`HTTP/1.1 100 Continue\r\n\r\n${OK}`);
        });
    });
    const client = await world.client();
    client.socket.write("POST / HTTP/1.1\r\nhost: s.test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    await until(() => client.text.includes("100 Continue"), "100");
    client.socket.write("hello");
    await until(() => client.text.endsWith("ok"), "the answer");
    assert.equal(client.text.match(/100 Continue/g)?.length, 1);
    assert.equal(client.text.match(/^HTTP\/1\.1 /gm)?.length, 2, "100 and the answer");
  });

  test("whose body has begun, or that never asked, gets no 100", async () => {
    await using world = await startHttp((end) =>
      end.socket.on("data", () => {
        if (end.text.endsWith("hello")) end.socket.write(`HTTP/1.1 100 Continue\r\n\r\n${OK}`);
      }),
    );
    for (const expect of ["expect: 100-continue\r\n", ""]) {
      const client = await world.client(`/client${expect.length}`);
      client.socket.write(`POST / HTTP/1.1\r\nhost: s.test\r\n${expect}content-length: 5\r\n\r\nhello`);
      await until(() => client.text.endsWith("ok"), "the answer");
      assert.doesNotMatch(client.text, /100 Continue/);
    }
  });
});

describe("while it is in progress", () => {
  test("an exchange that new policies deny is ended, unanswered ones with 403; others go on", async () => {
    await using world = await startHttp((end) =>
      end.socket.on("data", () => {
        if (end.text.includes("/begun")) end.socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun");
      }),
    );
    const begun = await world.client("/a");
    begun.socket.write(GET.replace("GET /", "GET /begun"));
    const silent = await world.client("/a");
    silent.socket.write(GET);
    const other = await world.client("/b");
    other.socket.write(GET);
    await until(() => begun.text.endsWith("begun") && world.backend.ends.length === 3, "three exchanges");
    world.proxy.setPolicies([{ name: "b", action: "allow", rules: [{ from: { ids: ["spiffe://example.test/b"] } }] }]);
    await Promise.all([begun.whenEnded(), silent.whenEnded()]);
    assert.doesNotMatch(begun.text, /403/);
    assert.match(silent.text, /^HTTP\/1.1 403 [\s\S]*"reason":"default-deny"/);
    await Promise.all(world.backend.ends.slice(0, 2).map((end) => end.whenEnded()));
    const last = await world.backend.end(2);
    assert.equal(last.ended, false);
    last.socket.write(OK);
    await until(() => other.text.endsWith("ok"), "the answer of the other");
  });

  test("draining lets it end, says close, and takes nothing new", async () => {
    await using world = await startHttp(() => {});
    const busy = await world.client();
    busy.socket.write(GET);
    const idle = await world.client();
    const end = await world.backend.end();
    await end.receive(1);
    const drained = world.proxy.plane.drain(5_000);
    await idle.whenEnded();
    end.socket.write(OK);
    await busy.whenEnded();
    assert.match(busy.text, /connection: close\r\n[\s\S]*ok$/);
    await drained;
    await end.whenEnded();
  });
});
