// What the data plane of one process tells, turned into the access log and numbers. Nothing here throws or waits.
import { type Clock, LineAllowance } from "../../runtime/index.ts";
import { connectionLine, exchangeLine } from "./access-line.ts";
import { ListenerNumbers } from "./listener-numbers.ts";
import type { ConnectionRecord, ExchangeRecord, ListenerCounts, ObservedEvent, Observer } from "./records.ts";
import type { HistogramSeries, MetricsSnapshot, NumberSeries } from "./snapshot.ts";

/** Lines about connections that never came to anything: whoever can open connections must not be able to fill the disk. */
const IDLE_CONNECTION_LINES = { burst: 50, perSecond: 10 };

/** Where lines go (LineSink). */
export interface AccessLines {
  line(line: string): void;
  readonly lost: number;
}

export interface ProxyObserverOptions {
  /** Undefined: no access log. */
  readonly lines: AccessLines | undefined;
  readonly clock: Clock;
}

export class ProxyObserver implements Observer {
  readonly #lines: AccessLines | undefined;
  readonly #allowance: LineAllowance;
  readonly #listeners = new Map<string, ListenerNumbers>();

  constructor({ lines, clock }: ProxyObserverOptions) {
    this.#lines = lines;
    this.#allowance = new LineAllowance(IDLE_CONNECTION_LINES, clock);
  }

  exchange(record: ExchangeRecord): void {
    this.#of(record.listener).exchange(record);
    this.#lines?.line(exchangeLine(record));
  }

  connection(record: ConnectionRecord): void {
    this.#of(record.listener).connection(record);
    if (this.#lines === undefined) return;
    const leftOut = cameToNothing(record) ? this.#allowance.take() : 0;
    if (leftOut !== undefined) this.#lines.line(connectionLine(record, leftOut));
  }

  count(event: ObservedEvent, listener: string): void {
    this.#of(listener).count(event);
  }

  /** The numbers of this process. @param open what the data plane knows of its listeners now */
  snapshot(open: readonly ListenerCounts[]): MetricsSnapshot {
    const counters: NumberSeries[] = [];
    const histograms: HistogramSeries[] = [];
    const gauges: NumberSeries[] = [];
    for (const { listener } of open) this.#of(listener);
    for (const [name, numbers] of this.#listeners) {
      const counts = open.find(({ listener }) => listener === name);
      numbers.collect(counters, histograms, gauges, counts);
    }
    if (this.#lines !== undefined) counters.push({ metric: "logLinesLost", labels: [], value: this.#lines.lost });
    return { counters, histograms, gauges };
  }

  #of(listener: string): ListenerNumbers {
    const known = this.#listeners.get(listener);
    if (known !== undefined) return known;
    const numbers = new ListenerNumbers(listener);
    this.#listeners.set(listener, numbers);
    return numbers;
  }
}

/** Nobody was verified, nothing was decided and nothing was carried. */
function cameToNothing(record: ConnectionRecord): boolean {
  return record.peer === undefined && record.decision === undefined && record.upstream === undefined;
}
