// Bug class: requests that are too large, never end, or are never read fill the memory or keep others waiting. Raw HTTP/2, because
// a gRPC library does nothing of the kind.
import assert from "node:assert/strict";
import type { ClientHttp2Stream } from "node:http2";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openPlain, type PlainConnection, plainCall } from "../e2e/plain-http2.ts";
import { until } from "../support/until.ts";
import { type AttackedServer, beside, startAttackedServer } from "./overload-support.ts";

const ISSUE = "/meshca.identity.v1.IdentityService/IssueX509Svid";
const WATCH = "/meshca.identity.v1.IdentityService/WatchTrust";
const CEILING_MB = 280;

let server: AttackedServer;
before(async () => {
  server = await startAttackedServer({
    maxConcurrentStreams: 500,
    requestTimeoutSeconds: 2,
    maxWaitingRequests: 2_000,
  });
});
after(() => server.close());

/** Opens a call and sends `sent` of a message that is announced with `announced` bytes, and no end. */
function begin({ session }: PlainConnection, path: string, announced: number, sent: number): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  stream.resume();
  const prefix = Buffer.alloc(5 + sent);
  prefix.writeUInt32BE(announced, 1);
  stream.write(prefix);
  return stream;
}

async function attackers(count: number): Promise<PlainConnection[]> {
  const connections: PlainConnection[] = [];
  for (let n = 0; n < count; n++) connections.push(await openPlain(server.address, { alpn: ["h2"] }));
  return connections;
}

test("a hundred megabytes in messages over the limit are refused, and a good client is served", {
  timeout: 60_000,
}, async () => {
  const client = await server.client();
  const connections = await attackers(4);
  const large = new Uint8Array(1 << 20);
  const fared = await beside(client, async () => {
    for (let round = 0; round < 25; round++) {
      const answers = await Promise.all(connections.map((connection) => plainCall(connection, ISSUE, large)));
      for (const { mca } of answers) assert.equal(mca, "MCA_MESSAGE_TOO_LARGE");
    }
  });
  assert.equal(fared.failed, 0, JSON.stringify(fared));
  assert.ok(server.rssMb() < CEILING_MB, `${server.rssMb()} MB`);
  for (const connection of connections) connection.close();
  client.close();
});

test("a message that is announced with four gigabytes is refused before it comes", async () => {
  const [connection] = await attackers(1);
  assert.ok(connection !== undefined);
  const stream = begin(connection, ISSUE, 0xffff_ffff, 10);
  const headers = await new Promise<Record<string, unknown>>((resolve) => {
    stream.once("response", (found) => resolve({ ...found }));
    stream.once("trailers", (found) => resolve({ ...found }));
  });
  assert.equal(headers["mca-code"], "MCA_MESSAGE_TOO_LARGE");
  connection.close();
});

test("thousands of calls whose message never ends are ended in time, and a good client is served", {
  timeout: 60_000,
}, async () => {
  const client = await server.client();
  const connections = await attackers(16);
  const streams: ClientHttp2Stream[] = [];
  const fared = await beside(client, async () => {
    for (const connection of connections) {
      for (let n = 0; n < 400; n++) streams.push(begin(connection, ISSUE, 10_000, 100));
      await sleep(20);
    }
    await sleep(500);
    assert.ok((await server.metric("mesh_ca_requests_waiting")) <= 2_000, "bounded in number");
    await until(async () => (await server.metric("mesh_ca_requests_waiting")) === 0, "they are ended in time");
    await until(() => streams.every(({ closed }) => closed), "every call is closed");
  });
  assert.equal(fared.failed, 0, JSON.stringify(fared));
  assert.ok(server.rssMb() < CEILING_MB, `${server.rssMb()} MB`);
  for (const connection of connections) connection.close();
  client.close();
});

test("watchers that never read cost no more than a bounded buffer each", { timeout: 60_000 }, async () => {
  const client = await server.client();
  const before = server.rssMb();
  const connections = await attackers(20);
  const fared = await beside(client, async () => {
    for (const connection of connections) {
      for (let n = 0; n < 100; n++) {
        const stream = begin(connection, WATCH, 0, 0);
        stream.pause();
        stream.end();
      }
      await sleep(20);
      connection.socket.pause();
    }
    await sleep(3_000);
  });
  assert.equal(fared.failed, 0, JSON.stringify(fared));
  assert.ok(server.rssMb() - before < 100, `${before} MB before, ${server.rssMb()} MB with 2,000 watchers`);
  for (const connection of connections) connection.close();
  client.close();
});
