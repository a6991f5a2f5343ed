// A whole data plane in this process, for tests: made from a configuration as it would stand in a file, with a trust domain of its own, a
// clock that a test moves, and an observer that keeps what it is told.
//
//   await using backend = await startBackend();
//   await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)], policies: [ALLOW_ALL] });
//   const client = await connectClient(proxy.port("in"), world.identity("/client"));
import { parseProxyConfig } from "../../../src/proxy-tls/config/index.ts";
import { createDataPlane, type DataPlane } from "../../../src/proxy-tls/data-plane.ts";
import { PeerVerifier } from "../../../src/proxy-tls/identity/peer-verifier.ts";
import type {
  ConnectionRecord,
  ExchangeRecord,
  ObservedEvent,
  Observer,
} from "../../../src/proxy-tls/observe/records.ts";
import { parsePolicies } from "../../../src/proxy-tls/policy/parse.ts";
import { systemRandom } from "../../../src/runtime/index.ts";
import type { TrustSet } from "../../../src/spiffe/index.ts";
import type { TlsIdentity } from "../../../src/tls/index.ts";
import { LogLines, MovableClock } from "../../tls/support/endpoints.ts";
import { TestDomain, TestState } from "./state.ts";

/** The trust domain of most tests. Its CA is made once for each test file. */
export const world = new TestDomain("example.test");

/** Allows everybody of `world`. */
export const ALLOW_ALL = { name: "all", action: "allow", rules: [{ from: { ids: ["spiffe://example.test/*"] } }] };

/** Keeps everything that the data plane tells. */
export class CapturingObserver implements Observer {
  readonly #beside: Observer | undefined;
  readonly exchanges: ExchangeRecord[] = [];
  readonly connections: ConnectionRecord[] = [];
  readonly events: { readonly event: ObservedEvent; readonly listener: string }[] = [];

  constructor(beside?: Observer) {
    this.#beside = beside;
  }

  exchange(record: ExchangeRecord): void {
    this.exchanges.push(record);
    this.#beside?.exchange(record);
  }

  connection(record: ConnectionRecord): void {
    this.connections.push(record);
    this.#beside?.connection(record);
  }

  count(event: ObservedEvent, listener: string): void {
    this.events.push({ event, listener });
    this.#beside?.count(event, listener);
  }

  /** How often an event was counted. */
  counted(event: ObservedEvent): number {
    return this.events.filter((counted) => counted.event === event).length;
  }
}

export interface TestProxyOptions {
  /** As in the file. */
  readonly listeners: readonly object[];
  /** Policies as in the file. Default: none, so that everything is denied. */
  readonly policies?: readonly object[];
  /** The rest of the configuration, as in the file: timeouts, limits, expiry ... */
  readonly settings?: object;
  /** Path of our own SPIFFE ID in `world`. Default /proxy. */
  readonly id?: string;
  readonly identity?: TlsIdentity;
  /** Default: `world` alone. */
  readonly trust?: readonly TrustSet[];
  /** Is told everything, too. */
  readonly observer?: Observer;
}

export interface TestProxy {
  readonly plane: DataPlane;
  readonly state: TestState;
  readonly observer: CapturingObserver;
  readonly clock: MovableClock;
  readonly log: LogLines;
  /** The bound port of a listener. */
  port(listener: string): number;
  /** Changes the policies, as in the file. */
  setPolicies(policies: readonly object[]): void;
  /** Changes whom the proxy trusts. */
  setTrust(trust: readonly TrustSet[]): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a data plane that listens. */
export async function startProxy(options: TestProxyOptions): Promise<TestProxy> {
  const { id = "/proxy", trust = [world.trust()], policies = [] } = options;
  const state = new TestState(
    `spiffe://${world.name}${id}`,
    options.identity ?? world.identity(id),
    trust,
    parsePolicies({ policies }),
  );
  const observer = new CapturingObserver(options.observer);
  const clock = new MovableClock();
  const log = new LogLines();
  const plane = createDataPlane({
    config: proxyConfig(options.listeners, options.settings),
    ...{ state, observer, clock, logger: log, random: systemRandom },
    sweepMs: 20,
  });
  await plane.listen();
  return {
    ...{ plane, state, observer, clock, log },
    port(listener) {
      const port = plane.addresses().get(listener)?.port;
      if (port === undefined) throw new TypeError(`no listener ${listener} on a port`);
      return port;
    },
    setPolicies: (changed) => state.set({ policies: parsePolicies({ policies: changed }) }),
    setTrust: (changed) => state.set({ peers: new PeerVerifier(changed) }),
    [Symbol.asyncDispose]: () => plane.drain(0),
  };
}

/** A checked configuration of these listeners, with what a test does not care about filled in. */
export function proxyConfig(listeners: readonly object[], settings: object = {}) {
  return parseProxyConfig({
    identity: { kind: "files", certificateFile: "unused.pem", keyFile: "unused.key", trustFile: "unused.json" },
    ...settings,
    listeners,
  });
}

/** An inbound tcp listener "in" on a free port. */
export function inboundTcp(targetPort: number, changes: object = {}): object {
  return {
    ...{ direction: "inbound", name: "in", protocol: "tcp", host: "127.0.0.1", port: 0 },
    target: { port: targetPort },
    ...changes,
  };
}

/** An outbound tcp listener "out" on a free loopback port, to a target on this machine. */
export function outboundTcp(targetPort: number, expect: readonly string[], changes: object = {}): object {
  return {
    ...{ direction: "outbound", name: "out", protocol: "tcp" },
    listen: { port: 0 },
    targets: [{ host: "127.0.0.1", port: targetPort }],
    expect,
    ...changes,
  };
}
