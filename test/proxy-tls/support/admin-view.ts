// A view for the admin listener, over the state of a test.
import type { AdminView } from "../../../src/proxy-tls/admin/view.ts";
import type { ProxyConfig } from "../../../src/proxy-tls/config/schema.ts";
import { ProxyObserver } from "../../../src/proxy-tls/observe/observer.ts";
import type { StateSource } from "../../../src/proxy-tls/state.ts";

/** Ready, with one worker; `changes` make it otherwise. */
export function adminView(
  state: StateSource,
  config: ProxyConfig,
  changes: Partial<AdminView> = {},
): AdminView & { readonly observer: ProxyObserver } {
  const observer = new ProxyObserver({ lines: undefined, clock: { now: () => 0 } });
  return {
    notReady: () => [],
    notes: () => [],
    state: () => state.current(),
    config,
    policies: () => ({ file: "/etc/p.yaml", sha256: "ab".repeat(32), names: ["web-may-call"], loadedAt: 5 }),
    reloads: () => [],
    workers: () => [{ pid: 7, serving: true }],
    crashes: 0,
    metrics: async () => observer.snapshot([]),
    observer,
    ...changes,
  };
}
