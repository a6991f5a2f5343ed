// The operations listener by itself: what it answers, in which form, and what it does not take.
import assert from "node:assert/strict";
import { request } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { operationsApp, startOperations } from "../../../src/identity-api/http/operations.ts";
import { Readiness, type Reason, reasonFor } from "../../../src/identity-api/readiness.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { createTelemetry } from "../../../src/runtime/telemetry.ts";
import { parsePrometheusText } from "./prometheus-text.ts";

function app(checks: readonly (() => Reason | undefined)[] = [], prometheusText = async () => "") {
  const readiness = new Readiness();
  for (const check of checks) readiness.add(check);
  const options = { host: "127.0.0.1", port: 0, readiness, prometheusText, logger: silentLogger };
  return { readiness, options, app: operationsApp(options) };
}

const broken: Reason = { code: "MCA_LEDGER_UNAVAILABLE", sentence: "Look at PostgreSQL.", command: "mesh-ca doctor" };

test("/healthz says that the process answers, ready or not", async () => {
  const answer = await app([() => broken]).app.inject("/healthz");
  assert.equal(answer.statusCode, 200);
  assert.deepEqual(answer.json(), { status: "alive" });
});

test("/readyz is 200 without reasons, and 503 with each of them", async () => {
  const other: Reason = { code: "MCA_CLOCK_SKEW", sentence: "Set the clock.", found: "12 s", expected: "at most 10 s" };
  const reasons: { first: Reason | undefined; second: Reason | undefined } = { first: undefined, second: undefined };
  const { app: routes } = app([() => reasons.first, () => reasons.second]);
  const ask = async () => {
    const answer = await routes.inject("/readyz");
    return [answer.statusCode, answer.json()];
  };
  assert.deepEqual(await ask(), [200, { status: "ready", reasons: [], notes: [] }]);
  reasons.first = broken;
  assert.deepEqual(await ask(), [503, { status: "not ready", reasons: [broken], notes: [] }]);
  reasons.second = other;
  assert.deepEqual(await ask(), [503, { status: "not ready", reasons: [broken, other], notes: [] }]);
  reasons.first = undefined;
  assert.deepEqual(await ask(), [503, { status: "not ready", reasons: [other], notes: [] }]);
});

test("a note is told and leaves the server ready; listeners are not woken by it", async () => {
  const { app: routes, readiness } = app();
  const states: boolean[] = [];
  readiness.onChange(({ ready }) => states.push(ready));
  readiness.start();
  readiness.addNotes(() => [{ about: "attestor k8s", sentence: "Its keys cannot be loaded." }]);
  readiness.refresh();
  readiness.close();
  const answer = await routes.inject("/readyz");
  assert.equal(answer.statusCode, 200);
  assert.deepEqual(answer.json().notes, [{ about: "attestor k8s", sentence: "Its keys cannot be loaded." }]);
  assert.deepEqual(states, [true]);
});

test("an error that is not ours is a reason that tells nothing of the inside", () => {
  assert.deepEqual(reasonFor(new Error("password=x")), {
    code: "MCA_INTERNAL",
    sentence: "An internal error; see the log.",
  });
});

test("/metrics is Prometheus text, also with label values that need escaping", async () => {
  const telemetry = createTelemetry("test");
  telemetry.metrics.counter("a_total", { description: "With \\ and\nnewline." }).bind({ kind: 'a"b\\c\nd' }).add(2);
  telemetry.metrics
    .histogram("b_seconds", { description: "B.", unit: "s", buckets: [1] })
    .bind()
    .record(0.5);
  const answer = await app([], telemetry.prometheusText).app.inject("/metrics");
  assert.equal(answer.statusCode, 200);
  assert.match(String(answer.headers["content-type"]), /^text\/plain; version=0\.0\.4/);
  const samples = parsePrometheusText(answer.body);
  assert.equal(samples.find(({ name }) => name === "a_total")?.value, 2);
  assert.equal(samples.find(({ name }) => name === "a_total")?.labels.get("kind"), 'a\\"b\\\\c\\nd');
  assert.ok(samples.some(({ name, labels }) => name === "b_seconds_bucket" && labels.get("le") === "+Inf"));
  await telemetry.close();
});

test("metrics that cannot be collected are a 500 that tells nothing", async () => {
  const answer = await app([], async () => {
    throw new Error("a secret inside");
  }).app.inject("/metrics");
  assert.equal(answer.statusCode, 500);
  assert.deepEqual(answer.json(), { code: "MCA_INTERNAL" });
});

test("it takes nothing: other methods, other paths and bodies are refused", async () => {
  const { app: routes } = app();
  for (const method of ["POST", "PUT", "DELETE", "PATCH"] as const) {
    assert.equal((await routes.inject({ method, url: "/readyz" })).statusCode, 404);
  }
  assert.equal((await routes.inject("/")).statusCode, 404);
  assert.equal((await routes.inject("/metrics/../../etc/passwd")).statusCode, 404);
});

test("headers over 8 KiB are refused, and a client that never ends them is closed", { timeout: 30_000 }, async () => {
  const { options } = app();
  const listener = await startOperations(options);
  const { port } = listener.address;
  try {
    const status = await new Promise((resolve, reject) => {
      const asked = request(
        { host: "127.0.0.1", port, path: "/healthz", headers: { "x-large": "a".repeat(10_000) } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      asked.on("error", reject);
      asked.end();
    });
    assert.equal(status, 431);
    const slow = connect(port, "127.0.0.1");
    slow.on("error", () => {});
    slow.write("GET /healthz HTTP/1.1\r\nhost: x\r\n");
    slow.resume();
    const startedAt = performance.now();
    await new Promise<void>((resolve) => slow.on("close", () => resolve()));
    assert.ok(performance.now() - startedAt < 25_000);
  } finally {
    await listener.close();
  }
});

test("a port that is taken is MCA_LISTEN_FAILED", async () => {
  const first = await startOperations(app().options);
  try {
    const { port } = first.address;
    await assert.rejects(startOperations({ ...app().options, port }), { code: "MCA_LISTEN_FAILED" });
  } finally {
    await first.close();
  }
});
