// Health over a bare gRPC server: watchers hear of changes, not of each reason more or less.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, credentials, Server, ServerCredentials } from "@grpc/grpc-js";
import { addHealth } from "../../../src/identity-api/grpc/standard-services.ts";
import { Readiness, type Reason } from "../../../src/identity-api/readiness.ts";
import { silentLogger } from "../../../src/runtime/index.ts";

/** HealthCheckResponse.status, field 1, is the second byte: 1 SERVING, 2 NOT_SERVING. */
const statusOf = (bytes: Buffer): number | undefined => bytes[1];

test("a second reason is no second NOT_SERVING", { timeout: 10_000 }, async () => {
  const reasons: Reason[] = [];
  const readiness = new Readiness();
  for (const n of [0, 1]) readiness.add(() => reasons[n]);
  const server = new Server();
  addHealth(server, readiness, silentLogger);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const raw = (value: Buffer) => value;
  const stream = client.makeServerStreamRequest("/grpc.health.v1.Health/Watch", raw, raw, Buffer.alloc(0));
  stream.on("error", () => {});
  const seen: (number | undefined)[] = [];
  const next = () =>
    new Promise<void>((resolve) =>
      stream.once("data", (message: Buffer) => {
        seen.push(statusOf(message));
        resolve();
      }),
    );
  try {
    await next();
    let told = next();
    reasons.push({ code: "MCA_CLOCK_SKEW", sentence: "Set the clock." });
    readiness.refresh();
    await told;
    told = next();
    reasons.push({ code: "MCA_LEDGER_UNAVAILABLE", sentence: "Look at PostgreSQL." });
    readiness.refresh();
    reasons.length = 0;
    readiness.refresh();
    await told;
    assert.deepEqual(seen, [1, 2, 1]);
  } finally {
    stream.cancel();
    client.close();
    server.forceShutdown();
  }
});
