// Health: watchers hear of changes, not of each reason more or less, and are bounded in number and in what they leave behind.
import assert from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import { after, test } from "node:test";
import { Client, type ClientReadableStream, credentials, type ServiceError } from "@grpc/grpc-js";
import { Connection } from "../../../src/identity-api/connection.ts";
import { Calls } from "../../../src/identity-api/grpc/calls.ts";
import { Health } from "../../../src/identity-api/grpc/health.ts";
import { GrpcTransport } from "../../../src/identity-api/grpc/transport.ts";
import { Readiness, type Reason } from "../../../src/identity-api/readiness.ts";
import { silentLogger, silentMetrics, systemClock, systemRandom } from "../../../src/runtime/index.ts";
import { until } from "../../support/until.ts";
import { limits } from "./transport-fixture.ts";

const raw = (value: Buffer) => value;
/** HealthCheckResponse.status, field 1, is the second byte: 1 SERVING, 2 NOT_SERVING, 3 SERVICE_UNKNOWN. */
const statusOf = (bytes: Buffer): number | undefined => bytes[1];
/** HealthCheckRequest {service}. */
const asking = (service: string) => Buffer.concat([Buffer.of(10, service.length), Buffer.from(service)]);

const open: (() => void)[] = [];
after(() => {
  for (const close of open) close();
});

/** A bare server with the health service, whose callers are all strangers. */
async function startHealth(maxWatchers = 100) {
  const reasons: Reason[] = [];
  const readiness = new Readiness();
  for (const n of [0, 1]) readiness.add(() => reasons[n]);
  const calls = new Calls({ clock: systemClock, random: systemRandom, logger: silentLogger, metrics: silentMetrics });
  const transport = new GrpcTransport({ limits, onRefused: () => {}, onFault: (error) => assert.fail(String(error)) });
  const health = new Health({ calls, readiness, maxWatchers, logger: silentLogger });
  transport.add(health.methods);
  const server = createServer((socket) => {
    socket.on("error", () => {});
    transport.accept(socket, new Connection({ kind: "anonymous" }, "192.0.2.66", 0));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const connect = () => {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    open.push(() => client.close());
    return client;
  };
  const own = connect();
  open.push(() => {
    server.close();
    transport.drain(0);
    calls.close();
  });
  return {
    reasons,
    readiness,
    health,
    watch: (service = "") => new Watching(own, service),
    watchElsewhere: () => new Watching(connect(), ""),
  };
}

/** One Watch: what it was told, and how it ended. */
class Watching {
  readonly seen: (number | undefined)[] = [];
  readonly stream: ClientReadableStream<Buffer>;
  code: string | undefined;

  constructor(client: Client, service: string) {
    this.stream = client.makeServerStreamRequest("/grpc.health.v1.Health/Watch", raw, raw, asking(service));
    this.stream.on("data", (message: Buffer) => this.seen.push(statusOf(message)));
    this.stream.on("error", (error: ServiceError) => {
      this.code = String(error.metadata.get("mca-code")[0] ?? error.code);
    });
  }
}

test("a second reason is no second NOT_SERVING", async () => {
  const { reasons, readiness, watch } = await startHealth();
  const watching = watch();
  await until(() => watching.seen.length === 1, "the state at the beginning");
  reasons.push({ code: "MCA_CLOCK_SKEW", sentence: "Set the clock." });
  readiness.refresh();
  await until(() => watching.seen.length === 2, "the change");
  reasons.push({ code: "MCA_LEDGER_UNAVAILABLE", sentence: "Look at PostgreSQL." });
  readiness.refresh();
  reasons.length = 0;
  readiness.refresh();
  await until(() => watching.seen.length === 3, "the change back");
  assert.deepEqual(watching.seen, [1, 2, 1]);
});

test("one connection holds sixteen Watch streams and no more; a place is free again when one ends", async () => {
  const { watch } = await startHealth(1_000);
  const held = Array.from({ length: 16 }, () => watch());
  await until(() => held.every(({ seen }) => seen.length === 1), "sixteen are served");
  const refused = watch();
  await until(() => refused.code !== undefined, "one more is refused");
  assert.equal(refused.code, "MCA_OVERLOADED");
  held[0]?.stream.cancel();
  await until(async () => {
    const next = watch();
    await until(() => next.seen.length === 1 || next.code !== undefined, "an answer");
    return next.code === undefined;
  }, "the place is free");
});

test("strangers on connections of their own hold a quarter of all, and the oldest makes room", async () => {
  const { watchElsewhere } = await startHealth(8);
  const first = watchElsewhere();
  await until(() => first.seen.length === 1, "the first is served");
  const second = watchElsewhere();
  await until(() => second.seen.length === 1, "the second is served");
  const third = watchElsewhere();
  await until(() => third.seen.length === 1 && first.code !== undefined, "the third is served, the first is not");
  assert.equal(first.code, "MCA_OVERLOADED");
  assert.equal(second.code, undefined);
});

test("a name that nobody knows is told as unknown, held open, and changes with nothing", async () => {
  const { reasons, readiness, health, watch } = await startHealth();
  const [unknown, known] = [watch("somebody.Else"), watch()];
  await until(() => unknown.seen.length === 1 && known.seen.length === 1, "both are answered");
  reasons.push({ code: "MCA_CLOCK_SKEW", sentence: "Set the clock." });
  readiness.refresh();
  await until(() => known.seen.length === 2, "the change");
  assert.deepEqual(unknown.seen, [3]);
  health.close();
  await until(() => unknown.code !== undefined && known.code !== undefined, "the end of the server");
  assert.deepEqual([unknown.code, known.code], ["MCA_SHUTTING_DOWN", "MCA_SHUTTING_DOWN"]);
});
