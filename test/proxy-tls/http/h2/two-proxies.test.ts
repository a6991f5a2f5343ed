// Through two whole proxies, as it is deployed: plaintext to the outbound one, mutual TLS between them, plaintext to the application. gRPC
// of every kind, and every mix of versions at the two ends.
import assert from "node:assert/strict";
import { createServer as createHttp1Server, request as requestHttp1 } from "node:http";
import { connect, createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import {
  type Client,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { ALLOW_ALL } from "../../support/proxy.ts";
import { AUTHORITY, startPair } from "../../support/proxy-pair.ts";

const plain = { requestSerialize: keep, requestDeserialize: keep, responseSerialize: keep, responseDeserialize: keep };
const SERVICE = {
  unary: { path: "/test.Echo/Unary", requestStream: false, responseStream: false, ...plain },
  list: { path: "/test.Echo/List", requestStream: false, responseStream: true, ...plain },
  sum: { path: "/test.Echo/Sum", requestStream: true, responseStream: false, ...plain },
  talk: { path: "/test.Echo/Talk", requestStream: true, responseStream: true, ...plain },
} satisfies ServiceDefinition;

function keep(bytes: Buffer): Buffer {
  return bytes;
}

describe("gRPC through two proxies", () => {
  const server = new Server();
  let pair: Awaited<ReturnType<typeof startPair>>;
  let client: Client;
  const cancelled = Promise.withResolvers<void>();

  before(async () => {
    const unary: handleUnaryCall<Buffer, Buffer> = (call, answer) => {
      if (call.request.toString() === "fail") {
        const metadata = new Metadata();
        metadata.set("detail-bin", Buffer.from([1, 2, 3]));
        answer({ code: status.FAILED_PRECONDITION, details: "not now: 5 % off", metadata });
        return;
      }
      if (call.request.toString() === "wait") {
        call.on("cancelled", () => cancelled.resolve());
        return;
      }
      answer(null, call.request);
    };
    const list: handleServerStreamingCall<Buffer, Buffer> = (call) => {
      for (let index = 0; index < 100; index++) call.write(Buffer.alloc(10_000, index));
      call.end();
    };
    const sum: handleClientStreamingCall<Buffer, Buffer> = (call, answer) => {
      let bytes = 0;
      call.on("data", (message: Buffer) => {
        bytes += message.length;
      });
      call.on("end", () => answer(null, Buffer.from(`${bytes}`)));
    };
    const talk: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    };
    server.addService(SERVICE, { unary, list, sum, talk });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    pair = await startPair(port, { upstreamProtocol: "h2" });
    const Echo = makeGenericClientConstructor(SERVICE, "Echo");
    client = new Echo(`127.0.0.1:${pair.port}`, credentials.createInsecure(), {
      "grpc.default_authority": AUTHORITY,
    });
  });
  after(async () => {
    client?.close();
    for (const proxy of pair?.proxies ?? []) await proxy[Symbol.asyncDispose]();
    server.forceShutdown();
  });

  function unary(message: string | Buffer, deadlineMs?: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        ...([SERVICE.unary.path, keep, keep, Buffer.from(message)] as const),
        deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs },
        (error, answer) => (error === null && answer !== undefined ? resolve(answer) : reject(error)),
      );
    });
  }

  test("a unary call, small and large, and many at once", async () => {
    assert.equal((await unary("hello")).toString(), "hello");
    const large = Buffer.alloc(1_000_000, "0123456789");
    assert.ok((await unary(large)).equals(large));
    const answers = await Promise.all(Array.from({ length: 300 }, (_, index) => unary(`call ${index}`)));
    for (const [index, answer] of answers.entries()) assert.equal(answer.toString(), `call ${index}`);
  });

  test("a status with its message and binary details, which come as trailers alone", async () => {
    const error = await unary("fail").then(
      () => assert.fail("it succeeded"),
      (refused: ServiceError) => refused,
    );
    assert.equal(error.code, status.FAILED_PRECONDITION);
    assert.equal(error.details, "not now: 5 % off");
    assert.deepEqual(error.metadata.get("detail-bin"), [Buffer.from([1, 2, 3])]);
  });

  test("a deadline that passes cancels the call at the server", async () => {
    await assert.rejects(unary("wait", 200), { code: status.DEADLINE_EXCEEDED });
    await cancelled.promise;
  });

  test("a stream of answers", async () => {
    const call = client.makeServerStreamRequest(SERVICE.list.path, keep, keep, Buffer.alloc(0));
    let index = 0;
    for await (const message of call) assert.ok(message.equals(Buffer.alloc(10_000, index++)));
    assert.equal(index, 100);
  });

  test("a stream of messages", async () => {
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const call = client.makeClientStreamRequest(SERVICE.sum.path, keep, keep, (error, bytes) =>
        error === null && bytes !== undefined ? resolve(bytes) : reject(error),
      );
      for (let index = 0; index < 100; index++) call.write(Buffer.alloc(10_000));
      call.end();
    });
    assert.equal(answer.toString(), "1000000");
  });

  test("both at the same time, each answer before the next message", async () => {
    const call = client.makeBidiStreamRequest(SERVICE.talk.path, keep, keep);
    const answers = call[Symbol.asyncIterator]();
    for (const word of ["one", "two", "three"]) {
      call.write(Buffer.from(word));
      assert.equal(String((await answers.next()).value), word);
    }
    call.end();
    assert.equal((await answers.next()).done, true);
  });

  test("every call was decided, and recorded with its peer", () => {
    const [inbound] = pair.proxies;
    const records = inbound?.observer.exchanges ?? [];
    assert.ok(records.length > 300);
    for (const { peer, protocol, decision } of records) {
      assert.deepEqual([peer, protocol, decision?.effect], ["spiffe://example.test/client", "2", "allow"]);
    }
  });

  test("a refusal reaches the caller as a status of gRPC", async () => {
    const [inbound] = pair.proxies;
    inbound?.setPolicies([]);
    await assert.rejects(unary("hello"), { code: status.PERMISSION_DENIED });
    inbound?.setPolicies([ALLOW_ALL]);
    assert.equal((await unary("hello")).toString(), "hello");
  });
});

