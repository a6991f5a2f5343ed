// What the primary itself knows, as metrics beside those of the data plane.
import type { CollectedMetric } from "../../runtime/metrics.ts";
import type { AdminView } from "./view.ts";

/** Names are listed in docs/proxy.md. */
export function primaryMetrics(view: AdminView): CollectedMetric[] {
  const { identity } = view.state();
  const workers = view.workers();
  return [
    gauge("mesh_ca_proxy_ready", "1 while the proxy serves; /readyz tells why not.", [
      { attributes: {}, value: view.notReady().length === 0 ? 1 : 0 },
    ]),
    gauge(
      "mesh_ca_proxy_certificate_not_after_seconds",
      "When our certificate expires, in Unix seconds; absent while there is none.",
      identity === undefined ? [] : [{ attributes: {}, value: Math.floor(identity.notAfter / 1_000) }],
      "s",
    ),
    gauge("mesh_ca_proxy_workers", "Processes of the data plane that serve.", [
      { attributes: {}, value: workers.filter(({ serving }) => serving).length },
    ]),
    counter("mesh_ca_proxy_worker_crashes_total", "Workers that ended although nobody asked them to.", [
      { attributes: {}, value: view.crashes },
    ]),
    counter(
      "mesh_ca_proxy_reloads_total",
      "Files that were read again, by what they hold. After a failure what was loaded before is in force.",
      view.reloads().flatMap(({ source, succeeded, failed }) => [
        { attributes: { source, result: "succeeded" }, value: succeeded },
        { attributes: { source, result: "failed" }, value: failed },
      ]),
    ),
  ];
}

type Points = Extract<CollectedMetric, { kind: "counter" | "gauge" }>["points"];

function gauge(name: string, description: string, points: Points, unit?: string): CollectedMetric {
  return { kind: "gauge", name, options: { description, ...(unit === undefined ? {} : { unit }) }, points };
}

function counter(name: string, description: string, points: Points): CollectedMetric {
  return { kind: "counter", name, options: { description }, points };
}
