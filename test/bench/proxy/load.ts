// The bench's side of the proxies' load client.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Orders } from "../orders.ts";
import { pinned } from "./children.ts";
import type { FromClient, Ran, ToClient, Wire } from "./messages.ts";

export class LoadClient {
  readonly #orders: Orders<ToClient, FromClient>;

  private constructor(orders: Orders<ToClient, FromClient>) {
    this.#orders = orders;
  }

  static async start(identityFolder: string): Promise<LoadClient> {
    const [execPath, args] = pinned("others", [process.execPath]);
    const orders = new Orders<ToClient, FromClient>(
      fork(fileURLToPath(new URL("load-client.ts", import.meta.url)), {
        stdio: ["ignore", "inherit", "inherit", "ipc"],
        serialization: "advanced",
        execPath,
        execArgv: [...args],
      }),
    );
    await orders.answer("ready");
    await orders.ask({ kind: "identity", folder: identityFolder }, "done");
    return new LoadClient(orders);
  }

  async open(group: string, wire: Wire, port: number, connections: number): Promise<void> {
    await this.#orders.ask({ kind: "open", group, wire, port, connections }, "done");
  }

  /** @throws Error where a call fails, unless `mayFail`: a bench with errors in it measures nothing */
  async run(group: string, count: number, inFlight: number, options: { mayFail?: boolean } = {}): Promise<Ran> {
    const ran = await this.#orders.ask({ kind: "run", group, count, inFlight }, "ran");
    if (ran.failed > 0 && !options.mayFail) throw new Error(`${ran.failed} calls failed: ${ran.failures.join("; ")}`);
    return ran;
  }

  async close(group: string): Promise<void> {
    await this.#orders.ask({ kind: "close", group }, "done");
  }

  handshakes(port: number, count: number, inFlight: number): Promise<Ran> {
    return this.#orders.ask({ kind: "handshakes", port, count, inFlight }, "ran");
  }

  /** @throws Error where the SHA-256 of what arrived is not that of what was sent */
  async bulk(port: number, direction: "up" | "down", bytes: number): Promise<void> {
    const { equal } = await this.#orders.ask({ kind: "bulk", port, direction, bytes }, "carried");
    if (!equal) throw new Error(`a body of ${bytes} bytes (${direction}) arrived with another SHA-256`);
  }

  stop(): void {
    this.#orders.close();
  }
}
