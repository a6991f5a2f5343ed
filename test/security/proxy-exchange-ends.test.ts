// How an exchange ends (HTTP engine, "Ends"): never so that somebody takes half of a message for a whole one, never so that an answer meets
// the wrong question. The oracle is what the raw sockets at both ends have seen.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { answering, GET, inboundHttp, OK, startHttp } from "../proxy-tls/support/http.ts";
import { ALLOW_ALL, startProxy, world } from "../proxy-tls/support/proxy.ts";
import { connectClient, type End, startBackend } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

const POST = (length: number): string => `POST /up HTTP/1.1\r\nhost: service.test\r\ncontent-length: ${length}\r\n\r\n`;

/** Waits for a whole response of this kind at a client. */
const answered = (client: End, text: string): Promise<void> => until(() => client.text.includes(text), text);

describe("a target that ends too early", () => {
  for (const [name, sent, status] of [
    ["before its response, after it had read the request", "", 503],
    ["in the middle of its head", "HTTP/1.1 200 OK\r\ncontent-le", 502],
  ] as const) {
    test(`${name}: the client is told`, async () => {
      await using world = await startHttp(({ socket }) => socket.once("data", () => socket.end(sent)));
      const client = await world.client();
      client.socket.write(POST(0));
      await client.whenEnded();
      assert.match(client.text, new RegExp(`^HTTP/1.1 ${status} `));
      assert.match(client.text, /connection: close\r\n/);
    });
  }

  for (const [name, sent] of [
    ["short of its content-length", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"],
    ["without the last chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"],
    ["in a trailer", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\ngrpc-status: 0"],
  ] as const) {
    for (const how of ["end", "reset"] as const) {
      test(`${name}, by ${how}: the client's connection is cut, so that nothing looks complete`, async () => {
        await using world = await startHttp((end) =>
          end.socket.once("data", () => {
            end.socket.write(sent);
            setTimeout(() => (how === "end" ? end.socket.end() : end.reset()), 20);
          }),
        );
        const client = await world.client();
        client.socket.write(GET);
        await client.whenEnded();
        assert.ok(client.text.startsWith("HTTP/1.1 200 "), client.text);
        assert.doesNotMatch(client.text, /\r\n0\r\n/);
        assert.equal(client.ended && client.error === undefined && client.text.endsWith("\r\n\r\n"), false);
        const [record] = world.proxy.observer.exchanges;
        assert.equal(record?.aborted?.by, "upstream");
      });
    }
  }

  test("a body that ends with the connection is re-framed, and its reset is an abort", async () => {
    let how: "end" | "reset" = "end";
    await using world = await startHttp((end) =>
      end.socket.once("data", () => {
        end.socket.write("HTTP/1.1 200 OK\r\n\r\nall of it");
        setTimeout(() => (how === "end" ? end.socket.end() : end.reset()), 20);
      }),
    );
    const client = await world.client();
    client.socket.write(GET);
    await answered(client, "0\r\n\r\n");
    assert.match(client.text, /transfer-encoding: chunked\r\n\r\n9\r\nall of it\r\n0\r\n\r\n$/);
    how = "reset";
    const second = await world.client();
    second.socket.write(GET);
    await second.whenEnded();
    assert.doesNotMatch(second.text, /\r\n0\r\n\r\n/);
  });
});

test("a body that ends with the connection is taken from this machine alone: elsewhere anybody may end it", async () => {
  const response = "HTTP/1.1 200 OK\r\n\r\nall of it";
  await using backend = await startBackend(({ socket }) => socket.once("data", () => socket.end(response)));
  // Another name of this machine that is not one of loopback.
  const target = { host: "0.0.0.0", port: backend.port };
  await using proxy = await startProxy({
    listeners: [inboundHttp(backend.port, {}, { target, allowRemoteTarget: true })],
    policies: [ALLOW_ALL],
  });
  const client = await connectClient(proxy.port("in"), world.identity("/client"), { alpn: ["http/1.1"] });
  client.socket.end(GET);
  await client.whenEnded();
  assert.match(client.text, /^HTTP\/1\.1 502 [\s\S]*"reason":"until-close"/);
  assert.doesNotMatch(client.text, /all of it/);
  client.socket.destroy();
});

describe("a response whose end HTTP/1.0 takes from the connection", () => {
  const GET10 = "GET / HTTP/1.0\r\nhost: service.test\r\n\r\n";
  const BEGIN = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";

  test("ends in order when it is complete, and is reset when it is not", async () => {
    let rest = "0\r\n\r\n";
    await using world = await startHttp(
      ({ socket }) =>
        socket.once("data", () => {
          socket.write(BEGIN);
          setTimeout(() => socket.end(rest), 20);
        }),
      { http: { allowHttp10: true } },
    );
    const whole = await world.client();
    whole.socket.write(GET10);
    await whole.whenEnded();
    assert.ok(whole.ended && whole.error === undefined);
    assert.match(whole.text, /connection: close\r\n\r\nhalf$/);
    rest = "";
    const cut = await world.client();
    cut.socket.write(GET10);
    await cut.whenEnded();
    assert.equal(cut.ended, false, "it must not look complete");
    assert.equal(cut.error, "ECONNRESET");
  });
});

describe("a client that ends too early", () => {
  test("in the middle of a body: the target never sees a whole request", async () => {
    for (const head of [POST(10), "POST /up HTTP/1.1\r\nhost: s.test\r\ntransfer-encoding: chunked\r\n\r\n4\r\n"]) {
      for (const how of ["end", "destroy"] as const) {
        await using world = await startHttp(() => {});
        const client = await world.client();
        client.socket.write(`${head}half`);
        const end = await world.backend.end();
        await until(() => end.text.endsWith("half") || end.text.endsWith("half\r\n"), "half a body");
        client.socket[how]();
        await end.whenEnded();
        assert.doesNotMatch(end.text, /\r\n0\r\n/);
        assert.equal(world.proxy.observer.exchanges[0]?.aborted?.by, "downstream");
      }
    }
  });

  test("a half-closed client behind a whole request still gets its answer", async () => {
    await using world = await startHttp((end) =>
      end.socket.once("data", () => setTimeout(() => end.socket.write(OK), 30)),
    );
    const client = await world.client();
    client.socket.end(GET);
    await client.whenEnded();
    assert.match(client.text, /^HTTP\/1.1 200 OK[\s\S]*ok$/);
  });

  test("one that leaves while its answer is awaited takes the target's connection with it", async () => {
    await using world = await startHttp(() => {});
    const client = await world.client();
    client.socket.write(GET);
    const end = await world.backend.end();
    await end.receive(1);
    // (A mere end is a half-close: it may still read.)
    client.reset();
    await end.whenEnded();
    assert.equal(world.proxy.observer.exchanges[0]?.aborted?.by, "downstream");
  });
});

describe("an early response", () => {
  test("the client is told to close, the rest of its request is dropped, and neither connection is used again", async () => {
    await using world = await startHttp((end) => end.socket.once("data", () => end.socket.write(OK)));
    const client = await world.client();
    client.socket.write(`${POST(100_000)}begin`);
    await answered(client, "ok");
    assert.match(client.text, /connection: close\r\n/);
    // What could be taken for a second request is the body that was announced.
    client.socket.write(GET);
    await client.whenEnded();
    const end = await world.backend.end();
    await end.whenEnded();
    assert.equal(world.backend.ends.length, 1);
    assert.equal(client.text.match(/HTTP\/1.1/g)?.length, 1);
    assert.doesNotMatch(end.text, /GET/);
  });

  test("a client that goes on sending is cut after 64 KiB", async () => {
    await using world = await startHttp((end) => end.socket.once("data", () => end.socket.write(OK)));
    const client = await world.client();
    client.socket.write(`${POST(10_000_000)}begin`);
    await answered(client, "ok");
    for (let i = 0; i < 100 && client.closed === "no"; i += 1) {
      client.socket.write(Buffer.alloc(16_384));
      await sleep(2);
    }
    assert.equal(client.closed, "error", "cut long before its 2 s are over");
  });
});

describe("a refusal is terminal", () => {
  for (const [name, bad] of [
    ["a second request without a host", "GET /second HTTP/1.1\r\n\r\n"],
    ["garbage", "\x00\x01\x02\r\n\r\n"],
    [
      "a smuggled framing",
      "POST / HTTP/1.1\r\nhost: s.test\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
  ] as const) {
    test(`${name}, pipelined: the answer before it comes first, what is behind it is never read`, async () => {
      await using world = await startHttp((end) =>
        end.socket.on("data", () => setTimeout(() => end.socket.write(OK), 30)),
      );
      const client = await world.client();
      client.socket.write(`${GET}${bad}GET /third HTTP/1.1\r\nhost: service.test\r\n\r\n`);
      await client.whenEnded();
      assert.match(client.text, /^HTTP\/1.1 200 OK[\s\S]*okHTTP\/1.1 400 /);
      assert.equal(client.text.match(/HTTP\/1.1/g)?.length, 2);
      const end = await world.backend.end();
      assert.doesNotMatch(end.text, /second|third/);
    });
  }

  test("who neither ends nor sends anything behind it does not keep the connection", async () => {
    await using world = await startHttp(answering(OK));
    const client = await world.client();
    client.socket.write("GET / HTTP/1.1\r\n\r\n");
    await client.whenEnded();
    assert.match(client.text, /^HTTP\/1\.1 400 /);
    assert.equal(world.proxy.plane.counts()[0]?.connections, 1, "there is time to read it");
    await until(() => world.proxy.plane.counts()[0]?.connections === 0, "the connection is closed");
    assert.equal(world.backend.ends.length, 0);
  });

  test("a body that breaks the protocol is answered only where nothing was, and never reaches the target as complete", async () => {
    const chunked = "POST /up HTTP/1.1\r\nhost: s.test\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    await using world = await startHttp((end) =>
      end.socket.on("data", () => {
        if (end.text.includes("early")) end.socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbeg");
      }),
    );
    const client = await world.client();
    client.socket.write(chunked);
    const end = await world.backend.end();
    await until(() => end.text.includes("half"), "half a body");
    client.socket.write("zz\r\n");
    await client.whenEnded();
    assert.match(client.text, /^HTTP\/1.1 400 [\s\S]*"reason":"chunk-size"/);
    await end.whenEnded();
    const second = await world.client();
    second.socket.write(chunked.replace("/up", "/early"));
    await answered(second, "beg");
    second.socket.write("zz\r\n");
    await second.whenEnded();
    assert.doesNotMatch(second.text, /400/);
  });

  test("after Connection: close buffered bytes are discarded, not parsed", async () => {
    await using world = await startHttp(answering(OK));
    const client = await world.client();
    client.socket.write(`GET / HTTP/1.1\r\nhost: s.test\r\nconnection: close\r\n\r\n${GET}`);
    await client.whenEnded();
    assert.equal(client.text.match(/HTTP\/1.1/g)?.length, 1);
    assert.equal((await world.backend.end()).text.match(/GET/g)?.length, 1);
  });
});

describe("connections to targets", () => {
  test("bytes behind a response, or on an idle connection, end it: they are nobody's answer", async () => {
    for (const delayMs of [0, 30]) {
      await using world = await startHttp((end) =>
        end.socket.once("data", () => {
          const poison = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
          if (delayMs === 0) end.socket.write(OK + poison);
          else {
            end.socket.write(OK);
            setTimeout(() => end.socket.write(poison), delayMs);
          }
        }),
      );
      const client = await world.client();
      client.socket.write(GET);
      await answered(client, "ok");
      await (await world.backend.end()).whenEnded();
      client.socket.write(GET);
      await until(() => world.backend.ends.length === 2, "a new connection");
      await until(() => client.text.split("HTTP/1.1").length === 3, "the second answer");
      assert.doesNotMatch(client.text, /poison/);
      assert.ok(world.proxy.observer.counted("idle-upstream-bytes") >= 1);
    }
  });

  test("one that was closed while idle costs a GET nothing, and a POST is told", async () => {
    await using world = await startHttp((end) => {
      let requests = 0;
      end.socket.on("data", () => {
        requests += 1;
        if (requests === 1) end.socket.write(OK);
        else end.socket.destroy();
      });
    });
    const client = await world.client();
    client.socket.write(GET);
    await answered(client, "ok");
    client.socket.write(GET);
    await until(() => client.text.split("HTTP/1.1 200").length === 3, "the second answer");
    assert.equal(world.proxy.observer.exchanges[1]?.attempts, 2);
    client.socket.write("POST / HTTP/1.1\r\nhost: s.test\r\ncontent-length: 2\r\n\r\nhi");
    await client.whenEnded();
    assert.match(client.text, /HTTP\/1.1 503 [\s\S]*"reason":"upstream-closed"/);
    assert.equal(world.proxy.observer.counted("retry"), 1);
  });

  test("a target that always hangs up is asked twice and no more; one that has said anything is asked once", async () => {
    for (const [said, asked] of [
      ["", 2],
      ["HTTP/1.1 103 Early Hints\r\n\r\n", 1],
    ] as const) {
      await using world = await startHttp(({ socket }) => socket.once("data", () => socket.end(said)));
      const client = await world.client();
      client.socket.write(GET);
      await client.whenEnded();
      assert.match(client.text, /HTTP\/1.1 50[23] /);
      assert.equal(world.backend.ends.length, asked);
    }
  });

  test("nothing is sent again behind a reset in interim responses, without a budget, or while the body of a PUT still comes", async () => {
    for (const [request, said, retries] of [
      [GET, "HTTP/1.1 103 Early Hints\r\n\r\n", {}],
      [GET, "", { budgetPercent: 0, minimumPerSecond: 0 }],
      [`${POST(10).replace("POST", "PUT")}half`, "", {}],
    ] as const) {
      await using world = await startHttp(
        (end) =>
          end.socket.once("data", () => {
            if (said === "") end.socket.destroy();
            else end.socket.write(said, () => setTimeout(() => end.reset(), 20));
          }),
        { settings: { retries } },
      );
      const client = await world.client();
      client.socket.write(request);
      await client.whenEnded();
      assert.match(client.text, /HTTP\/1.1 503 /);
      assert.equal(world.backend.ends.length, 1);
    }
  });

  test("one whose target said close is not used again, even where it stays open", async () => {
    await using world = await startHttp(answering(OK.replace("content", "connection: close\r\ncontent")));
    const client = await world.client();
    for (let count = 1; count <= 2; count += 1) {
      client.socket.write(GET);
      await until(() => client.text.split("HTTP/1.1 200").length === count + 1, `answer ${count}`);
    }
    assert.equal(world.backend.ends.length, 2);
    assert.doesNotMatch(client.text, /connection: close/);
  });

  test("two callers never share one, unless the listener says so", async () => {
    for (const shareUpstream of [false, true]) {
      await using world = await startHttp(answering(OK), { http: { shareUpstream } });
      const alice = await world.client("/alice");
      alice.socket.write(GET);
      await answered(alice, "ok");
      const bob = await world.client("/bob");
      bob.socket.write(GET);
      await answered(bob, "ok");
      assert.equal(world.backend.ends.length, shareUpstream ? 1 : 2);
    }
  });
});
