// A line of the access log: what it says, and that it says it in one line of JSON.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionLine, exchangeLine, lostLine, MAX_LINE_BYTES } from "../../../src/proxy-tls/observe/access-line.ts";
import type { Decision } from "../../../src/proxy-tls/policy/decision.ts";
import { ALLOWED, connectionRecord, DENIED, exchangeRecord } from "../support/records.ts";

test("a request's line tells who asked what, what was decided by which policy, and how it went", () => {
  assert.deepEqual(JSON.parse(exchangeLine(exchangeRecord())), {
    level: "info",
    time: "2026-01-02T03:04:05.007Z",
    event: "proxy.request",
    listener: "inbound",
    protocol: "1.1",
    method: "GET",
    authority: "cart",
    status: 200,
    durationMs: 1.5,
    addedMs: 0.063,
    requestBytes: 3,
    responseBytes: 12,
    peer: "spiffe://mesh.example/web",
    remoteAddress: "192.0.2.7",
    upstream: "127.0.0.1:8080",
    requestId: "r-1",
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    attempts: 1,
    decision: { ...ALLOWED },
    target: "/items?x=1",
    msg: "request",
  });
});

test("the decision in the line is the object that was made, matches included", () => {
  const decision: Decision = {
    effect: "deny",
    policy: 'no "admin"',
    rule: 2,
    reason: "denied",
    dryRun: [{ policy: "tomorrow", rule: 0, action: "deny" }],
    audit: [
      { policy: "watch", rule: 1, action: "audit" },
      { policy: "watch-more", rule: 0, action: "audit" },
    ],
  };
  for (const made of [decision, ALLOWED, DENIED]) {
    const plain: unknown = JSON.parse(JSON.stringify(made));
    assert.deepEqual(JSON.parse(exchangeLine(exchangeRecord({ decision: made }))).decision, plain);
    assert.deepEqual(JSON.parse(connectionLine(connectionRecord({ decision: made }), 0)).decision, plain);
  }
});

test("of many matches the first are told, and how many there were more", () => {
  const audit = Array.from({ length: 300 }, (_, rule) => ({ policy: "p".repeat(60), rule, action: "audit" as const }));
  const line = exchangeLine(exchangeRecord({ decision: { ...ALLOWED, audit, dryRun: audit } }));
  const { decision } = JSON.parse(line);
  assert.deepEqual(decision.audit, audit.slice(0, 8));
  assert.equal(decision.moreAudit, 292);
  assert.equal(decision.moreDryRun, 292);
  assert.ok(line.length <= MAX_LINE_BYTES, `${line.length} bytes`);
});

test("a refused head has its refusal and no invented method, target or status", () => {
  const line = JSON.parse(
    exchangeLine(
      exchangeRecord({
        ...{ method: undefined, authority: undefined, target: undefined, status: undefined, decision: undefined },
        ...{ upstream: undefined, addedMs: undefined, requestId: undefined, traceId: undefined },
        refusal: { status: 400, code: "MCA_PROXY_REQUEST_REFUSED", reason: "bare-lf" },
      }),
    ),
  );
  assert.deepEqual(line.refusal, { code: "MCA_PROXY_REQUEST_REFUSED", reason: "bare-lf" });
  for (const name of ["method", "authority", "target", "status", "decision", "upstream", "attempts", "addedMs"]) {
    assert.ok(!(name in line), name);
  }
});

test("who ended an exchange, and why, in each of its forms", () => {
  const refusal = { status: 502, code: "MCA_PROXY_UPSTREAM_MALFORMED", reason: "two-lengths" } as const;
  const said = (cause: NonNullable<Parameters<typeof exchangeLine>[0]["aborted"]>["cause"]): unknown =>
    JSON.parse(exchangeLine(exchangeRecord({ aborted: { by: "upstream", cause } }))).aborted;
  assert.deepEqual(said({ kind: "peer-gone" }), { by: "upstream", kind: "peer-gone" });
  assert.deepEqual(said({ kind: "timeout", deadline: "body-idle" }), {
    ...{ by: "upstream", kind: "timeout", deadline: "body-idle" },
  });
  assert.deepEqual(said({ kind: "closed", reason: "policy" }), { by: "upstream", kind: "closed", reason: "policy" });
  assert.deepEqual(said({ kind: "malformed", refusal }), {
    ...{ by: "upstream", kind: "malformed", refusal: { code: refusal.code, reason: refusal.reason } },
  });
});

test("a connection's line tells how it ended, what it carried and what was left out before it", () => {
  assert.deepEqual(JSON.parse(connectionLine(connectionRecord({ end: "peer-expired" }), 7)), {
    level: "info",
    time: "2026-01-02T03:04:05.026Z",
    event: "proxy.connection",
    listener: "inbound",
    end: "peer-expired",
    durationMs: 20,
    receivedBytes: 100,
    sentBytes: 200,
    peer: "spiffe://mesh.example/web",
    remoteAddress: "192.0.2.7",
    upstream: "127.0.0.1:5432",
    decision: { ...ALLOWED },
    leftOut: 7,
    msg: "connection",
  });
});

test("the time of a line is right at the edges of a second, forwards and backwards", () => {
  const base = Date.UTC(2026, 11, 31, 23, 59, 59, 999);
  for (const time of [base, base + 1, base, base + 1_010, 0, 999, 1_000, base]) {
    assert.equal(JSON.parse(lostLine(time, 1)).time, new Date(time).toISOString());
  }
});

test("times are told to the microsecond, as JSON writes them", () => {
  for (const [value, text] of [
    [0, "0"],
    [0.0004, "0"],
    [0.001, "0.001"],
    [0.01, "0.01"],
    [0.1, "0.1"],
    [0.9996, "1"],
    [1.5, "1.5"],
    [1_234.567_8, "1234.568"],
    [86_400_000.25, "86400000.25"],
    [-0.3, "0"],
  ] as const) {
    const line = exchangeLine(exchangeRecord({ durationMs: value, addedMs: value }));
    assert.ok(line.includes(`"durationMs":${text},"addedMs":${text},`), line);
  }
});
