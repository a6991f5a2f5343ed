// Targets with which no connection comes about: one never answers a SYN, because its queue is full, and one accepts and never says a word.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Worker } from "node:worker_threads";

/** Listens with room for two, and is stuck before it accepts the first. */
const STUCK = `
const { parentPort } = require("node:worker_threads");
const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});`;

export interface DeafTarget {
  readonly port: number;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A connection to it stays under way until somebody gives it up. */
export async function startFullTarget(): Promise<DeafTarget> {
  const worker = new Worker(STUCK, { eval: true });
  const [port]: number[] = await once(worker, "message");
  if (port === undefined) throw new TypeError("the worker tells its port");
  const waiting = [0, 1].map(() => connect({ host: "127.0.0.1", port }).on("error", () => {}));
  await Promise.all(waiting.map((socket) => once(socket, "connect")));
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of waiting) socket.destroy();
      await worker.terminate();
    },
  };
}

/** It accepts, and keeps what it has accepted in `sockets`, unread and unanswered. */
export async function startMuteTarget(): Promise<DeafTarget & { readonly sockets: readonly Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on("error", () => {})));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    // listen() was given a host and a port.
    port: (server.address() as AddressInfo).port,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
