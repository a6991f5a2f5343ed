// The numbers of one listener in one worker: plain fields and arrays, so that a request costs a few additions. OpenTelemetry is not
// loaded in workers. Labels that could grow with reloads (policies' names, rules of refusals) are bounded.
import type { DecisionReason } from "../policy/decision.ts";
import { Buckets } from "./buckets.ts";
import { catalogue, type MetricName } from "./catalogue.ts";
import { LabelledCounts } from "./labelled-counts.ts";
import type { ConnectionRecord, ExchangeRecord, ListenerCounts, ObservedEvent } from "./records.ts";
import type { HistogramSeries, NumberSeries } from "./snapshot.ts";

const PROTOCOLS = ["1.0", "1.1", "2"] as const;
/** Classes of status; the first: nothing was answered. */
const STATUSES = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"] as const;
const REASONS: readonly DecisionReason[] = ["allowed", "denied", "default-deny", "refused"];
/** Different values that one listener may have at most, over all reloads; what is beyond is counted as "(other)". */
const MAX_POLICIES = 1_000;
const MAX_REFUSALS = 500;

export class ListenerNumbers {
  readonly #listener: string;
  readonly #requests = new Float64Array(PROTOCOLS.length * STATUSES.length);
  readonly #duration = new Buckets(catalogue.duration.buckets);
  readonly #added = new Buckets(catalogue.added.buckets);
  readonly #decisions = new LabelledCounts(MAX_POLICIES, 2 * REASONS.length);
  readonly #matches = new LabelledCounts(MAX_POLICIES, 1);
  readonly #refused = new LabelledCounts(MAX_REFUSALS, 1);
  readonly #aborted = new LabelledCounts(MAX_REFUSALS, 1);
  readonly #ended = new LabelledCounts(MAX_REFUSALS, 1);
  readonly #events = new LabelledCounts(MAX_REFUSALS, 1);
  #receivedBytes = 0;
  #sentBytes = 0;

  constructor(listener: string) {
    this.#listener = listener;
  }

  exchange(record: ExchangeRecord): void {
    const { status, refusal, aborted } = record;
    const protocol = record.protocol === "1.1" ? 1 : record.protocol === "2" ? 2 : 0;
    const statusClass = status === undefined ? 0 : Math.min(STATUSES.length - 1, Math.floor(status / 100));
    const slot = protocol * STATUSES.length + statusClass;
    this.#requests[slot] = (this.#requests[slot] ?? 0) + 1;
    this.#duration.record(record.durationMs / 1_000);
    if (record.addedMs !== undefined) this.#added.record(record.addedMs / 1_000);
    this.#receivedBytes += record.requestBytes;
    this.#sentBytes += record.responseBytes;
    this.#decided(record);
    if (refusal !== undefined) this.#refused.add(`${refusal.code} ${refusal.reason}`, 0);
    if (aborted !== undefined) {
      const { cause } = aborted;
      this.#aborted.add(`${aborted.by} ${cause.kind === "timeout" ? cause.deadline : cause.kind}`, 0);
    }
  }

  connection(record: ConnectionRecord): void {
    this.#ended.add(record.end, 0);
    this.#receivedBytes += record.receivedBytes;
    this.#sentBytes += record.sentBytes;
    this.#decided(record);
  }

  count(event: ObservedEvent): void {
    this.#events.add(event, 0);
  }

  #decided({ decision }: ExchangeRecord | ConnectionRecord): void {
    if (decision === undefined) return;
    const { effect, policy, reason, dryRun, audit } = decision;
    const slot = REASONS.indexOf(reason) + (effect === "allow" ? 0 : REASONS.length);
    this.#decisions.add(policy ?? "", slot);
    for (const match of dryRun) this.#matches.add(`dry-run ${match.action} ${match.policy}`, 0);
    for (const match of audit) this.#matches.add(`audit ${match.action} ${match.policy}`, 0);
  }

  /** Adds what has been counted to the lists. `open`: what the data plane knows of this listener. */
  collect(
    counters: NumberSeries[],
    histograms: HistogramSeries[],
    gauges: NumberSeries[],
    open?: ListenerCounts,
  ): void {
    const listener = this.#listener;
    const counter = (metric: MetricName, value: number, ...labels: string[]): void => {
      if (value > 0) counters.push({ metric, labels: [listener, ...labels], value });
    };
    for (const [protocol, name] of PROTOCOLS.entries()) {
      for (const [statusClass, status] of STATUSES.entries()) {
        counter("requests", this.#requests[protocol * STATUSES.length + statusClass] ?? 0, name, status);
      }
    }
    for (const [policy, counts] of this.#decisions.entries()) {
      for (const [slot, value] of counts.entries()) {
        const effect = slot < REASONS.length ? "allow" : "deny";
        counter("decisions", value, effect, REASONS[slot % REASONS.length] ?? "", policy);
      }
    }
    for (const [key, [value = 0]] of this.#matches.entries()) counter("matches", value, ...words(key, 3));
    for (const [key, [value = 0]] of this.#refused.entries()) counter("refused", value, ...words(key, 2));
    for (const [key, [value = 0]] of this.#aborted.entries()) counter("aborted", value, ...words(key, 2));
    for (const [end, [value = 0]] of this.#ended.entries()) counter("connectionsEnded", value, end);
    for (const [event, [value = 0]] of this.#events.entries()) counter("events", value, event);
    counter("bytes", this.#receivedBytes, "received");
    counter("bytes", this.#sentBytes, "sent");
    histograms.push({ metric: "duration", labels: [listener], ...this.#duration.read() });
    histograms.push({ metric: "added", labels: [listener], ...this.#added.read() });
    if (open === undefined) return;
    counter("accepted", open.accepted);
    for (const [code, value] of open.refused) counter("handshakesRefused", value, code);
    const labels = [listener];
    gauges.push({ metric: "connections", labels, value: open.connections });
    gauges.push({ metric: "handshakes", labels, value: open.handshakes });
    gauges.push({ metric: "exchanges", labels, value: open.exchanges });
    gauges.push({ metric: "upstreamConnections", labels, value: open.upstreamConnections });
  }
}

/** The words of a key; the last one holds the rest. A key beyond the bound ("(other)") is every word. */
function words(key: string, count: number): string[] {
  const result: string[] = [];
  let from = 0;
  while (result.length < count - 1) {
    const space = key.indexOf(" ", from);
    if (space < 0) return new Array<string>(count).fill(key);
    result.push(key.slice(from, space));
    from = space + 1;
  }
  return [...result, key.slice(from)];
}
