// The bench's side of the load client: starts it, sends orders, waits for answers.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TlsIdentity } from "../../src/tls/index.ts";
import type { FromClient, PacedCalls, ToClient } from "./messages.ts";
import { Orders } from "./orders.ts";

export interface Run {
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class Load {
  private readonly orders: Orders<ToClient, FromClient>;

  private constructor(orders: Orders<ToClient, FromClient>) {
    this.orders = orders;
  }

  static async start(): Promise<Load> {
    const orders = new Orders<ToClient, FromClient>(
      fork(fileURLToPath(new URL("load-client.ts", import.meta.url)), {
        stdio: ["ignore", "inherit", "inherit", "ipc"],
        serialization: "advanced",
        // Short collections: what this process loses in them would count as the server's latency.
        execArgv: ["--max-semi-space-size=2"],
      }),
    );
    await orders.answer("ready");
    return new Load(orders);
  }

  async enrol(address: string, tokens: readonly string[]): Promise<void> {
    await this.orders.ask({ kind: "enrol", address, tokens }, "enrolled");
  }

  async prepare(count: number): Promise<void> {
    await this.orders.ask({ kind: "prepare", count }, "prepared");
  }

  run(count: number, inFlight: number): Promise<Run> {
    return this.orders.ask({ kind: "run", count, inFlight }, "ran");
  }

  /** Every workload follows WatchTrust from now on. */
  async follow(): Promise<void> {
    await this.orders.ask({ kind: "follow" }, "following");
  }

  async pace(perSecond: number): Promise<void> {
    await this.orders.ask({ kind: "pace", perSecond }, "pacing");
  }

  /** Ends the paced load. `leastRevision`: the revision of trust that every workload has at least been told. */
  unpace(): Promise<{ readonly calls: PacedCalls; readonly leastRevision: bigint }> {
    return this.orders.ask({ kind: "unpace" }, "paced");
  }

  async identity(): Promise<TlsIdentity> {
    return (await this.orders.ask({ kind: "identity" }, "identity")).identity;
  }

  close(): void {
    this.orders.close();
  }
}
