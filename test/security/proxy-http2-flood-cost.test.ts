// What a flood of cheap HTTP/2 frames may cost: the processor time of the thread that serves it, until its connection is ended. The clock on
// the wall says nothing on a busy machine; so the flood comes from a thread of its own, and this one's time is counted.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { type ServerEngine, startServerEngine } from "../proxy-tls/support/http2-engines.ts";
import { recordingHandler } from "../proxy-tls/support/http2-events.ts";
import {
  DATA,
  frame,
  openingFrames,
  PADDED,
  PREFACE,
  request,
  windowUpdate,
} from "../proxy-tls/support/http2-frames.ts";

/** A quarter of a second until the next look, and what is under way by then. */
const MAX_CPU_MS = 1_500;
/** What a flood that nobody ends sends before it gives up. */
const GIVES_UP_BYTES = 512 * 1024 * 1024;

const padding = Buffer.concat([Buffer.from([255]), Buffer.from("x"), Buffer.alloc(255)]);
const FLOODS: Readonly<Record<string, { readonly first: Buffer; readonly part: Buffer }>> = {
  "WINDOW_UPDATE of the connection": { first: Buffer.alloc(0), part: windowUpdate(0, 1) },
  "WINDOW_UPDATE of a stream": { first: request(1, 0, "POST", "/"), part: windowUpdate(1, 1) },
  padding: { first: request(1, 0, "POST", "/"), part: frame(DATA, PADDED, 1, padding) },
};

/** Plain JavaScript: it runs in a thread without our sources. */
const FLOODER = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { connect } = require("node:net");
  const { port, first, part, most } = workerData;
  const chunk = Buffer.concat(Array.from({ length: Math.ceil(65536 / part.length) }, () => part));
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  let sent = 0;
  const more = () => {
    while (sent < most) {
      sent += chunk.length;
      if (!socket.write(chunk)) return;
    }
    socket.destroy();
  };
  socket.on("connect", () => { socket.write(first); more(); });
  socket.on("drain", more);
  socket.on("data", () => {});
  socket.on("error", () => {});
  socket.on("close", () => parentPort.postMessage(sent));
`;

describe("the processor time that is spent on a flood is bounded", () => {
  let server: ServerEngine;
  before(async () => {
    server = await startServerEngine(recordingHandler().handler);
  });
  after(() => server?.close());

  for (const [of, { first, part }] of Object.entries(FLOODS)) {
    test(`of ${of}`, { timeout: 60_000 }, async () => {
      const opening = Buffer.concat([PREFACE, openingFrames(), first]);
      const workerData = { port: server.port, first: opening, part, most: GIVES_UP_BYTES };
      const before = process.threadCpuUsage();
      const worker = new Worker(FLOODER, { eval: true, workerData });
      const sent = await new Promise<number>((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", reject);
      });
      const { user, system } = process.threadCpuUsage(before);
      await worker.terminate();
      const cpuMs = (user + system) / 1_000;
      assert.ok(sent < GIVES_UP_BYTES, `nobody ended it: ${sent} bytes, ${cpuMs} ms`);
      assert.ok(cpuMs < MAX_CPU_MS, `${cpuMs} ms for ${sent} bytes`);
    });
  }
});
