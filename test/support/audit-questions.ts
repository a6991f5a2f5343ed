// Each filter of ListIssuances once, with values that fit a LargeLedger: common ones and rare ones, from the start and from the middle.
import type { IssuanceQuery } from "../../src/ca/ledger/audit/index.ts";
import { hexOf } from "../ca/ledger/support.ts";
import { ISSUE_EVERY_MS, type LargeLedger, workloadId, workloadLineage } from "./large-ledger.ts";

/** The questions by what they ask. */
export function auditQuestions({ rows, workloads, startedAt }: LargeLedger): ReadonlyMap<string, IssuanceQuery> {
  const half = Math.floor(rows / 2);
  const issuedAt = (n: number) => startedAt + n * ISSUE_EVERY_MS;
  const middle = Math.floor(workloads / 2);
  return new Map<string, IssuanceQuery>([
    ["SPIFFE ID", { spiffeId: workloadId(middle) }],
    ["SPIFFE ID, newest first", { spiffeId: workloadId(middle), newestFirst: true }],
    ["SPIFFE ID that was never issued", { spiffeId: "spiffe://example.test/ns/none" }],
    ["prefix of a namespace", { spiffeIdPrefix: `spiffe://example.test/ns/n${Math.floor(middle / 100)}` }],
    ["prefix of everything, newest first", { spiffeIdPrefix: "spiffe://example.test/ns", newestFirst: true }],
    ["serial", { serial: `01${hexOf(String(half)).slice(0, 32)}` }],
    ["serial that was never given", { serial: `7f${"0".repeat(32)}` }],
    ["requester: a token", { requester: "token:7" }],
    ["requester: an identity, newest first", { requester: workloadId(middle), newestFirst: true }],
    ["lineage", { lineage: workloadLineage(middle) }],
    ["lineage, newest first", { lineage: workloadLineage(middle), newestFirst: true }],
    ["lineage that was never opened", { lineage: "00000000-0000-4000-8000-000000000000" }],
    ["authority", { authority: hexOf(String(Math.floor(half / 250_000))) }],
    ["authority that signed nothing, newest first", { authority: "00".repeat(32), newestFirst: true }],
    ["time window of an hour", { issuedFrom: issuedAt(half), issuedUntil: issuedAt(half) + 3_600_000 }],
    ["time window after the end", { issuedFrom: issuedAt(rows) + 86_400_000 }],
    ["valid at T", { validAt: issuedAt(half) }],
    ["valid at T, one SPIFFE ID", { validAt: issuedAt(half), spiffeId: workloadId(middle) }],
    ["valid at T, a namespace", { validAt: issuedAt(half), spiffeIdPrefix: "spiffe://example.test/ns/n0" }],
    ["authority within an hour", { authority: hexOf("0"), issuedFrom: issuedAt(1000), issuedUntil: issuedAt(30_000) }],
    ["without outcome", { withoutOutcome: true }],
    ["everything", {}],
    ["everything, newest first", { newestFirst: true }],
  ]);
}