describe("every mix of versions through two proxies", () => {
  interface Seen {
    readonly status: number;
    readonly body: string;
    readonly trailer: string | undefined;
  }

  const BODY = "x".repeat(200_000);

  function overHttp1(port: number, method: string, path: string, body?: string): Promise<Seen> {
    return new Promise((resolve, reject) => {
      const headers = { host: AUTHORITY, te: "trailers", connection: "te" };
      const request = requestHttp1({ port, method, path, headers }, (response) => {
        let text = "";
        response.setEncoding("latin1").on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, body: text, trailer: response.trailers["grpc-status"] }),
        );
        response.on("error", reject);
      });
      request.on("error", reject);
      request.end(body);
    });
  }

  function overHttp2(port: number, method: string, path: string, body?: string): Promise<Seen> {
    const session = connect(`http://127.0.0.1:${port}`);
    return new Promise((resolve, reject) => {
      const stream = session.request({ ":method": method, ":path": path, ":authority": AUTHORITY, te: "trailers" });
      let text = "";
      let code = 0;
      let trailer: string | undefined;
      stream.setEncoding("latin1").on("data", (chunk: string) => {
        text += chunk;
      });
      stream.on("response", (headers) => {
        code = headers[":status"] ?? 0;
      });
      stream.on("trailers", (trailers) => {
        trailer = String(trailers["grpc-status"]);
      });
      stream.on("error", reject);
      stream.on("close", () => {
        session.destroy();
        resolve({ status: code, body: text, trailer });
      });
      stream.end(body);
    });
  }

  function serveHttp2(stream: ServerHttp2Stream, method: string): void {
    stream.on("error", () => {});
    if (method === "HEAD") {
      stream.respond({ ":status": 200, "content-length": "5" }, { endStream: true });
      return;
    }
    stream.respond({ ":status": 201 }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    if (method === "POST") stream.pipe(stream);
    else stream.end("hello");
  }

  const targets = {
    "http/1.1": () =>
      createHttp1Server((request, response) => {
        if (request.method === "HEAD") {
          response.writeHead(200, { "content-length": "5" }).end();
          return;
        }
        response.writeHead(201, { trailer: "grpc-status" });
        response.addTrailers({ "grpc-status": "0" });
        if (request.method === "POST") request.pipe(response);
        else response.end("hello");
      }),
    h2: () => createHttp2Server().on("stream", (stream, headers) => serveHttp2(stream, headers[":method"] ?? "")),
  };

  for (const [upstreamProtocol, start] of Object.entries(targets)) {
    for (const [version, ask] of [
      ["HTTP/1.1", overHttp1],
      ["HTTP/2", overHttp2],
    ] as const) {
      test(`${version} at the caller, ${upstreamProtocol} at the application`, async () => {
        const application = start();
        await new Promise<void>((resolve) => application.listen(0, "127.0.0.1", resolve));
        const { port: target } = application.address() as AddressInfo;
        const { proxies, port } = await startPair(target, { upstreamProtocol });
        try {
          assert.deepEqual(await ask(port, "GET", "/a"), { status: 201, body: "hello", trailer: "0" });
          assert.deepEqual(await ask(port, "POST", "/a", BODY), { status: 201, body: BODY, trailer: "0" });
          const { status: code, body } = await ask(port, "HEAD", "/a");
          assert.deepEqual([code, body], [200, ""]);
        } finally {
          for (const proxy of proxies.reverse()) await proxy[Symbol.asyncDispose]();
          application.close();
        }
      });
    }
  }
});
