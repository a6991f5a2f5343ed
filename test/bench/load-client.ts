// The load: many workloads, each renewing in a chain over its own live mTLS connection, a fixed number of calls in flight. Runs
// as a process of its own and takes its orders from the bench over IPC.
import type { FromClient, ToClient } from "./messages.ts";
import { Pacer } from "./paced.ts";
import { type PreparedKey, prepareKey, Workload } from "./workload.ts";

const ENROLLING_AT_ONCE = 8;
const workloads: Workload[] = [];
let prepared: PreparedKey[] = [];
let pacer: Pacer<Workload> | undefined;

function tell(message: FromClient): void {
  process.send?.(message);
}

async function enrol(address: string, tokens: readonly string[]): Promise<void> {
  const waiting = [...tokens];
  const enrolOne = async (): Promise<void> => {
    for (let token = waiting.pop(); token !== undefined; token = waiting.pop()) {
      workloads.push(await Workload.enrol(address, token));
    }
  };
  await Promise.all(Array.from({ length: ENROLLING_AT_ONCE }, enrolOne));
  tell({ kind: "enrolled" });
}

/** Renews `count` times; any failure fails the run, because a bench with errors in it measures nothing. */
async function run(count: number, inFlight: number): Promise<void> {
  const idle = [...workloads];
  const keys = prepared.splice(0, count);
  if (keys.length < count) throw new TypeError(`${count} renewals asked for, ${keys.length} keys prepared`);
  const latencies: number[] = [];
  const started = performance.now();
  const caller = async (): Promise<void> => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
      const workload = idle.shift();
      if (workload === undefined) throw new TypeError("more calls in flight than workloads");
      const before = performance.now();
      await workload.renew(key);
      latencies.push(performance.now() - before);
      idle.push(workload);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const seconds = (performance.now() - started) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  tell({ kind: "ran", seconds, p50Ms: at(0.5), p99Ms: at(0.99) });
}

async function obey(order: ToClient): Promise<void> {
  switch (order.kind) {
    case "enrol":
      return enrol(order.address, order.tokens);
    case "prepare":
      prepared = Array.from({ length: order.count }, prepareKey);
      return tell({ kind: "prepared" });
    case "run":
      return run(order.count, order.inFlight);
    case "follow":
      await Promise.all(workloads.map((workload) => workload.follow()));
      return tell({ kind: "following" });
    case "pace":
      pacer = new Pacer(workloads, order.perSecond, (workload) => workload.renew(prepareKey()));
      return tell({ kind: "pacing" });
    case "unpace": {
      if (pacer === undefined) throw new TypeError("nothing was paced");
      const calls = await pacer.stop();
      const [least] = workloads.map(({ revision }) => revision).sort((a, b) => Number(a - b));
      return tell({ kind: "paced", calls, leastRevision: least ?? 0n });
    }
    case "identity": {
      const first = workloads[0];
      if (first === undefined) throw new TypeError("nobody has enrolled");
      return tell({ kind: "identity", identity: first.identity });
    }
  }
}

process.on("message", (order: ToClient) => {
  obey(order).catch((error: unknown) =>
    tell({ kind: "failed", sentence: error instanceof Error ? error.message : String(error) }),
  );
});
process.on("disconnect", () => process.exit());
tell({ kind: "ready" });
