// The data plane of one process: its listeners and everything that is open on them. What it shows, trusts and allows comes from a
// StateSource and is followed at once; nothing of it is kept here.
import { DeadlineWheel } from "./http/deadlines.ts";
import { InboundListener } from "./listener/inbound.ts";
import type { ProxyListener } from "./listener/listener.ts";
import { OpenConnections } from "./listener/open-connections.ts";
import { OutboundListener } from "./listener/outbound.ts";
import type { BoundAddress, ListenerRuntime, PlaneParts } from "./listener/runtime.ts";
import type { ListenerCounts } from "./observe/records.ts";

/** The registry ends what is left first, and says why; the listeners' own end is for what it does not know. */
const LAST_RESORT_MS = 500;

export interface DataPlaneOptions extends PlaneParts {
  /** Several processes may listen on the same TCP ports. Default false. */
  readonly reusePort?: boolean | undefined;
  /** How often open connections are asked whether their time has come (expiry, idleness), in milliseconds. Default 1,000. */
  readonly sweepMs?: number | undefined;
}

export interface DataPlane {
  /**
   * Opens every listener, or none.
   * @throws TlsError MCA_TLS_IDENTITY_MISSING (there must be an identity first), MCA_TLS_IDENTITY_INVALID, MCA_TLS_LISTEN_FAILED;
   *   ProxyError MCA_PROXY_LISTEN_FAILED
   */
  listen(): Promise<void>;
  /**
   * Stops: no new connections from now on, HTTP connections are told, what is in flight has `graceMs` to end, then it is ended. Resolves when
   * everything is closed. Later calls wait for the first; a state that changes meanwhile is still followed and opens nothing.
   */
  drain(graceMs: number): Promise<void>;
  /** Where the listeners are bound, by name; empty before `listen`. */
  addresses(): ReadonlyMap<string, BoundAddress>;
  counts(): readonly ListenerCounts[];
}

/** Makes the data plane of a checked configuration; it opens nothing before `listen`. */
export function createDataPlane(options: DataPlaneOptions): DataPlane {
  return new ListeningDataPlane(options);
}

class ListeningDataPlane implements DataPlane {
  readonly #runtime: ListenerRuntime;
  readonly #listeners: readonly ProxyListener[];
  readonly #addresses = new Map<string, BoundAddress>();
  #draining: Promise<void> | undefined;

  constructor({ reusePort = false, sweepMs, ...shared }: DataPlaneOptions) {
    const { state, clock, logger } = shared;
    const onFault = (error: unknown): void =>
      logger.error({ event: "proxy.fault", error }, "a fault of ours; the connection may have ended by it");
    const wheel = new DeadlineWheel({ onFault });
    const connections = new OpenConnections({ state, clock, sweepMs, onFault });
    this.#runtime = { ...shared, wheel, connections };
    this.#listeners = shared.config.listeners.map((listener) =>
      listener.direction === "inbound"
        ? new InboundListener(listener, this.#runtime, reusePort)
        : new OutboundListener(listener, this.#runtime, reusePort),
    );
  }

  async listen(): Promise<void> {
    if (this.#draining !== undefined) throw new TypeError("a data plane that was stopped does not listen again");
    try {
      for (const listener of this.#listeners) this.#addresses.set(listener.name, await listener.listen());
    } catch (error) {
      await this.drain(0);
      throw error;
    }
  }

  drain(graceMs: number): Promise<void> {
    this.#draining ??= this.#drain(graceMs);
    return this.#draining;
  }

  addresses(): ReadonlyMap<string, BoundAddress> {
    return this.#addresses;
  }

  counts(): readonly ListenerCounts[] {
    return this.#listeners.map((listener) => listener.counts());
  }

  async #drain(graceMs: number): Promise<void> {
    const { connections, wheel } = this.#runtime;
    const closed = this.#listeners.map((listener) => listener.close(graceMs + LAST_RESORT_MS));
    connections.drain();
    const grace = setTimeout(() => connections.endDrained(), graceMs);
    await Promise.all(closed);
    clearTimeout(grace);
    connections.close();
    wheel.close();
    this.#addresses.clear();
  }
}
