// Records as the data plane would make them, for tests of what is made of them.
import type { ConnectionRecord, ExchangeRecord } from "../../../src/proxy-tls/observe/records.ts";
import type { Decision } from "../../../src/proxy-tls/policy/decision.ts";

export const ALLOWED: Decision = {
  effect: "allow",
  policy: "web-may-call",
  rule: 0,
  reason: "allowed",
  dryRun: [],
  audit: [],
};

export const DENIED: Decision = {
  effect: "deny",
  policy: undefined,
  rule: undefined,
  reason: "default-deny",
  dryRun: [],
  audit: [],
};

/** A request that was allowed and answered. */
export function exchangeRecord(changes: Partial<ExchangeRecord> = {}): ExchangeRecord {
  return {
    listener: "inbound",
    startedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    durationMs: 1.5,
    protocol: "1.1",
    method: "GET",
    authority: "cart",
    target: "/items?x=1",
    status: 200,
    requestBytes: 3,
    responseBytes: 12,
    peer: "spiffe://mesh.example/web",
    remoteAddress: "192.0.2.7",
    decision: ALLOWED,
    requestId: "r-1",
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    upstream: "127.0.0.1:8080",
    upstreamPeer: undefined,
    attempts: 1,
    addedMs: 0.0625,
    refusal: undefined,
    aborted: undefined,
    ...changes,
  };
}

/** A tcp connection that was allowed and has ended. */
export function connectionRecord(changes: Partial<ConnectionRecord> = {}): ConnectionRecord {
  return {
    listener: "inbound",
    startedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    durationMs: 20,
    peer: "spiffe://mesh.example/web",
    remoteAddress: "192.0.2.7",
    decision: ALLOWED,
    upstream: "127.0.0.1:5432",
    upstreamPeer: undefined,
    receivedBytes: 100,
    sentBytes: 200,
    end: "closed",
    ...changes,
  };
}
