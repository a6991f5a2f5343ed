// The targets of a tcp listener, taken in turn. A target that cannot be reached, or is not who it should be, is passed over for the next
// one: nothing has been sent yet.
import { LineAllowance, MeshCaError } from "../../runtime/index.ts";
import type { SpiffeId } from "../../spiffe/index.ts";
import type { ListenerRuntime } from "../listener/runtime.ts";
import { connectTarget, type TargetConnection } from "./connect.ts";
import { addressText, type Target } from "./target.ts";

const FAILURE_LINES = { burst: 10, perSecond: 1 };

/** A connection to one of the targets. */
export interface UpstreamConnection extends TargetConnection {
  readonly address: string;
  /** What its peer was verified by. */
  readonly trustRevision: number;
}

export class TcpUpstream {
  readonly #listener: string;
  readonly #targets: readonly Target[];
  readonly #expected: readonly SpiffeId[];
  readonly #runtime: ListenerRuntime;
  readonly #lines: LineAllowance;
  #turn = 0;
  #open = 0;

  constructor(listener: string, targets: readonly Target[], expected: readonly SpiffeId[], runtime: ListenerRuntime) {
    this.#listener = listener;
    this.#targets = targets;
    this.#expected = expected;
    this.#runtime = runtime;
    this.#lines = new LineAllowance(FAILURE_LINES, runtime.clock);
  }

  /** Connections to the targets, those that are being made included. */
  get open(): number {
    return this.#open;
  }

  /** Whether the far side speaks TLS, and may refuse us after the handshake. */
  get mayRefuse(): boolean {
    return this.#targets[0]?.security === "mtls";
  }

  /**
   * Connects to the next target that takes the connection. The place is given back when the socket has closed.
   * @returns undefined: none does; the log has the reasons
   * @throws the signal's reason
   */
  async connect(signal: AbortSignal): Promise<UpstreamConnection | undefined> {
    this.#open += 1;
    const connection = await this.#tryEach(signal).catch((error: unknown) => {
      this.#open -= 1;
      throw error;
    });
    if (connection === undefined) this.#open -= 1;
    else connection.socket.once("close", () => (this.#open -= 1));
    return connection;
  }

  async #tryEach(signal: AbortSignal): Promise<UpstreamConnection | undefined> {
    for (let attempt = 0; attempt < this.#targets.length; attempt++) {
      const target = this.#targets[this.#turn++ % this.#targets.length];
      if (target === undefined) return undefined;
      try {
        return await this.#connect(target, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        this.#failed(target, error);
      }
    }
    return undefined;
  }

  async #connect(target: Target, signal: AbortSignal): Promise<UpstreamConnection> {
    const { state, config, clock, observer } = this.#runtime;
    const { identity, peers, trustRevision } = state.current();
    const connection = await connectTarget(target, {
      ...{ identity, peers, expected: this.#expected, alpn: [] },
      ...{ timeoutMs: config.timeouts.connectMs, clock, signal },
    });
    observer.count("upstream-connected", this.#listener);
    return { ...connection, address: addressText(target.address), trustRevision };
  }

  #failed(target: Target, error: unknown): void {
    const { observer, logger } = this.#runtime;
    observer.count("upstream-connect-failed", this.#listener);
    const fields = { event: "proxy.upstream_failed", listener: this.#listener, target: addressText(target.address) };
    if (!(error instanceof MeshCaError)) {
      logger.error({ ...fields, code: "internal", error }, "a connection to a target failed by a fault of ours");
      return;
    }
    const leftOut = this.#lines.take();
    if (leftOut !== undefined) logger.warn({ ...fields, code: error.code, leftOut }, error.message);
  }
}
