// A stream of plain HTTP requests over kept connections, for as long as it is let. Counts what was answered and what failed.
import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { getText } from "./get-text.ts";

const WORKERS = 4;
const PAUSE_MS = 2;

export interface RequestStreamOptions {
  readonly port: number;
  /** Of every request. */
  readonly host: string;
  /** The body that every answer must have. */
  readonly expected: string;
}

export class RequestStream {
  readonly #options: RequestStreamOptions;
  readonly #workers: Promise<void>[];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: WORKERS });
  #stopped = false;
  #answered = 0;
  readonly #failures: Error[] = [];

  constructor(options: RequestStreamOptions) {
    this.#options = options;
    this.#workers = Array.from({ length: WORKERS }, () => this.#work());
  }

  get answered(): number {
    return this.#answered;
  }

  get failures(): readonly Error[] {
    return this.#failures;
  }

  /** Ends after the requests under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
    this.#agent.destroy();
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      try {
        const body = await this.#request();
        if (body !== this.#options.expected) throw new Error(`an answer was ${JSON.stringify(body.slice(0, 100))}`);
        this.#answered += 1;
      } catch (error) {
        this.#failures.push(error instanceof Error ? error : new Error(String(error)));
      }
      await sleep(PAUSE_MS);
    }
  }

  #request(): Promise<string> {
    const { port, host } = this.#options;
    return getText({ port, agent: this.#agent, path: "/", headers: { host } }, 10_000);
  }
}
