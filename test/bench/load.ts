// The bench's side of the load client: starts it, sends orders, waits for answers.
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TlsIdentity } from "../../src/tls/index.ts";
import type { FromClient, PacedCalls, ToClient } from "./messages.ts";

export interface Run {
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class Load {
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.child = child;
  }

  static async start(): Promise<Load> {
    const load = new Load(
      fork(fileURLToPath(new URL("load-client.ts", import.meta.url)), {
        stdio: ["ignore", "inherit", "inherit", "ipc"],
        serialization: "advanced",
        // Short collections: what this process loses in them would count as the server's latency.
        execArgv: ["--max-semi-space-size=2"],
      }),
    );
    await load.answer("ready");
    return load;
  }

  async enrol(address: string, tokens: readonly string[]): Promise<void> {
    await this.ask({ kind: "enrol", address, tokens }, "enrolled");
  }

  async prepare(count: number): Promise<void> {
    await this.ask({ kind: "prepare", count }, "prepared");
  }

  run(count: number, inFlight: number): Promise<Run> {
    return this.ask({ kind: "run", count, inFlight }, "ran");
  }

  /** Every workload follows WatchTrust from now on. */
  async follow(): Promise<void> {
    await this.ask({ kind: "follow" }, "following");
  }

  async pace(perSecond: number): Promise<void> {
    await this.ask({ kind: "pace", perSecond }, "pacing");
  }

  /** Ends the paced load. `leastRevision`: the revision of trust that every workload has at least been told. */
  unpace(): Promise<{ readonly calls: PacedCalls; readonly leastRevision: bigint }> {
    return this.ask({ kind: "unpace" }, "paced");
  }

  async identity(): Promise<TlsIdentity> {
    return (await this.ask({ kind: "identity" }, "identity")).identity;
  }

  close(): void {
    if (this.child.connected) this.child.disconnect();
  }

  private ask<K extends FromClient["kind"]>(order: ToClient, kind: K): Promise<Extract<FromClient, { kind: K }>> {
    const answer = this.answer(kind);
    this.child.send(order);
    return answer;
  }

  private answer<K extends FromClient["kind"]>(kind: K): Promise<Extract<FromClient, { kind: K }>> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`the load client ended with ${code}`));
      this.child.once("exit", ended);
      this.child.once("message", (message: FromClient) => {
        this.child.off("exit", ended);
        if (isKind(message, kind)) resolve(message);
        else
          reject(
            new Error(
              message.kind === "failed" ? `the load client failed: ${message.sentence}` : `unexpected ${message.kind}`,
            ),
          );
      });
    });
  }
}

function isKind<K extends FromClient["kind"]>(
  message: FromClient,
  kind: K,
): message is Extract<FromClient, { kind: K }> {
  return message.kind === kind;
}
