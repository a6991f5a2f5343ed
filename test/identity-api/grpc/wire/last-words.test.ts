// What a gRPC connection says last over TLS, where a write is under way for a turn longer than over TCP.
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { Connection } from "../../../../src/identity-api/connection.ts";
import { frameOf } from "../../../../src/identity-api/grpc/wire/message-reader.ts";
import type { IncomingCall, Method } from "../../../../src/identity-api/grpc/wire/method.ts";
import { GrpcConnection } from "../../../../src/identity-api/grpc/wire/server-connection.ts";
import { behindNextWrite, openTlsClient } from "../../../http2/support/driven-socket.ts";
import {
  DATA,
  data,
  END_STREAM,
  type Frame,
  GOAWAY,
  HEADERS,
  headers,
  SETTINGS,
} from "../../../proxy-tls/support/http2-frames.ts";
import { until } from "../../../support/until.ts";
import { closeOf, startListener } from "../../../tls/support/endpoints.ts";
import { framed } from "./raw-call.ts";

interface Served {
  readonly connection: GrpcConnection;
  readonly socket: Socket;
  closed: number;
}

function serve(socket: Socket, methods: readonly Method[], onFault: (error: unknown) => void): Served {
  const connection = new GrpcConnection(socket, new Connection({ kind: "anonymous" }, "192.0.2.1", 0), {
    methods: new Map(methods.map((method) => [method.path, method])),
    maxConcurrentStreams: 100,
    maxMessageBytes: 20_000,
    maxHeldBytes: 100_000,
    streamResetBurst: 20,
    streamResetPerSecond: 1,
    keepaliveMs: 60_000,
    idleMs: 60_000,
    headMs: 60_000,
    begin: () => ({ done() {}, again() {} }),
    onRefused: (_method, error) => onFault(error),
    onFault,
    onClosed: () => {
      served.closed += 1;
    },
  });
  const served = { connection, socket, closed: 0 };
  return served;
}

function call(stream: number, path: string): Buffer {
  const head = [":method", "POST", ":scheme", "https", ":path", path, "content-type", "application/grpc"];
  return Buffer.concat([headers(stream, 0, ...head), data(stream, END_STREAM, framed(Buffer.of()))]);
}

const kindOf = ({ type, stream }: Frame): string => `${type} ${stream}`;

test("GOAWAY arrives before the end, behind an answer that is on its way, also where the client reads slowly", async () => {
  const methods: readonly Method[] = [
    { kind: "unary", path: "/quick", answer: async () => ({ kind: "frame", frame: frameOf(3_000).frame }) },
    {
      kind: "unary",
      path: "/never",
      answer: (_message, from) => {
        waiting = from;
        return new Promise(() => {});
      },
    },
  ];
  let waiting: IncomingCall | undefined;
  let served: Served | undefined;
  const faults: unknown[] = [];
  await using listener = await startListener({
    onConnection(socket) {
      served = serve(socket, methods, (error) => faults.push(error));
    },
  });
  const { socket, frames } = openTlsClient(listener.port, call(1, "/never"));
  await frames.find(({ type, flags }) => type === SETTINGS && flags === 1);
  await until(() => waiting !== undefined, "the call that is not answered");
  assert.ok(served !== undefined);
  const { connection, socket: ours } = served;
  behindNextWrite(ours, () => {
    connection.destroy();
    connection.destroy();
  });
  socket.pause();
  socket.write(call(3, "/quick"));
  await closeOf(ours);
  assert.deepEqual([frames.of(3), served.closed, waiting?.cancelled()], [[], 1, true]);
  socket.resume();
  await frames.closed();
  const said = frames.frames.filter(({ type }) => type === HEADERS || type === DATA || type === GOAWAY).map(kindOf);
  assert.deepEqual(said, [`${HEADERS} 3`, `${DATA} 3`, `${HEADERS} 3`, `${GOAWAY} 0`]);
  assert.deepEqual(faults, []);
});
