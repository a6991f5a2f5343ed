// What the server's side of an HTTP/1.1 connection is given, and what its exchanges may ask of it.
import type { ObservedEvent } from "../../observe/records.ts";
import type { DeadlineWheel } from "../deadlines.ts";
import type { RequestHandler } from "../exchange.ts";
import type { RequestRules } from "../fields/rules.ts";
import type { RawRequestHead } from "../raw-head.ts";
import type { HttpRefusal } from "../refusal.ts";
import type { HttpTimeouts } from "../timeouts.ts";
import type { TurnWriter } from "./turn-writer.ts";

export interface H1ServerOptions {
  readonly handler: RequestHandler;
  /** The present rules: they change with the policies. */
  readonly rules: () => RequestRules;
  readonly allowHttp10: boolean;
  readonly timeouts: HttpTimeouts;
  readonly wheel: DeadlineWheel;
  /** A head that was refused before there was an exchange. */
  onRefused(refusal: HttpRefusal, raw: RawRequestHead | undefined): void;
  /** Policies have changed: whoever handles the exchanges ends those that are no longer allowed. */
  reconsider(): void;
  /** What was thrown that nobody expected. */
  onFault(error: unknown): void;
  /** Something that is counted: "dropped-request-trailer" ... */
  count(event: ObservedEvent): void;
}

/** What an exchange needs of its connection. */
export interface ExchangeConnection {
  readonly writer: TurnWriter;
  readonly draining: boolean;
  pauseReading(): void;
  resumeReading(): void;
  /** Bytes were written; `accepted` false: the socket asks to wait. @returns accepted */
  written(accepted: boolean): boolean;
  /** The response has ended. `close`: nothing follows on this connection. */
  responseEnded(close: boolean): void;
  /** Answered by ourselves: nothing more is read. */
  refused(): void;
  abort(): void;
}
