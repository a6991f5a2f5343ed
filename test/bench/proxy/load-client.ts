// The load on the proxies. Runs as a process of its own and takes its orders from the bench over IPC.
import { createHash, type Hash } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { type ConnectionOptions, connect } from "node:tls";
import { type Caller, clientTls, openCaller } from "./calls.ts";
import type { FromClient, Ran, ToClient, Wire } from "./messages.ts";
import { bulkChunks, downloadHead, uploadHead } from "./traffic.ts";

const OPENING_AT_ONCE = 32;
const FAILURES_TOLD = 5;

interface Group {
  readonly wire: Wire;
  readonly port: number;
  readonly callers: Caller[];
}

const groups = new Map<string, Group>();
let tls: ConnectionOptions = {};

function tell(message: FromClient): void {
  process.send?.(message);
}

async function open(order: Extract<ToClient, { kind: "open" }>): Promise<void> {
  const { wire, port } = order;
  const callers: Caller[] = [];
  let left = order.connections;
  const opener = async (): Promise<void> => {
    while (left-- > 0) callers.push(await openCaller(wire, port, tls));
  };
  await Promise.all(Array.from({ length: Math.min(OPENING_AT_ONCE, order.connections) }, opener));
  groups.set(order.group, { wire, port, callers });
}

/** `inFlight` calls at once. Each place goes round its own share of the connections; HTTP/2 connections are shared by places. */
async function run({ group: name, count, inFlight }: Extract<ToClient, { kind: "run" }>): Promise<Ran> {
  const group = groupOf(name);
  const { callers, wire, port } = group;
  const latencies = new Float64Array(count);
  const failures: string[] = [];
  let failed = 0;
  let begun = 0;
  let next = 0;
  const started = performance.now();
  const loop = async (place: number): Promise<void> => {
    for (
      let at = place % callers.length;
      begun < count;
      at = at + inFlight < callers.length ? at + inFlight : place % callers.length
    ) {
      begun++;
      const before = performance.now();
      try {
        const caller = callers[at];
        if (caller === undefined) throw new TypeError("no connection");
        await caller.call();
        latencies[next++] = performance.now() - before;
      } catch (error) {
        failed++;
        if (failures.length < FAILURES_TOLD) failures.push(error instanceof Error ? error.message : String(error));
        callers[at]?.close();
        callers[at] = await openCaller(wire, port, tls);
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, place) => loop(place)));
  const seconds = (performance.now() - started) / 1_000;
  const sorted = latencies.subarray(0, next).sort();
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { seconds, p50Ms: at(0.5), p99Ms: at(0.99), failed, failures };
}

/** A connection counts when the server has taken our certificate and then closed it as we did: without an alert or a reset. */
async function handshakes({ port, count, inFlight }: Extract<ToClient, { kind: "handshakes" }>): Promise<Ran> {
  const latencies: number[] = [];
  let left = count;
  const started = performance.now();
  const shake = async (): Promise<void> => {
    while (left-- > 0) {
      const before = performance.now();
      const socket = connect({ ...tls, port });
      await once(socket, "secureConnect");
      latencies.push(performance.now() - before);
      socket.resume().end();
      await once(socket, "close");
    }
  };
  await Promise.all(Array.from({ length: inFlight }, shake));
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  return {
    seconds: (performance.now() - started) / 1_000,
    ...{ p50Ms: at(0.5), p99Ms: at(0.99), failed: 0, failures: [] },
  };
}

async function bulk({ port, direction, bytes }: Extract<ToClient, { kind: "bulk" }>): Promise<FromClient> {
  const started = performance.now();
  const socket = connect({ ...tls, port });
  await once(socket, "secureConnect");
  let equal: boolean;
  if (direction === "up") {
    const hash = createHash("sha256");
    const answer = textOf(socket);
    answer.catch(() => {}); // heard below
    socket.write(uploadHead(bytes));
    for (const chunk of bulkChunks(bytes)) {
      hash.update(chunk);
      if (!socket.destroyed && !socket.write(chunk)) await drainedOrClosed(socket);
    }
    equal = (await answer).includes(hash.digest("hex"));
  } else {
    const hash = createHash("sha256");
    for (const chunk of bulkChunks(bytes)) hash.update(chunk);
    socket.write(downloadHead(bytes));
    equal = (await bodyHash(socket, bytes)).digest("hex") === hash.digest("hex");
  }
  socket.destroy();
  return { kind: "carried", equal, seconds: (performance.now() - started) / 1_000 };
}

/** The answer to a whole body may close the connection before the last piece's "drain" was told: nobody would tell it any more. */
function drainedOrClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}

async function textOf(socket: AsyncIterable<Buffer>): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += chunk.toString("latin1");
  return text;
}

/** SHA-256 of what follows the head; the length is checked by `bytes`. */
async function bodyHash(socket: AsyncIterable<Buffer>, bytes: number): Promise<Hash> {
  const hash = createHash("sha256");
  let head = "";
  let left = bytes;
  let inBody = false;
  for await (const chunk of socket) {
    let body = chunk;
    if (!inBody) {
      head += chunk.toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) continue;
      inBody = true;
      body = chunk.subarray(chunk.length - (head.length - end - 4));
    }
    hash.update(body);
    left -= body.length;
    if (left <= 0) break;
  }
  if (left !== 0) throw new Error(`a body that ended ${left} bytes early, after ${JSON.stringify(head.slice(0, 80))}`);
  return hash;
}

function groupOf(name: string): Group {
  const group = groups.get(name);
  if (group === undefined) throw new TypeError(`no connections were opened as ${name}`);
  return group;
}

async function obey(order: ToClient): Promise<FromClient> {
  switch (order.kind) {
    case "identity":
      tls = clientTls(order.folder);
      return { kind: "done" };
    case "open":
      await open(order);
      return { kind: "done" };
    case "run":
      return { kind: "ran", ...(await run(order)) };
    case "close":
      for (const caller of groupOf(order.group).callers) caller.close();
      groups.delete(order.group);
      return { kind: "done" };
    case "handshakes":
      return { kind: "ran", ...(await handshakes(order)) };
    case "bulk":
      return bulk(order);
  }
}

process.on("message", (order: ToClient) => {
  obey(order).then(tell, (error: unknown) =>
    tell({ kind: "failed", sentence: error instanceof Error ? error.message : String(error) }),
  );
});
process.on("disconnect", () => process.exit());
tell({ kind: "ready" });
